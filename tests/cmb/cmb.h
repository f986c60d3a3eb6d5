/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for tests of peer_cmb: the NVMe controllers of the virtual machine,
 * their drivers, and ioctls of their device files. Functions that return int
 * return 0 (or a descriptor) or -errno.
 */
#ifndef TESTS_CMB_H
#define TESTS_CMB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_cmb.h>

#include "../page_size.h"

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define PAGE page_size()

/* The controllers in the order of their PCI addresses; see tests/vm/vm.sh. */
enum cmb_controller {
	CMB_OLD,	/* NVMe 1.2, no CMBMSC; CMB of 2 MiB; 4 KiB blocks, one is bad */
	CMB_NO_DISK,	/* CMB of 1 MiB, no disk */
	CMB_NONE,	/* no CMB */
	CMB_LARGE,	/* CMB of 64 MiB, disk of 64 MiB */
	CMB_CONTROLLERS,
};

/* Return: the PCI address, like 0000:00:05.0; NULL if there is no such one. */
const char *cmb_address(enum cmb_controller which);

/* Stores the path of file @name in the sysfs directory of the PCI device. */
void cmb_sysfs(enum cmb_controller which, const char *name, char *path,
	       size_t size);
int cmb_sysfs_write(enum cmb_controller which, const char *name,
		    const char *text);

/*
 * Stores /dev/ and the name of the first file of the sysfs directory that matches
 * @pattern. Return: 0 or -ENOENT.
 */
int cmb_find(enum cmb_controller which, const char *pattern, char *node,
	     size_t size);

/* Loads peer_cmb, which binds no controller, and the kernel's nvme driver. */
int cmb_load(void);
/* Binds the controller to @driver instead of its present one. NULL: unbinds. */
int cmb_bind(enum cmb_controller which, const char *driver);
/* Return: true if the controller is bound to @driver. NULL: to no driver. */
bool cmb_is_bound(enum cmb_controller which, const char *driver);

/* Opens the block device. The controller must be bound to the nvme driver. */
int cmb_open_disk(enum cmb_controller which, int flags);

/* Stores the path of the device file of peer_cmb. */
int cmb_node(enum cmb_controller which, char *node, size_t size);
/* Opens this device file. */
int cmb_open(enum cmb_controller which, int flags);
/* Allocates and maps memory. Return: NULL and errno on error. */
void *cmb_map(int fd, size_t length);

int cmb_ioctl(int fd, unsigned long request, void *arg);
int cmb_info(int fd, struct peer_bar_info *info);
int cmb_disk(int fd, struct peer_cmb_disk *disk);
/*
 * Transfers between memory of @fd and a disk: cmb_write_to() and cmb_read_from()
 * with the block device @disk, cmb_write_disk() and cmb_read_disk() with the disk
 * of the controller itself.
 */
int cmb_write_to(int fd, int disk, const void *addr, uint64_t length,
		 uint64_t offset);
int cmb_read_from(int fd, int disk, void *addr, uint64_t length,
		  uint64_t offset);
int cmb_write_disk(int fd, const void *addr, uint64_t length, uint64_t offset);
int cmb_read_disk(int fd, void *addr, uint64_t length, uint64_t offset);

#endif
