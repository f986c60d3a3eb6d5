/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The device behind a node, and its driver, which can be told to let go of it and
 * to take it again.
 */
#ifndef VT_DRIVEN_H
#define VT_DRIVEN_H

#include <limits.h>

/* The folder of the driver, and its name for the device. */
struct vt_driven {
	char driver[PATH_MAX];
	char name[64];
};

/* @node: of a misc device, e.g. /dev/peer_vram0. Return: 0 or -errno. */
int vt_driven_find(struct vt_driven *device, const char *node);
/* @what: "bind" or "unbind". Return: 0 or -errno. */
int vt_driven_tell(const struct vt_driven *device, const char *what);

#endif
