/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * mmap() of a bar, and the way from an address to its memory.
 */
#ifndef BAR_MMAP_H
#define BAR_MMAP_H

#include <linux/types.h>

struct file;
struct ib_peer_bar;
struct ib_peer_bar_memory;
struct mm_struct;
struct vm_area_struct;

int bar_mmap(struct file *filp, struct vm_area_struct *vma);
unsigned long bar_get_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, unsigned long pgoff,
				    unsigned long flags);

/*
 * Finds the memory of @bar that a range maps. @offset gets the place of @start,
 * in bytes from desc.start. Return: the memory with a reference; or ERR_PTR of
 * -ENXIO for another bar, or as ib_peer_find_mapping().
 */
struct ib_peer_bar_memory *bar_find_memory(struct ib_peer_bar *bar,
					   struct mm_struct *mm,
					   unsigned long start, size_t length,
					   bool write, u64 *offset);

#endif
