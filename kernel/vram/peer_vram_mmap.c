// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CPU mappings.
 *
 * All mappings of a device share the address_space of the drm_device's inode
 * (the node's open() sees to that), in which every object has a range of its
 * own: vm_pgoff says which object and where in it, and TTM finds all page table
 * entries of an object when it moves. Mappings are shared, without struct page
 * (VM_PFNMAP) even where the object is in system memory, and never grow.
 *
 * vm_private_data is the TTM object, with a reference.
 */
#include <drm/drm_drv.h>
#include <drm/drm_vma_manager.h>
#include <linux/mm.h>

#include "peer_vram_priv.h"

static const struct vm_operations_struct peer_vram_vm_ops;

static struct peer_vram_object *peer_vram_vma_object(struct vm_area_struct *vma)
{
	return to_peer_vram_object(vma->vm_private_data);
}

/* Where in the object @addr, an address in @vma, lies. */
static u64 peer_vram_vma_offset(struct vm_area_struct *vma, unsigned long addr)
{
	struct ttm_buffer_object *bo = vma->vm_private_data;
	u64 first = vma->vm_pgoff - drm_vma_node_start(&bo->base.vma_node);

	return (first << PAGE_SHIFT) + (addr - vma->vm_start);
}

/* ---- VMA operations --------------------------------------------------- */

static vm_fault_t peer_vram_vm_fault(struct vm_fault *vmf)
{
	struct peer_vram_object *obj = peer_vram_vma_object(vmf->vma);
	vm_fault_t ret;

	ret = ttm_bo_vm_reserve(&obj->bo, vmf);
	if (ret)
		return ret;

	if (obj->dead)
		ret = VM_FAULT_SIGBUS;
	else
		ret = ttm_bo_vm_fault_reserved(vmf, vmf->vma->vm_page_prot,
					       TTM_BO_VM_NUM_PREFAULT);

	/* With RETRY, TTM has dropped resv unless it was told not to wait. */
	if (ret == VM_FAULT_RETRY && !(vmf->flags & FAULT_FLAG_RETRY_NOWAIT))
		return ret;
	dma_resv_unlock(obj->bo.base.resv);
	return ret;
}

/*
 * ptrace and /proc/<pid>/mem. They come here without a look at the rights, with
 * all they have to copy. A shared mapping is written by these as by its user: if
 * it may be written.
 */
static int peer_vram_vm_access(struct vm_area_struct *vma, unsigned long addr,
			       void *buf, int len, int write)
{
	struct peer_vram_object *obj = peer_vram_vma_object(vma);
	u64 offset = peer_vram_vma_offset(vma, addr);
	int ret;

	if (len < 1)
		return -EIO;
	if (write && !(vma->vm_flags & VM_WRITE))
		return -EACCES;
	len = min_t(unsigned long, len, vma->vm_end - addr);
	ret = peer_vram_object_lock(obj);
	if (ret)
		return ret;
	ret = peer_vram_copy_locked(obj, offset, buf, len, write);
	peer_vram_object_unlock(obj);
	return ret ?: len;
}

static const struct vm_operations_struct peer_vram_vm_ops = {
	.open = ttm_bo_vm_open,
	.close = ttm_bo_vm_close,
	.fault = peer_vram_vm_fault,
	.access = peer_vram_vm_access,
};

/* ---- mmap ------------------------------------------------------------- */

/* The object that a range of the offset space belongs to, with a reference. */
static struct peer_vram_object *
peer_vram_object_at(struct peer_vram_device *vram, unsigned long pgoff,
		    unsigned long pages)
{
	struct drm_vma_offset_manager *mgr = vram->drm.vma_offset_manager;
	struct drm_vma_offset_node *node;
	struct ttm_buffer_object *bo = NULL;

	drm_vma_offset_lock_lookup(mgr);
	node = drm_vma_offset_lookup_locked(mgr, pgoff, pages);
	if (node) {
		bo = container_of(node, struct ttm_buffer_object, base.vma_node);
		bo = ttm_bo_get_unless_zero(bo);
	}
	drm_vma_offset_unlock_lookup(mgr);
	return bo ? to_peer_vram_object(bo) : NULL;
}

/* The same, if the file may map it; else -EINVAL. */
static struct peer_vram_object *
peer_vram_object_mappable(struct peer_vram_file *file, unsigned long pgoff,
			  unsigned long pages)
{
	struct peer_vram_object *obj;

	obj = peer_vram_object_at(file->vram, pgoff, pages);
	if (!obj)
		return ERR_PTR(-EINVAL);
	if (!peer_vram_may_map(file, obj)) {
		peer_vram_object_put(obj);
		return ERR_PTR(-EINVAL);
	}
	return obj;
}

/* The object to map: a new one at offset 0, else one that the file may map. */
static struct peer_vram_object *
peer_vram_mmap_object(struct peer_vram_file *file, struct vm_area_struct *vma)
{
	struct peer_vram_object *obj;

	if (vma->vm_pgoff)
		return peer_vram_object_mappable(file, vma->vm_pgoff,
						 vma_pages(vma));
	obj = peer_vram_object_create(file->vram, vma->vm_end - vma->vm_start,
				      0);
	if (!IS_ERR(obj))
		vma->vm_pgoff = drm_vma_node_start(&obj->bo.base.vma_node);
	return obj;
}

static int peer_vram_mmap_check(struct peer_vram_device *vram,
				struct vm_area_struct *vma)
{
	if (drm_dev_is_unplugged(&vram->drm))
		return -ENODEV;
	/* TTM would refuse it as well, after an object was made for it. */
	return is_cow_mapping(vma->vm_flags) ? -EINVAL : 0;
}

/*
 * A mapping of I/O (VM_IO) could be kept out of children for as long as it is
 * registered, as libibverbs does, but could not be let in again (MADV_DOFORK). That
 * it has no struct pages is said by VM_PFNMAP.
 */
static int peer_vram_mmap_as(struct peer_vram_object *obj,
			     struct vm_area_struct *vma)
{
	int ret;

	vma->vm_ops = &peer_vram_vm_ops;
	ret = ttm_bo_mmap_obj(vma, &obj->bo);
	if (!ret)
		vm_flags_clear(vma, VM_IO);
	return ret;
}

/* By a dma-buf, which has checked the range; vm_pgoff counts from its begin. */
int peer_vram_mmap_shared(struct peer_vram_object *obj,
			  struct vm_area_struct *vma)
{
	int ret;

	ret = peer_vram_mmap_check(peer_vram_object_device(obj), vma);
	if (ret)
		return ret;
	vma->vm_pgoff += drm_vma_node_start(&obj->bo.base.vma_node);
	return peer_vram_mmap_as(obj, vma);
}

int peer_vram_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct peer_vram_file *file = filp->private_data;
	struct peer_vram_object *obj;
	int ret;

	ret = peer_vram_mmap_check(file->vram, vma);
	if (ret)
		return ret;

	obj = peer_vram_mmap_object(file, vma);
	if (IS_ERR(obj))
		return PTR_ERR(obj);

	ret = peer_vram_mmap_as(obj, vma);
	peer_vram_object_put(obj);
	return ret;
}

/* ---- where in the address space --------------------------------------- */

/* Where in its object a mapping would begin; what cannot be mapped: 0. */
static u64 peer_vram_area_offset(struct peer_vram_file *file,
				 unsigned long pgoff, unsigned long length)
{
	struct peer_vram_object *obj;
	u64 first;

	if (!pgoff)
		return 0;
	obj = peer_vram_object_mappable(file, pgoff, length >> PAGE_SHIFT);
	if (IS_ERR(obj))
		return 0;
	first = pgoff - drm_vma_node_start(&obj->bo.base.vma_node);
	peer_vram_object_put(obj);
	return first << PAGE_SHIFT;
}

/* Blocks are aligned in their object. */
unsigned long peer_vram_get_unmapped_area(struct file *filp, unsigned long addr,
					  unsigned long length,
					  unsigned long pgoff,
					  unsigned long flags)
{
	return ib_peer_unmapped_area(filp, addr, length,
				     peer_vram_area_offset(filp->private_data,
							   pgoff, length),
				     flags);
}

/* ---- from addresses to objects ---------------------------------------- */

static bool peer_vram_vma_ours(struct vm_area_struct *vma, unsigned long addr)
{
	return vma && vma->vm_start <= addr && vma->vm_ops == &peer_vram_vm_ops;
}

static void peer_vram_mapping_get(void *private_data)
{
	struct peer_vram_object *obj = to_peer_vram_object(private_data);

	drm_dev_get(&peer_vram_object_device(obj)->drm);
	peer_vram_object_get(obj);
}

/**
 * peer_vram_find_range() - which object does a range of addresses map?
 * @mm:     address space; mmap_lock not held
 * @start:  first address, page aligned
 * @length: bytes, page aligned
 * @write:  write access is wanted, too
 * @offset: where in the object @start lies
 *
 * Return: the object, with a reference on it and one on its device, or ERR_PTR
 * of -ENXIO @start is not in a mapping of this driver, -EFAULT the range is not
 * one contiguous piece of one object, -EACCES the mapping does not permit the
 * access, -EINTR killed.
 */
struct peer_vram_object *peer_vram_find_range(struct mm_struct *mm,
					      unsigned long start,
					      size_t length, bool write,
					      u64 *offset)
{
	struct ttm_buffer_object *bo;

	bo = ib_peer_find_mapping(mm, start, length, write, &peer_vram_vm_ops,
				  peer_vram_mapping_get, offset);
	if (IS_ERR(bo))
		return ERR_CAST(bo);
	*offset -= drm_vma_node_offset_addr(&bo->base.vma_node);
	return to_peer_vram_object(bo);
}

/**
 * peer_vram_find_addr() - which object of a device does an address map?
 * @vram:   the device
 * @addr:   in current->mm
 * @write:  the mapping must be one that can be made writable
 * @offset: where in the object @addr lies
 *
 * Return: the object with a reference, or ERR_PTR of -ENOENT, -EACCES, -EINTR.
 */
struct peer_vram_object *peer_vram_find_addr(struct peer_vram_device *vram,
					     unsigned long addr, bool write,
					     u64 *offset)
{
	struct mm_struct *mm = current->mm;
	struct peer_vram_object *obj;
	struct vm_area_struct *vma;

	if (mmap_read_lock_killable(mm))
		return ERR_PTR(-EINTR);

	vma = vma_lookup(mm, addr);
	if (!peer_vram_vma_ours(vma, addr) ||
	    peer_vram_object_device(peer_vram_vma_object(vma)) != vram) {
		obj = ERR_PTR(-ENOENT);
	} else if (write && !(vma->vm_flags & VM_MAYWRITE)) {
		obj = ERR_PTR(-EACCES);
	} else {
		obj = peer_vram_vma_object(vma);
		*offset = peer_vram_vma_offset(vma, addr);
		peer_vram_object_get(obj);
	}
	mmap_read_unlock(mm);
	return obj;
}
