// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CPU mappings of BOs.
 *
 * All mappings of a device share the address_space of the drm_device's inode
 * (peer_vram_file.c). Each BO has a range of offsets of its own in it: vm_pgoff
 * tells the BO and the offset in the BO. By this range, all page table entries of a
 * part are found when it moves.
 *
 * Mappings are shared and never grow. They have no struct pages (VM_PFNMAP), even
 * while the BO is in system memory.
 *
 * vm_private_data is the BO, with a reference. The functions of TTM for mappings are not
 * used: to them, a mapping is one of one TTM buffer object.
 */
#include <compat/mm.h>
#include <compat/ttm.h>
#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <rdma/peer_mem.h>

#include "peer_vram_blocks.h"
#include "peer_vram_bo.h"
#include "peer_vram_copy.h"
#include "peer_vram_handle.h"
#include "peer_vram_lock.h"
#include "peer_vram_memory.h"
#include "peer_vram_mmap.h"
#include "peer_vram_types.h"

/* Pages that a fault maps at most. */
#define PEER_VRAM_FAULT_AROUND 16

static const struct vm_operations_struct peer_vram_vm_ops;

static struct peer_vram_bo *peer_vram_vma_bo(struct vm_area_struct *vma)
{
	return vma->vm_private_data;
}

/* Offset in the BO, in bytes, of an address in @vma. */
static u64 peer_vram_vma_offset(struct vm_area_struct *vma, unsigned long addr)
{
	struct peer_vram_bo *bo = peer_vram_vma_bo(vma);
	u64 first = vma->vm_pgoff - drm_vma_node_start(&bo->gem.vma_node);

	return (first << PAGE_SHIFT) + (addr - vma->vm_start);
}

/* ---- faults of the CPU ------------------------------------------------ */

/*
 * Locks the BO for a fault. If that would take long, it waits without mmap_lock when
 * the fault allows that, with nothing but the caller's reference on the file and one
 * of its own on the BO: another thread may meanwhile unmap the BO and close all files.
 *
 * Return: 0; VM_FAULT_RETRY, without mmap_lock unless the fault must not wait;
 * VM_FAULT_NOPAGE a signal.
 */
static vm_fault_t peer_vram_fault_lock(struct peer_vram_bo *bo,
				       struct vm_fault *vmf)
{
	if (dma_resv_trylock(&bo->resv))
		return 0;
	if (!fault_flag_allow_retry_first(vmf->flags))
		return dma_resv_lock_interruptible(&bo->resv, NULL) ?
			VM_FAULT_NOPAGE : 0;
	if (vmf->flags & FAULT_FLAG_RETRY_NOWAIT)
		return VM_FAULT_RETRY;

	peer_vram_bo_get(bo);
	mmap_read_unlock(vmf->vma->vm_mm);
	if (!dma_resv_lock_interruptible(&bo->resv, NULL))
		dma_resv_unlock(&bo->resv);
	peer_vram_bo_put(bo);
	return VM_FAULT_RETRY;
}

/* Return: 0; VM_FAULT_NOPAGE a signal; VM_FAULT_SIGBUS out of memory. */
static vm_fault_t peer_vram_fault_populate(struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = { .interruptible = true };
	int ret;

	if (peer_vram_part_in_vram(part))
		return 0;
	ret = ttm_bo_populate(&part->tbo, &ctx);
	if (ret == -EINTR || ret == -ERESTARTSYS || ret == -EAGAIN)
		return VM_FAULT_NOPAGE;
	return ret ? VM_FAULT_SIGBUS : 0;
}

/* @offset is in the part. */
static unsigned long peer_vram_part_pfn(struct peer_vram_part *part, u64 offset)
{
	u64 where;

	if (!peer_vram_part_in_vram(part))
		return page_to_pfn(part->tbo.ttm->pages[offset >> PAGE_SHIFT]);
	peer_vram_find_run(part->tbo.resource, offset, 1, &where);
	return PHYS_PFN(peer_vram_phys(part->bo->vram, where));
}

static pgprot_t peer_vram_part_prot(struct peer_vram_part *part, pgprot_t prot)
{
	if (!peer_vram_part_in_vram(part) || peer_vram_is_ram(part->bo->vram))
		return prot;
	return pgprot_writecombine(pgprot_decrypted(prot));
}

/* Maps the page of the fault, and those behind it, within the part. */
static vm_fault_t peer_vram_fault_map(struct peer_vram_part *part, u64 offset,
				      struct vm_fault *vmf)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long addr = vmf->address & PAGE_MASK;
	pgprot_t prot = peer_vram_part_prot(part, vma->vm_page_prot);
	u64 pages = min3((part->tbo.base.size - offset) >> PAGE_SHIFT,
			 (u64)(vma->vm_end - addr) >> PAGE_SHIFT,
			 (u64)PEER_VRAM_FAULT_AROUND);
	vm_fault_t ret;

	for (; pages; pages--, addr += PAGE_SIZE, offset += PAGE_SIZE) {
		ret = vmf_insert_pfn_prot(vma, addr,
					  peer_vram_part_pfn(part, offset),
					  prot);
		/* The first one will fault again, the others have not yet. */
		if (ret & VM_FAULT_ERROR)
			break;
	}
	return VM_FAULT_NOPAGE;
}

static vm_fault_t peer_vram_fault_locked(struct peer_vram_bo *bo,
					 struct vm_fault *vmf)
{
	u64 offset = peer_vram_vma_offset(vmf->vma, vmf->address & PAGE_MASK);
	struct peer_vram_part *part;
	vm_fault_t ret;

	if (bo->dead || offset >= peer_vram_bo_size(bo))
		return VM_FAULT_SIGBUS;
	part = peer_vram_bo_part(bo, offset);
	ret = peer_vram_fault_populate(part);
	if (ret)
		return ret;
	peer_vram_part_used(part);
	return peer_vram_fault_map(part, offset - part->offset, vmf);
}

static vm_fault_t peer_vram_fault_bo(struct peer_vram_bo *bo,
				     struct vm_fault *vmf)
{
	vm_fault_t ret;

	ret = peer_vram_fault_lock(bo, vmf);
	if (ret)
		return ret;
	ret = peer_vram_fault_locked(bo, vmf);
	dma_resv_unlock(&bo->resv);
	return ret;
}

/* The file keeps the drm_device and the module while the fault waits. */
static vm_fault_t peer_vram_vm_fault(struct vm_fault *vmf)
{
	struct file *file = get_file(vmf->vma->vm_file);
	vm_fault_t ret = peer_vram_fault_bo(peer_vram_vma_bo(vmf->vma), vmf);

	fput(file);
	return ret;
}

/* ---- other VMA operations --------------------------------------------- */

/*
 * For ptrace and /proc/<pid>/mem. The caller checks neither the access rights nor
 * the end of the mapping. As for the user of a shared mapping, a write needs
 * VM_WRITE.
 */
static int peer_vram_vm_access(struct vm_area_struct *vma, unsigned long addr,
			       void *buf, int len, int write)
{
	struct peer_vram_bo *bo = peer_vram_vma_bo(vma);
	u64 offset = peer_vram_vma_offset(vma, addr);
	int ret;

	if (len < 1)
		return -EIO;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EACCES;
	len = min_t(unsigned long, len, vma->vm_end - addr);
	ret = peer_vram_bo_lock(bo);
	if (ret)
		return ret;
	ret = peer_vram_copy_locked(bo, offset, buf, len, write);
	peer_vram_bo_unlock(bo);
	return ret ?: len;
}

static void peer_vram_vm_open(struct vm_area_struct *vma)
{
	peer_vram_bo_get(peer_vram_vma_bo(vma));
}

static void peer_vram_vm_close(struct vm_area_struct *vma)
{
	peer_vram_bo_put(peer_vram_vma_bo(vma));
}

static const struct vm_operations_struct peer_vram_vm_ops = {
	.open = peer_vram_vm_open,
	.close = peer_vram_vm_close,
	.fault = peer_vram_vm_fault,
	.access = peer_vram_vm_access,
};

/* ---- mmap ------------------------------------------------------------- */

/* Return: the BO at a range of mmap() offsets, with a reference; NULL. */
static struct peer_vram_bo *peer_vram_lookup_bo(struct peer_vram_device *vram,
						unsigned long pgoff,
						unsigned long pages)
{
	struct drm_vma_offset_manager *mgr = vram->drm.vma_offset_manager;
	struct drm_vma_offset_node *node;
	struct peer_vram_bo *bo = NULL;

	drm_vma_offset_lock_lookup(mgr);
	node = drm_vma_offset_lookup_locked(mgr, pgoff, pages);
	if (node) {
		bo = container_of(node, struct peer_vram_bo, gem.vma_node);
		if (!peer_vram_bo_tryget(bo))
			bo = NULL;
	}
	drm_vma_offset_unlock_lookup(mgr);
	return bo;
}

/* The same, for a BO that the file may map; else ERR_PTR(-EINVAL). */
static struct peer_vram_bo *
peer_vram_lookup_mappable_bo(struct peer_vram_file *file, unsigned long pgoff,
			     unsigned long pages)
{
	struct peer_vram_bo *bo;

	bo = peer_vram_lookup_bo(file->vram, pgoff, pages);
	if (!bo)
		return ERR_PTR(-EINVAL);
	if (!peer_vram_may_map(file, bo)) {
		peer_vram_bo_put(bo);
		return ERR_PTR(-EINVAL);
	}
	return bo;
}

/* Creates a BO for a mapping at offset 0; else finds one the file may map. */
static struct peer_vram_bo *peer_vram_mmap_get_bo(struct peer_vram_file *file,
						  struct vm_area_struct *vma)
{
	struct peer_vram_bo *bo;

	if (vma->vm_pgoff)
		return peer_vram_lookup_mappable_bo(file, vma->vm_pgoff,
						    vma_pages(vma));
	bo = peer_vram_bo_create(file->vram, vma->vm_end - vma->vm_start, 0);
	if (!IS_ERR(bo))
		vma->vm_pgoff = drm_vma_node_start(&bo->gem.vma_node);
	return bo;
}

static int peer_vram_mmap_check(struct peer_vram_device *vram,
				struct vm_area_struct *vma)
{
	if (peer_vram_is_removed(vram))
		return -ENODEV;
	/* The pages that a private mapping copies would not follow the BO. */
	return peer_vma_is_cow(vma) ? -EINVAL : 0;
}

/*
 * The mapping takes the caller's reference on the BO.
 *
 * Not VM_IO: libibverbs excludes registered memory from child processes
 * (MADV_DONTFORK), and MADV_DOFORK, which undoes that, fails for VM_IO. (On some
 * kernels, it fails for VM_PFNMAP as well.) VM_PFNMAP already says that the mapping
 * has no struct pages.
 */
static void peer_vram_mmap_bo(struct peer_vram_bo *bo,
			      struct vm_area_struct *vma)
{
	vma->vm_ops = &peer_vram_vm_ops;
	vma->vm_private_data = bo;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
}

/* mmap() of a dma-buf, which has checked the range. vm_pgoff begins at the BO. */
int peer_vram_mmap_dmabuf(struct peer_vram_bo *bo, struct vm_area_struct *vma)
{
	int ret;

	ret = peer_vram_mmap_check(bo->vram, vma);
	if (ret)
		return ret;
	vma->vm_pgoff += drm_vma_node_start(&bo->gem.vma_node);
	peer_vram_bo_get(bo);
	peer_vram_mmap_bo(bo, vma);
	return 0;
}

int peer_vram_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct peer_vram_file *file = filp->private_data;
	struct peer_vram_bo *bo;
	int ret;

	ret = peer_vram_mmap_check(file->vram, vma);
	if (ret)
		return ret;

	bo = peer_vram_mmap_get_bo(file, vma);
	if (IS_ERR(bo))
		return PTR_ERR(bo);

	peer_vram_mmap_bo(bo, vma);
	return 0;
}

/* ---- address of a mapping --------------------------------------------- */

/* Offset in the BO at which a mapping would begin; 0 if it cannot be mapped. */
static u64 peer_vram_mapping_offset(struct peer_vram_file *file,
				    unsigned long pgoff, unsigned long length)
{
	struct peer_vram_bo *bo;
	u64 first;

	if (!pgoff)
		return 0;
	bo = peer_vram_lookup_mappable_bo(file, pgoff, length >> PAGE_SHIFT);
	if (IS_ERR(bo))
		return 0;
	first = pgoff - drm_vma_node_start(&bo->gem.vma_node);
	peer_vram_bo_put(bo);
	return first << PAGE_SHIFT;
}

/* Aligns addresses as the blocks of a BO are aligned in the BO. */
unsigned long peer_vram_get_unmapped_area(struct file *filp, unsigned long addr,
					  unsigned long length,
					  unsigned long pgoff,
					  unsigned long flags)
{
	return ib_peer_unmapped_area(filp, addr, length,
				     peer_vram_mapping_offset(filp->private_data,
							      pgoff, length),
				     flags);
}

/* ---- from addresses to BOs -------------------------------------------- */

static bool peer_vram_vma_is_ours(struct vm_area_struct *vma,
				  unsigned long addr)
{
	return vma && vma->vm_start <= addr && vma->vm_ops == &peer_vram_vm_ops;
}

static void peer_vram_mapping_get(void *private_data)
{
	struct peer_vram_bo *bo = private_data;

	drm_dev_get(&bo->vram->drm);
	peer_vram_bo_get(bo);
}

/**
 * peer_vram_find_range() - find the BO that a range of addresses maps
 * @mm:     address space; mmap_lock not held
 * @start:  first address, page aligned
 * @length: bytes, page aligned
 * @write:  the mapping must permit writes
 * @offset: out: offset of @start in the BO, in bytes
 *
 * Return: the BO, with a reference on it and one on its device; or ERR_PTR of
 * -ENXIO @start is not in a mapping of this driver; -EFAULT the range does not map
 * one contiguous range of one BO; -EACCES the mapping does not permit the access;
 * -EINTR a fatal signal.
 */
struct peer_vram_bo *peer_vram_find_range(struct mm_struct *mm,
					  unsigned long start, size_t length,
					  bool write, u64 *offset)
{
	struct peer_vram_bo *bo;

	bo = ib_peer_find_mapping(mm, start, length, write, &peer_vram_vm_ops,
				  peer_vram_mapping_get, offset);
	if (!IS_ERR(bo))
		*offset -= drm_vma_node_offset_addr(&bo->gem.vma_node);
	return bo;
}

/**
 * peer_vram_find_addr() - find the BO of a device that an address maps
 * @vram:   the device
 * @addr:   address in current->mm
 * @write:  the mapping must have VM_MAYWRITE
 * @offset: out: offset of @addr in the BO, in bytes
 *
 * Return: the BO with a reference; or ERR_PTR of -ENOENT no BO of this device is
 * mapped there; -EACCES the mapping can never be written; -EINTR a fatal signal.
 */
struct peer_vram_bo *peer_vram_find_addr(struct peer_vram_device *vram,
					 unsigned long addr, bool write,
					 u64 *offset)
{
	struct mm_struct *mm = current->mm;
	struct peer_vram_bo *bo;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return ERR_PTR(-EINTR);

	vma = vma_lookup(mm, addr);
	if (!peer_vram_vma_is_ours(vma, addr) ||
	    peer_vram_vma_bo(vma)->vram != vram) {
		bo = ERR_PTR(-ENOENT);
	} else if (write && !(vma->vm_flags & VM_MAYWRITE)) {
		bo = ERR_PTR(-EACCES);
	} else {
		bo = peer_vram_vma_bo(vma);
		*offset = peer_vram_vma_offset(vma, addr);
		peer_vram_bo_get(bo);
	}
	mmap_read_unlock(mm);
	return bo;
}
