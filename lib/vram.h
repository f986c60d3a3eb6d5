/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* An open VRAM device, and its ioctls (vram.c). */
#ifndef PEERMEM_VRAM_INTERNAL_H
#define PEERMEM_VRAM_INTERNAL_H

#include <infiniband/peermem_vram.h>

/* @writable: opened O_RDWR */
struct peermem_vram {
	int fd;
	int writable;
};

/* Return: 0 or errno. */
int peermem_vram_ioctl(struct peermem_vram *vram, unsigned long request,
		       void *arg);

#endif
