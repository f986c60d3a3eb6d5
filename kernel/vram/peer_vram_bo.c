// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Creates and kills BOs, and limits their total size.
 *
 * A BO is a GEM object and its parts, each a TTM buffer object (peer_vram_types.h).
 *
 * A dead BO has no blocks, no pages, no page table entries and no regions, and
 * never gets any again. Killing a BO cannot fail, and waits for no user.
 *
 * The limit covers all BOs of all devices, wherever they are: all of them may
 * have to live in system memory at the same time. A BO is charged from its
 * allocation until TTM has freed its last part.
 */
#include <compat/ttm.h>
#include <drm/drm_gem.h>
#include <drm/drm_vma_manager.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/peer_vram.h>

#include "peer_vram_bo.h"
#include "peer_vram_lock.h"
#include "peer_vram_placement.h"
#include "peer_vram_regions.h"
#include "peer_vram_ttm.h"
#include "peer_vram_types.h"

static unsigned int limit_mb;
module_param(limit_mb, uint, 0644);
MODULE_PARM_DESC(limit_mb, "Limit of the total size of all BOs, in MiB (default: 0, 5/8 of RAM)");

/* Bytes of all BOs. */
static atomic64_t peer_vram_charged = ATOMIC64_INIT(0);

/* ---- the limit -------------------------------------------------------- */

static u64 peer_vram_limit(void)
{
	u32 mb = READ_ONCE(limit_mb);

	if (mb)
		return (u64)mb << 20;
	return ((u64)totalram_pages() << PAGE_SHIFT) / 8 * 5;
}

/* Bytes of BOs that can still be created. */
u64 peer_vram_limit_remaining(void)
{
	u64 limit = peer_vram_limit();
	u64 charged = atomic64_read(&peer_vram_charged);

	return charged < limit ? limit - charged : 0;
}

static int peer_vram_charge(u64 bytes)
{
	if (atomic64_add_return(bytes, &peer_vram_charged) > peer_vram_limit()) {
		atomic64_sub(bytes, &peer_vram_charged);
		return -ENOMEM;
	}
	return 0;
}

/* ---- creation --------------------------------------------------------- */

static void peer_vram_bo_free(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = bo->vram;

	spin_lock(&vram->lock);
	list_del_init(&bo->node);
	vram->nr_bos--;
	spin_unlock(&vram->lock);

	atomic64_sub(peer_vram_bo_vram_size(bo), &peer_vram_charged);
	drm_gem_object_release(&bo->gem);
	dma_resv_fini(&bo->resv);
	kvfree(bo);
}

static void peer_vram_bo_drop(struct peer_vram_bo *bo)
{
	if (atomic_dec_and_test(&bo->nr_unfreed))
		peer_vram_bo_free(bo);
}

/* TTM's last call for a part, also for one that ttm_bo_init_reserved() refused. */
static void peer_vram_part_free(struct ttm_buffer_object *tbo)
{
	drm_gem_object_release(&tbo->base);
	peer_vram_bo_drop(to_peer_vram_part(tbo)->bo);
}

/* The BO has no references. TTM frees the part, now or later. */
static void peer_vram_part_gem_free(struct drm_gem_object *gem)
{
	ttm_bo_fini(container_of(gem, struct ttm_buffer_object, base));
}

static const struct drm_gem_object_funcs peer_vram_part_gem_funcs = {
	.free = peer_vram_part_gem_free,
};

/* The last reference on the BO has been dropped. */
static void peer_vram_gem_free(struct drm_gem_object *gem)
{
	struct peer_vram_bo *bo = container_of(gem, struct peer_vram_bo, gem);
	struct peer_vram_part *part;

	for (part = bo->parts; part < peer_vram_end_part(bo); part++)
		drm_gem_object_put(&part->tbo.base);
	peer_vram_bo_drop(bo);
}

static const struct drm_gem_object_funcs peer_vram_gem_funcs = {
	.free = peer_vram_gem_free,
};

/* Creates the next part, in system memory and without pages. */
static int peer_vram_part_init(struct peer_vram_bo *bo)
{
	/* Not interruptible: a new part has no users to wait for. */
	struct ttm_operation_ctx ctx = {};
	struct peer_vram_part *part = &bo->parts[bo->nr_parts];
	int ret;

	part->bo = bo;
	part->offset = (u64)bo->nr_parts << PEER_VRAM_PART_SHIFT;
	part->tbo.base.funcs = &peer_vram_part_gem_funcs;
	drm_gem_private_object_init(&bo->vram->drm, &part->tbo.base,
				    min(peer_vram_bo_size(bo) - part->offset,
					(u64)PEER_VRAM_PART_SIZE));
	atomic_inc(&bo->nr_unfreed);
	ret = ttm_bo_init_reserved(&bo->vram->ttm, &part->tbo,
				   ttm_bo_type_kernel,
				   &peer_vram_system_placement, 0, &ctx, NULL,
				   &bo->resv, peer_vram_part_free);
	if (ret)
		return ret;
	bo->nr_parts++;
	return 0;
}

/* From now on, removal of the device kills the BO. Return: 0; -ENODEV removed. */
static int peer_vram_bo_add_live(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = bo->vram;
	int ret = 0;

	spin_lock(&vram->lock);
	if (vram->removed)
		ret = -ENODEV;
	else
		list_add_tail(&bo->node, &vram->live_bos);
	spin_unlock(&vram->lock);
	return ret;
}

static int peer_vram_bo_init(struct peer_vram_bo *bo, u32 nr_parts)
{
	int ret;

	ret = drm_gem_create_mmap_offset(&bo->gem);
	dma_resv_lock(&bo->resv, NULL);
	while (!ret && bo->nr_parts < nr_parts)
		ret = peer_vram_part_init(bo);
	if (!ret)
		ret = peer_vram_bo_add_live(bo);
	dma_resv_unlock(&bo->resv);
	return ret;
}

/* Creates a BO in system memory, without pages. */
static struct peer_vram_bo *peer_vram_bo_alloc(struct peer_vram_device *vram,
					       u64 length)
{
	static struct lock_class_key resv_key;
	u32 nr_parts = DIV_ROUND_UP_ULL(length, PEER_VRAM_PART_SIZE);
	u64 vram_size = round_up(length, PEER_VRAM_BLOCK_SIZE);
	struct peer_vram_bo *bo;
	int ret;

	ret = peer_vram_charge(vram_size);
	if (ret)
		return ERR_PTR(ret);
	bo = kvzalloc(struct_size(bo, parts, nr_parts), GFP_KERNEL_ACCOUNT);
	if (!bo) {
		atomic64_sub(vram_size, &peer_vram_charged);
		return ERR_PTR(-ENOMEM);
	}
	bo->vram = vram;
	INIT_LIST_HEAD(&bo->node);
	INIT_LIST_HEAD(&bo->regions);
	atomic_set(&bo->nr_unfreed, 1);
	dma_resv_init(&bo->resv);
	/* Taken inside of the one of a dma-buf, which is of the same class otherwise. */
	lockdep_set_class(&bo->resv.lock.base, &resv_key);
	spin_lock(&vram->lock);
	vram->nr_bos++;
	spin_unlock(&vram->lock);
	bo->gem.funcs = &peer_vram_gem_funcs;
	drm_gem_private_object_init(&vram->drm, &bo->gem, length);

	ret = peer_vram_bo_init(bo, nr_parts);
	if (ret) {
		peer_vram_bo_put(bo);
		return ERR_PTR(ret);
	}
	return bo;
}

/**
 * peer_vram_bo_create() - create a zeroed BO
 * @vram:   the caller holds a reference
 * @length: bytes; rounded up to pages
 * @flags:  enum peer_vram_create_flags, checked by the caller
 *
 * Return: the BO with a reference, or ERR_PTR of -EINVAL length 0; -E2BIG larger
 * than VRAM; -ENOMEM; -ENODEV the device is being removed; -EINTR a fatal signal.
 */
struct peer_vram_bo *peer_vram_bo_create(struct peer_vram_device *vram,
					 u64 length, u32 flags)
{
	struct peer_vram_bo *bo;
	int ret;

	if (!length)
		return ERR_PTR(-EINVAL);
	if (length > vram->size)
		return ERR_PTR(-E2BIG);

	bo = peer_vram_bo_alloc(vram, PAGE_ALIGN(length));
	if (IS_ERR(bo))
		return bo;

	length = peer_vram_bo_size(bo);
	if (flags & PEER_VRAM_CREATE_SYSTEM)
		ret = peer_vram_bo_lock_system(bo, 0, length);
	else
		ret = peer_vram_bo_lock_vram(bo, 0, length);
	if (ret) {
		peer_vram_bo_put(bo);
		return ERR_PTR(ret);
	}
	bo->export = !(flags & PEER_VRAM_CREATE_NO_EXPORT);
	bo->in_place = flags & PEER_VRAM_CREATE_IN_PLACE;
	bo->placed = true;
	peer_vram_bo_unlock(bo);
	return bo;
}

/* ---- killing ---------------------------------------------------------- */

/* Cannot fail: it allocates nothing. */
static void peer_vram_part_free_memory(struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = {};
	struct ttm_placement nowhere = {};
	struct ttm_buffer_object *tbo = &part->tbo;

	if (tbo->ttm && ttm_tt_is_populated(tbo->ttm))
		ttm_bo_validate(tbo, &nowhere, &ctx);
	if (tbo->ttm) {
		peer_vram_tt_destroy(tbo->bdev, tbo->ttm);
		tbo->ttm = NULL;
	}
	ttm_resource_free(tbo, &tbo->resource);
}

/**
 * peer_vram_bo_kill() - take a BO away from all its users
 * @bo: not locked
 *
 * Revokes the regions, zaps the page tables and frees the memory. Waits for no
 * user.
 *
 * Return: 0; -ENODEV the BO was already dead.
 */
int peer_vram_bo_kill(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = bo->vram;
	struct peer_vram_part *part;

	dma_resv_lock(&bo->resv, NULL);
	if (bo->dead) {
		dma_resv_unlock(&bo->resv);
		return -ENODEV;
	}
	bo->dead = true;
	peer_vram_regions_revoke(bo);
	drm_vma_node_unmap(&bo->gem.vma_node, vram->ttm.dev_mapping);
	for (part = bo->parts; part < peer_vram_end_part(bo); part++) {
		peer_vram_part_free_memory(part);
		cond_resched();
	}
	dma_resv_unlock(&bo->resv);

	spin_lock(&vram->lock);
	list_move_tail(&bo->node, &vram->dead_bos);
	spin_unlock(&vram->lock);
	return 0;
}

/* Takes a BO off the list of live ones. Return: the BO with a reference; NULL. */
static struct peer_vram_bo *peer_vram_next_live(struct peer_vram_device *vram)
{
	struct peer_vram_bo *bo;

	spin_lock(&vram->lock);
	list_for_each_entry(bo, &vram->live_bos, node) {
		if (!peer_vram_bo_tryget(bo))
			continue;
		list_move_tail(&bo->node, &vram->dead_bos);
		spin_unlock(&vram->lock);
		return bo;
	}
	spin_unlock(&vram->lock);
	return NULL;
}

/* Kills all BOs of a device that is being removed, which then gets no new ones. */
void peer_vram_kill_all(struct peer_vram_device *vram)
{
	struct peer_vram_bo *bo;

	spin_lock(&vram->lock);
	WRITE_ONCE(vram->removed, true);
	spin_unlock(&vram->lock);

	while ((bo = peer_vram_next_live(vram))) {
		peer_vram_bo_kill(bo);
		peer_vram_bo_put(bo);
		cond_resched();
	}
}
