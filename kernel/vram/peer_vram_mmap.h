/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* CPU mappings (peer_vram_mmap.c). */
#ifndef PEER_VRAM_MMAP_H
#define PEER_VRAM_MMAP_H

#include <linux/types.h>

struct file;
struct mm_struct;
struct peer_vram_bo;
struct peer_vram_device;
struct vm_area_struct;

int peer_vram_mmap(struct file *filp, struct vm_area_struct *vma);
int peer_vram_mmap_dmabuf(struct peer_vram_bo *bo, struct vm_area_struct *vma);
unsigned long peer_vram_get_unmapped_area(struct file *filp, unsigned long addr,
					  unsigned long length,
					  unsigned long pgoff,
					  unsigned long flags);
struct peer_vram_bo *peer_vram_find_range(struct mm_struct *mm,
					  unsigned long start, size_t length,
					  bool write, u64 *offset);
struct peer_vram_bo *peer_vram_find_addr(struct peer_vram_device *vram,
					 unsigned long addr, bool write,
					 u64 *offset);

#endif
