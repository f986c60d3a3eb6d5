/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Helpers for the implementations of struct vt_mem_kind.
 */
#ifndef VT_MEM_KIND_H
#define VT_MEM_KIND_H

#include <sys/types.h>

#include "mem.h"

/*
 * Maps @fd, or anonymous memory if @fd is negative. The mapping is shared, so that
 * the pages stay those of the parent after a fork(). Sets addr and length of @mem.
 * Return: 0 or -errno.
 */
int vt_mem_map(struct vt_mem *mem, int fd, off_t offset, size_t length,
	       unsigned int flags);
/* Unmaps the memory and closes its descriptors, as far as they exist. */
void vt_mem_release(struct vt_mem *mem);

#endif
