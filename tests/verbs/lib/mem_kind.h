/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * For the kinds of memory (struct vt_mem_kind), what they have in common.
 */
#ifndef VT_MEM_KIND_H
#define VT_MEM_KIND_H

#include <sys/types.h>

#include "mem.h"

/*
 * Maps the memory, of that descriptor or, if it is negative, anonymous. Shared:
 * what a fork leaves with the parent must stay the parent's.
 * Return: 0, with @addr and @length filled in, or -errno.
 */
int vt_mem_map(struct vt_mem *mem, int fd, off_t offset, size_t length,
	       unsigned int flags);
/* Unmaps it, and closes its descriptors, as far as they are there. */
void vt_mem_release(struct vt_mem *mem);

#endif
