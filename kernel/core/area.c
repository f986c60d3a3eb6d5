// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Where exporters' mappings go in the address space.
 *
 * An entry of a registration's page table stands for a run of pages, or for
 * 2 MiB, only where these begin at a multiple of their size (page_table.h). So what
 * is aligned in the memory is to be aligned in the process as well.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/sched/mm.h>

#include "page_table.h"

/* Of the largest entry that the length has room for. */
static unsigned long area_align(unsigned long length)
{
	if (length >= PEER_HUGE_SIZE)
		return PEER_HUGE_SIZE;
	return length >= PEER_RUN_SIZE ? PEER_RUN_SIZE : PAGE_SIZE;
}

/* Who names a place gets that; and if there is none so large, any will do. */
unsigned long ib_peer_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, u64 offset,
				    unsigned long flags)
{
	unsigned long align = area_align(length);
	unsigned long pgoff = offset >> PAGE_SHIFT;
	unsigned long area;

	if (!addr && !(flags & MAP_FIXED)) {
		area = mm_get_unmapped_area(current->mm, filp, 0,
					    length + align - PAGE_SIZE, pgoff,
					    flags);
		if (!IS_ERR_VALUE(area))
			return area + ((offset - area) & (align - 1));
	}
	return mm_get_unmapped_area(current->mm, filp, addr, length, pgoff,
				    flags);
}
EXPORT_SYMBOL_GPL(ib_peer_unmapped_area);
