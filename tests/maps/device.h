/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The PCI device (ivshmem) of the tests of peer_maps: its driver, its mappings,
 * and the entries of the module parameter "allow". Functions that return int
 * return 0, -errno, or the exit status of modprobe.
 */
#ifndef MAPS_DEVICE_H
#define MAPS_DEVICE_H

#include "lib/link.h"
#include "lib/mem.h"

/* Device file of peer_test_maps.ko (tests/kmod), the driver of the device. */
#define MAPS_NODE "/dev/peer_test_maps"

/*
 * BAR 2 mapped through sysfs, and memory mapped through MAPS_NODE, wherever the
 * driver has placed it. Both kinds read and write the memory as its owner through
 * MAPS_NODE.
 */
extern const struct vt_mem_kind vt_mem_resource;
extern const struct vt_mem_kind vt_mem_driver;
/* As vt_mem_resource; its prepare() sets everything up and allows the driver. */
extern const struct vt_mem_kind vt_mem_allowed;

/* Loads both modules, then does the same as maps_reset(). */
int maps_setup(void);
/* Removes all entries and binds the device to peer_test_maps. */
int maps_reset(void);

/* Return: the path of a file in the sysfs directory of the device. */
const char *maps_sysfs_path(const char *name);
/* Return: the file that maps memory of this kind. */
const char *maps_file(const struct vt_mem_kind *kind);
/*
 * Finds the sysfs directory of a PCI device with these IDs, such as "0x1af4". Return: 0,
 * -ENODEV.
 */
int maps_find_device(const char *vendor, const char *id, char *path, size_t size);
/* Binds the device to @driver; NULL: unbinds it. */
int maps_bind(const char *driver);
/* Removes the device from the bus; finds it again. */
int maps_remove(void);
int maps_rescan(void);
/* Return: the bus address of BAR 2, 0 if it has none. */
uint64_t maps_bar_address(void);

/* Adds and removes an entry; @kind: "driver" or "file" */
int maps_allow(const char *kind, const char *name);
int maps_forbid(const char *kind, const char *name);

/* Opens a link to such memory. The MTU is large, because the tests copy a lot. */
int maps_link_open(struct vt_link *link, const struct vt_mem_kind *kind,
		   size_t length, int access);

#endif
