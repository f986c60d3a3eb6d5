// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Chooses addresses for exporters' mappings.
 *
 * A page table entry covers a run of pages, or 2 MiB, only if they begin at a
 * multiple of their size (page_entry.h). So memory that is aligned in the
 * device should be aligned in the process as well.
 */
#include <compat/mm.h>
#include <linux/mman.h>

#include "umem/page_entry.h"

/* Return: the size of the largest entry for this length. */
static unsigned long mapping_align(unsigned long length)
{
	if (length >= PEER_HUGE_SIZE)
		return PEER_HUGE_SIZE;
	return length >= PEER_RUN_SIZE ? PEER_RUN_SIZE : PAGE_SIZE;
}

/*
 * An address that the caller chose comes first. If there is no room for an
 * aligned area, any area is used.
 */
unsigned long ib_peer_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, u64 offset,
				    unsigned long flags)
{
	unsigned long align = mapping_align(length);
	unsigned long pgoff = offset >> PAGE_SHIFT;
	unsigned long area;

	if (!addr && !(flags & MAP_FIXED)) {
		area = peer_get_unmapped_area(filp, 0, length + align - PAGE_SIZE,
					      pgoff, flags);
		if (!IS_ERR_VALUE(area))
			return area + ((offset - area) & (align - 1));
	}
	return peer_get_unmapped_area(filp, addr, length, pgoff, flags);
}
EXPORT_SYMBOL_GPL(ib_peer_unmapped_area);
