/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The PCI device whose memory is mapped by others than peer_vram: who drives it,
 * and what of it is allowed. Functions that return int return 0 or -errno, or
 * the status of what loads modules.
 */
#ifndef MAPS_DEVICE_H
#define MAPS_DEVICE_H

#include "lib/link.h"
#include "lib/mem.h"

/* Its memory, as a file. */
#define MAPS_NODE "/dev/peer_test_maps"

/*
 * Its BAR 2 by sysfs; and by that node, wherever the driver has it (tests/kmod).
 * The owner's view is the driver's, of both.
 */
extern const struct vt_mem_kind vt_mem_resource;
extern const struct vt_mem_kind vt_mem_driver;
/* As the first, for who knows nothing of what must be allowed. */
extern const struct vt_mem_kind vt_mem_allowed;

/* Both modules are loaded, the driver has the device, and nothing is allowed. */
int maps_begin(void);
/* Nothing is allowed, and the driver has the device again. */
int maps_end(void);

/* A file in the device's folder in sysfs. */
const char *maps_path(const char *name);
/* Which file memory of the kind is mapped by. */
const char *maps_file(const struct vt_mem_kind *kind);
/* @driver: NULL: none is to drive it */
int maps_bind(const char *driver);
/* It goes; it is there again. */
int maps_remove(void);
int maps_rescan(void);
/* Where its BAR 2 is; 0: nowhere. */
uint64_t maps_place(void);

/* "driver NAME" or "file PATH" */
int maps_allow(const char *kind, const char *name);
int maps_forbid(const char *kind, const char *name);

/* A link to such memory: large packets, for there is much of it to compare. */
int maps_link_open(struct vt_link *link, const struct vt_mem_kind *kind,
		   size_t length, int access);

#endif
