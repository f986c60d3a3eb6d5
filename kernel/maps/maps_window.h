/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_WINDOW_H
#define MAPS_WINDOW_H

#include <linux/iosys-map.h>

struct maps_region;
struct maps_run;

/*
 * Maps a run of device memory. @map gets the address of its first page. The caller
 * holds maps->lock. Return: 0, -ENOMEM also for too many windows.
 */
int maps_window_map(struct maps_region *maps, const struct maps_run *run,
		    struct iosys_map *map);

/* At the end of the region. */
void maps_window_unmap_all(struct maps_region *maps);

#endif
