/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* See peer_vram_device.c. */
#ifndef PEER_VRAM_DEVICE_H
#define PEER_VRAM_DEVICE_H

#include <linux/types.h>

struct device;
struct peer_vram_device;

struct peer_vram_device *peer_vram_device_alloc(struct device *dev);
int peer_vram_device_add(struct peer_vram_device *vram);
void peer_vram_device_remove(struct peer_vram_device *vram);
bool peer_vram_no_device(void);

#endif
