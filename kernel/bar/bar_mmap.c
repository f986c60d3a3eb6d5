// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CPU mappings: shared, without struct page (VM_PFNMAP), of constant size.
 *
 * vm_pgoff is the offset from desc.start, whatever offset the process passed to
 * mmap(). So bar_memory_destroy() finds the page table entries of a memory by its
 * offset. vm_private_data is the memory, with a reference.
 */
#include <compat/mm.h>
#include <linux/err.h>
#include <linux/io.h>

#include "bar.h"
#include "bar_memory.h"
#include "bar_mmap.h"

/* ---- VMAs ------------------------------------------------------------- */

static void bar_vm_open(struct vm_area_struct *vma)
{
	bar_memory_get(vma->vm_private_data);
}

static void bar_vm_close(struct vm_area_struct *vma)
{
	ib_peer_bar_memory_put(vma->vm_private_data);
}

static vm_fault_t bar_vm_fault(struct vm_fault *vmf)
{
	struct ib_peer_bar_memory *memory = vmf->vma->vm_private_data;
	unsigned long first = PHYS_PFN(memory->bar->desc.start);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	mutex_lock(&memory->lock);
	if (!memory->dead)
		ret = vmf_insert_pfn(vmf->vma, vmf->address,
				     first + vmf->pgoff);
	mutex_unlock(&memory->lock);
	return ret;
}

static u64 bar_vma_offset(struct vm_area_struct *vma, unsigned long addr)
{
	return ((u64)vma->vm_pgoff << PAGE_SHIFT) + (addr - vma->vm_start);
}

/*
 * For ptrace and /proc/<pid>/mem. The caller has not checked the permissions of
 * the mapping, and @len may exceed it. As for the process itself, writing needs a
 * writable mapping.
 */
static int bar_vm_access(struct vm_area_struct *vma, unsigned long addr,
			 void *buf, int len, int write)
{
	struct ib_peer_bar_memory *memory = vma->vm_private_data;
	void __iomem *io = memory->bar->io + bar_vma_offset(vma, addr);

	if (len < 1 || bar_is_registers(memory->bar))
		return -EIO;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EACCES;
	len = min_t(unsigned long, len, vma->vm_end - addr);
	mutex_lock(&memory->lock);
	if (memory->dead)
		len = -ENODEV;
	else if (write)
		memcpy_toio(io, buf, len);
	else
		memcpy_fromio(buf, io, len);
	mutex_unlock(&memory->lock);
	return len;
}

static const struct vm_operations_struct bar_vm_ops = {
	.open = bar_vm_open,
	.close = bar_vm_close,
	.fault = bar_vm_fault,
	.access = bar_vm_access,
};

/* ---- mmap() ----------------------------------------------------------- */

/*
 * Return: a new memory, or the shared one, with a reference; or ERR_PTR of -EINVAL
 * for a bad offset, or as bar_memory_create().
 */
static struct ib_peer_bar_memory *
bar_mmap_get_memory(struct ib_peer_bar *bar, struct vm_area_struct *vma)
{
	u64 length = vma->vm_end - vma->vm_start;
	u64 offset = (u64)vma->vm_pgoff << PAGE_SHIFT;

	if (!bar->shared)
		return offset ? ERR_PTR(-EINVAL) :
				bar_memory_create(bar, length);
	if (vma->vm_pgoff >= PHYS_PFN(bar->desc.size) ||
	    length > bar->desc.size - offset)
		return ERR_PTR(-EINVAL);
	bar_memory_get(bar->shared);
	return bar->shared;
}

int bar_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct ib_peer_bar *bar = filp->private_data;
	struct ib_peer_bar_memory *memory;
	void *priv;

	/* A write to a private mapping would go to a copy in system memory. */
	if (peer_vma_is_cow(vma))
		return -EINVAL;
	priv = ib_peer_bar_enter(bar);
	if (IS_ERR(priv))
		return PTR_ERR(priv);
	memory = bar_mmap_get_memory(bar, vma);
	ib_peer_bar_exit(bar);
	if (IS_ERR(memory))
		return PTR_ERR(memory);

	vma->vm_pgoff += memory->offset >> PAGE_SHIFT;
	vma->vm_private_data = memory;
	vma->vm_ops = &bar_vm_ops;
	/*
	 * Not VM_IO: madvise(MADV_DOFORK), which older libibverbs needs, would fail
	 * on all kernels. On newer ones it also fails for VM_PFNMAP.
	 */
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	if (bar_is_registers(bar))
		vma->vm_page_prot = pgprot_noncached(vma->vm_page_prot);
	else
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	return 0;
}

/*
 * A memory is contiguous, so the offset in the file is enough: the offset of the
 * memory in the bar does not matter for the alignment.
 */
unsigned long bar_get_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, unsigned long pgoff,
				    unsigned long flags)
{
	return ib_peer_unmapped_area(filp, addr, length,
				     (u64)pgoff << PAGE_SHIFT, flags);
}

/* ---- from an address to a memory -------------------------------------- */

struct ib_peer_bar_memory *bar_find_memory(struct ib_peer_bar *bar,
					   struct mm_struct *mm,
					   unsigned long start, size_t length,
					   bool write, u64 *offset)
{
	struct ib_peer_bar_memory *memory;

	memory = ib_peer_find_mapping(mm, start, length, write, &bar_vm_ops,
				      bar_memory_get, offset);
	if (IS_ERR(memory) || memory->bar == bar)
		return memory;
	ib_peer_bar_memory_put(memory);
	return ERR_PTR(-ENXIO);
}

struct ib_peer_bar_memory *ib_peer_bar_memory_get(struct ib_peer_bar *bar,
						  unsigned long addr,
						  u64 length, bool write,
						  u64 *offset)
{
	unsigned long start = addr & PAGE_MASK;
	struct ib_peer_bar_memory *memory;

	/* Not a user address: -ENXIO, also if the range wraps around. */
	if (addr >= TASK_SIZE_MAX)
		return ERR_PTR(-ENXIO);
	if (!length || addr + length < addr || PAGE_ALIGN(addr + length) < addr)
		return ERR_PTR(-EFAULT);
	memory = bar_find_memory(bar, current->mm, start,
				 PAGE_ALIGN(addr + length) - start, write,
				 offset);
	if (IS_ERR(memory))
		return memory;
	if (READ_ONCE(memory->dead)) {
		ib_peer_bar_memory_put(memory);
		return ERR_PTR(-ENODEV);
	}
	*offset += addr - start;
	return memory;
}
EXPORT_SYMBOL_GPL(ib_peer_bar_memory_get);
