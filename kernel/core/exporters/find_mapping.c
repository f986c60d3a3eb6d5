// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Finds what an exporter has mapped at an address, for its claim(). */
#include <linux/err.h>
#include <linux/mm.h>
#include <rdma/peer_mem.h>

static u64 mapping_offset(const struct vm_area_struct *vma, unsigned long addr)
{
	return ((u64)vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start);
}

static bool mapping_permits(const struct vm_area_struct *vma, bool write)
{
	unsigned long need = VM_READ | (write ? VM_WRITE : 0);

	return (vma->vm_flags & need) == need;
}

/* True if @vma continues the mapping of @before. */
static bool mapping_continues(const struct vm_area_struct *before,
			      const struct vm_area_struct *vma)
{
	return vma && vma->vm_start == before->vm_end &&
	       vma->vm_ops == before->vm_ops &&
	       vma->vm_private_data == before->vm_private_data &&
	       mapping_offset(vma, vma->vm_start) ==
	       mapping_offset(before, before->vm_end);
}

/*
 * Checks that the range maps one object contiguously, in one VMA or several,
 * and that access is permitted.
 */
static int mapping_check(struct vma_iterator *vmi, struct vm_area_struct *vma,
			 unsigned long end, bool write)
{
	struct vm_area_struct *next;

	while (mapping_permits(vma, write)) {
		if (vma->vm_end >= end)
			return 0;
		next = vma_next(vmi);
		if (!mapping_continues(vma, next))
			return -EFAULT;
		vma = next;
	}
	return -EACCES;
}

void *ib_peer_find_mapping(struct mm_struct *mm, unsigned long start,
			   size_t length, bool write,
			   const struct vm_operations_struct *ops,
			   void (*get)(void *private_data), u64 *offset)
{
	struct vm_area_struct *vma;
	struct vma_iterator vmi;
	void *found;
	int ret;

	vma_iter_init(&vmi, mm, start);
	if (mmap_read_lock_killable(mm))
		return ERR_PTR(-EINTR);
	vma = vma_next(&vmi);
	if (!vma || vma->vm_start > start || vma->vm_ops != ops) {
		ret = -ENXIO;
	} else {
		found = vma->vm_private_data;
		*offset = mapping_offset(vma, start);
		ret = mapping_check(&vmi, vma, start + length, write);
	}
	if (!ret)
		get(found);
	mmap_read_unlock(mm);
	return ret ? ERR_PTR(ret) : found;
}
EXPORT_SYMBOL_GPL(ib_peer_find_mapping);
