/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Binds and unbinds the driver of the device behind a misc device node, through
 * sysfs.
 */
#ifndef VT_DRIVER_H
#define VT_DRIVER_H

#include <limits.h>

/* @driver: sysfs directory of the driver; @name: name of the device */
struct vt_driver {
	char driver[PATH_MAX];
	char name[64];
};

/* @node: path of a misc device node, e.g. /dev/peer_vram0. Return: 0 or -errno. */
int vt_driver_find(struct vt_driver *device, const char *node);
/* @what: "bind" or "unbind". Return: 0 or -errno. */
int vt_driver_write(const struct vt_driver *device, const char *what);

#endif
