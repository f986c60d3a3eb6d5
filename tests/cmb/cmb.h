/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers of the tests of peer_cmb: the virtual machine's NVMe controllers, who
 * has them, and calls of the nodes. Functions that return int return 0 (or a
 * descriptor) or -errno.
 */
#ifndef TESTS_CMB_H
#define TESTS_CMB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_cmb.h>

#define KIB (1UL << 10)
#define MIB (1UL << 20)
#define PAGE 4096UL

/* The machine's controllers, in the order of their addresses; see tests/vm/vm.sh */
enum cmb_controller {
	CMB_OLD,	/* NVMe 1.2: no CMBMSC; 2 MiB, blocks of 4 KiB, a bad place */
	CMB_NO_DISK,	/* a buffer of 1 MiB */
	CMB_NONE,	/* no buffer */
	CMB_LARGE,	/* a buffer of 64 MiB, a disk of 64 MiB */
	CMB_CONTROLLERS,
};

/* Its address, like 0000:00:05.0; NULL: there are not so many. */
const char *cmb_address(enum cmb_controller which);

/* A file of the controller, or NAME of its folder in sysfs. */
void cmb_sysfs(enum cmb_controller which, const char *name, char *path,
	       size_t size);
int cmb_sysfs_write(enum cmb_controller which, const char *name,
		    const char *text);

/* /dev/ and the name of its first file that fits the pattern, or -ENOENT. */
int cmb_find(enum cmb_controller which, const char *pattern, char *node,
	     size_t size);

/* Loads the module, which then has no controller, and the kernel's nvme. */
int cmb_load(void);
/* Has a driver take it from the one it has; NULL: none has it then. */
int cmb_give(enum cmb_controller which, const char *driver);
/* Is it this driver's? NULL: nobody's? */
bool cmb_belongs_to(enum cmb_controller which, const char *driver);

/* Opens the controller's disk, by the kernel's driver, which must have it. */
int cmb_open_disk(enum cmb_controller which, int flags);

/* The path of the controller's node. */
int cmb_node(enum cmb_controller which, char *node, size_t size);
/* Opens it. */
int cmb_open(enum cmb_controller which, int flags);
/* NULL and errno. */
void *cmb_map(int fd, size_t length);

int cmb_ioctl(int fd, unsigned long request, void *arg);
int cmb_info(int fd, struct peer_bar_info *info);
int cmb_disk(int fd, struct peer_cmb_disk *disk);
/* Between memory of @fd and @disk, a descriptor; or the controller's, below. */
int cmb_write_to(int fd, int disk, const void *addr, uint64_t length,
		 uint64_t offset);
int cmb_read_from(int fd, int disk, void *addr, uint64_t length,
		  uint64_t offset);
int cmb_write_disk(int fd, const void *addr, uint64_t length, uint64_t offset);
int cmb_read_disk(int fd, void *addr, uint64_t length, uint64_t offset);

#endif
