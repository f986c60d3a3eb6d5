// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Objects: making, moving, locking and killing them.
 *
 * Invariants:
 * - An object begins in system memory without pages. Its first move into VRAM
 *   zeroes the blocks; its first pages come zeroed. Nobody sees what an earlier
 *   owner left.
 * - A pinned object is in VRAM and does not move.
 * - A dead object has neither blocks nor pages nor page table entries nor
 *   regions, and gets none any more.
 * - CPU faults map an object where it is; only a device (pin, fault) or its
 *   user (MOVE) brings it back to VRAM.
 *
 * What takes an object from its place, always with resv held, tells its regions
 * first: TTM's move() (eviction, MOVE) and swap_notify() (system pages that TTM
 * swaps out when all its users together have too many), and killing. An object
 * is freed (delete_mem_notify()) only when it has no regions any more, for each
 * holds a reference.
 *
 * The bytes of all objects of all devices, wherever they are, are limited:
 * every one of them may have to live in system memory some day.
 */
#include <drm/drm_drv.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "peer_vram_priv.h"

static unsigned int limit_mb;
module_param(limit_mb, uint, 0644);
MODULE_PARM_DESC(limit_mb, "Limit for all objects together, in MiB (default: 0, 5/8 of RAM)");

/* How long to try again when all that could be evicted is locked by others. */
#define PEER_VRAM_RETRY_MS 30000
#define PEER_VRAM_NAP_MS_MAX 32

static atomic64_t peer_vram_charged = ATOMIC64_INIT(0);

static const struct ttm_place peer_vram_place_system = {
	.mem_type = TTM_PL_SYSTEM,
};

static const struct ttm_place peer_vram_place_vram = {
	.mem_type = TTM_PL_VRAM,
};

static struct ttm_placement peer_vram_in_system = {
	.num_placement = 1,
	.placement = &peer_vram_place_system,
};

static struct ttm_placement peer_vram_in_vram = {
	.num_placement = 1,
	.placement = &peer_vram_place_vram,
};

/* ---- the limit -------------------------------------------------------- */

static u64 peer_vram_limit(void)
{
	u32 mb = READ_ONCE(limit_mb);

	if (mb)
		return (u64)mb << 20;
	return ((u64)totalram_pages() << PAGE_SHIFT) / 8 * 5;
}

/* Bytes that objects may still be made of. */
u64 peer_vram_creatable(void)
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

/* Bytes of VRAM that an object takes when it is there. */
u64 peer_vram_object_footprint(struct peer_vram_object *obj)
{
	return round_up(peer_vram_object_size(obj), PEER_VRAM_BLOCK_SIZE);
}

/* ---- TTM's callbacks -------------------------------------------------- */

static struct ttm_tt *peer_vram_tt_create(struct ttm_buffer_object *bo,
					  u32 page_flags)
{
	struct ttm_tt *tt = kzalloc(sizeof(*tt), GFP_KERNEL_ACCOUNT);

	if (tt && ttm_tt_init(tt, bo, page_flags, ttm_cached, 0)) {
		kfree(tt);
		return NULL;
	}
	return tt;
}

static void peer_vram_tt_destroy(struct ttm_device *ttm, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

static void peer_vram_evict_flags(struct ttm_buffer_object *bo,
				  struct ttm_placement *placement)
{
	*placement = peer_vram_in_system;
}

/* From VRAM to system pages; they are all overwritten. */
static int peer_vram_move_out(struct peer_vram_object *obj,
			      struct ttm_operation_ctx *ctx)
{
	struct ttm_buffer_object *bo = &obj->bo;
	int ret;

	ret = ttm_tt_populate(bo->bdev, bo->ttm, ctx);
	if (ret)
		return ret;
	peer_vram_copy_all(obj, bo->resource, false);
	return 0;
}

/* From system pages to VRAM; from nothing, if they were never touched. */
static int peer_vram_move_in(struct peer_vram_object *obj,
			     struct ttm_operation_ctx *ctx,
			     struct ttm_resource *to)
{
	struct ttm_buffer_object *bo = &obj->bo;
	int ret;

	if (bo->ttm->page_flags & TTM_TT_FLAG_SWAPPED) {
		ret = ttm_tt_populate(bo->bdev, bo->ttm, ctx);
		if (ret)
			return ret;
	}
	if (!ttm_tt_is_populated(bo->ttm))
		return peer_vram_clear(obj, to);
	peer_vram_copy_all(obj, to, true);
	return 0;
}

/*
 * TTM has zapped the page tables. Regions are told before the first byte is
 * copied, so that no write to the old place gets lost.
 */
static int peer_vram_move(struct ttm_buffer_object *bo, bool evict,
			  struct ttm_operation_ctx *ctx,
			  struct ttm_resource *to, struct ttm_place *hop)
{
	struct peer_vram_device *vram = to_peer_vram(bo->bdev);
	struct peer_vram_object *obj = to_peer_vram_object(bo);
	int ret;

	dma_resv_assert_held(bo->base.resv);

	/* The very first placement: no pages yet. */
	if (!bo->resource) {
		if (WARN_ON_ONCE(to->mem_type != TTM_PL_SYSTEM))
			return -EINVAL;
		ttm_bo_move_null(bo, to);
		return 0;
	}
	if (WARN_ON_ONCE(bo->resource->mem_type == to->mem_type))
		return -EINVAL;

	peer_vram_regions_invalidate(obj);

	if (to->mem_type == TTM_PL_SYSTEM)
		ret = peer_vram_move_out(obj, ctx);
	else
		ret = peer_vram_move_in(obj, ctx, to);
	if (ret)
		return ret;

	ttm_bo_move_sync_cleanup(bo, to);
	if (obj->settled)
		atomic64_inc(&vram->moves);
	if (evict)
		atomic64_inc(&vram->evictions);
	return 0;
}

/*
 * The system pages go to swap; TTM has zapped the page tables. If that fails
 * after all, they are just asked for again.
 */
static void peer_vram_swap_notify(struct ttm_buffer_object *bo)
{
	peer_vram_regions_invalidate(to_peer_vram_object(bo));
	atomic64_inc(&to_peer_vram(bo->bdev)->swapouts);
}

static int peer_vram_io_mem_reserve(struct ttm_device *ttm,
				    struct ttm_resource *res)
{
	struct peer_vram_device *vram = to_peer_vram(ttm);
	u64 bar;

	if (res->mem_type == TTM_PL_SYSTEM)
		return 0;
	peer_vram_run(res, 0, 1, &bar);
	res->bus.offset = vram->bar + bar;
	res->bus.is_iomem = true;
	res->bus.caching = ttm_write_combined;
	return 0;
}

static unsigned long peer_vram_io_mem_pfn(struct ttm_buffer_object *bo,
					  unsigned long page)
{
	struct peer_vram_device *vram = to_peer_vram(bo->bdev);
	u64 bar;

	peer_vram_run(bo->resource, (u64)page << PAGE_SHIFT, 1, &bar);
	return PHYS_PFN(vram->bar + bar);
}

const struct ttm_device_funcs peer_vram_ttm_funcs = {
	.ttm_tt_create = peer_vram_tt_create,
	.ttm_tt_destroy = peer_vram_tt_destroy,
	.eviction_valuable = ttm_bo_eviction_valuable,
	.evict_flags = peer_vram_evict_flags,
	.move = peer_vram_move,
	.swap_notify = peer_vram_swap_notify,
	.io_mem_reserve = peer_vram_io_mem_reserve,
	.io_mem_pfn = peer_vram_io_mem_pfn,
};

/* ---- locking ---------------------------------------------------------- */

/*
 * Only a fatal signal ends a call, as where host memory is registered or mapped. TTM
 * has waits that any signal ends and waits that none ends: the first, until a signal
 * that is not fatal ends one, and then the second. All they wait for is others' work
 * on objects; there are no fences of users (peer_vram_dmabuf.c).
 */
static bool peer_vram_interruptible(void)
{
	return !signal_pending(current) || fatal_signal_pending(current);
}

struct ttm_operation_ctx peer_vram_operation(void)
{
	return (struct ttm_operation_ctx){
		.interruptible = peer_vram_interruptible(),
		.gfp_retry_mayfail = true,
	};
}

bool peer_vram_interrupted(int ret)
{
	return (ret == -ERESTARTSYS || ret == -EINTR) &&
	       !fatal_signal_pending(current);
}

/**
 * peer_vram_object_lock() - take resv of an object that is alive
 * @obj: not locked
 *
 * Return: 0 with resv held, -ENODEV destroyed, -EINTR killed.
 */
int peer_vram_object_lock(struct peer_vram_object *obj)
{
	int ret;

	do {
		ret = ttm_bo_reserve(&obj->bo, peer_vram_interruptible(), false,
				     NULL);
	} while (peer_vram_interrupted(ret));
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	if (obj->dead) {
		dma_resv_unlock(obj->bo.base.resv);
		return -ENODEV;
	}
	return 0;
}

/* Also marks the object as used most recently, or as pinned. */
void peer_vram_object_unlock(struct peer_vram_object *obj)
{
	ttm_bo_unreserve(&obj->bo);
}

/* Could VRAM hold the object if all that is not pinned went away? */
static bool peer_vram_object_fits(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	u64 need = peer_vram_object_footprint(obj);
	bool fits;

	spin_lock(&vram->lock);
	fits = vram->pinned + need <= vram->size;
	spin_unlock(&vram->lock);
	return fits;
}

/* -ENOSPC: does not fit; -ENOMEM: may be worth another try. */
static int peer_vram_object_place(struct peer_vram_object *obj, u32 mem_type)
{
	struct ttm_operation_ctx ctx = peer_vram_operation();

	if (obj->bo.resource->mem_type == mem_type)
		return 0;
	if (obj->pins)
		return -EBUSY;
	if (mem_type == TTM_PL_SYSTEM)
		return ttm_bo_validate(&obj->bo, &peer_vram_in_system, &ctx);
	if (!peer_vram_object_fits(obj))
		return -ENOSPC;
	return ttm_bo_validate(&obj->bo, &peer_vram_in_vram, &ctx);
}

/* Where a device finds the object; @nap says for how long it was tried. */
static int peer_vram_object_reside(struct peer_vram_object *obj,
				   unsigned int nap)
{
	struct ttm_operation_ctx ctx = peer_vram_operation();
	struct ttm_buffer_object *bo = &obj->bo;
	int ret;

	if (bo->resource->mem_type == TTM_PL_VRAM)
		return 0;
	if (!obj->in_place) {
		ret = peer_vram_object_place(obj, TTM_PL_VRAM);
		if (ret != -ENOSPC &&
		    (ret != -ENOMEM || nap < PEER_VRAM_NAP_MS_MAX))
			return ret;
	}
	return ttm_tt_populate(bo->bdev, bo->ttm, &ctx);
}

/* In system pages that are there. */
static int peer_vram_object_substitute(struct peer_vram_object *obj)
{
	struct ttm_operation_ctx ctx = peer_vram_operation();
	int ret = peer_vram_object_place(obj, TTM_PL_SYSTEM);

	return ret ?: ttm_tt_populate(obj->bo.bdev, obj->bo.ttm, &ctx);
}

/* In TTM_PL_xxx, wherever it is best for a device, or in pages. */
#define PEER_VRAM_ANYWHERE U32_MAX
#define PEER_VRAM_PAGES (U32_MAX - 1)

static int peer_vram_object_lock_retry(struct peer_vram_object *obj,
				       u32 mem_type)
{
	unsigned long end = jiffies + msecs_to_jiffies(PEER_VRAM_RETRY_MS);
	unsigned int nap = 1;
	int ret;

	for (;;) {
		ret = peer_vram_object_lock(obj);
		if (ret)
			return ret;
		if (mem_type == PEER_VRAM_ANYWHERE)
			ret = peer_vram_object_reside(obj, nap);
		else if (mem_type == PEER_VRAM_PAGES)
			ret = peer_vram_object_substitute(obj);
		else
			ret = peer_vram_object_place(obj, mem_type);
		if (!ret)
			return 0;
		peer_vram_object_unlock(obj);

		if (fatal_signal_pending(current))
			return -EINTR;
		if (peer_vram_interrupted(ret))
			continue;
		if (ret == -ENOSPC)
			return -ENOMEM;
		if (ret != -ENOMEM || time_after(jiffies, end))
			return ret;
		schedule_timeout_killable(msecs_to_jiffies(nap));
		nap = min(2 * nap, PEER_VRAM_NAP_MS_MAX);
	}
}

/**
 * peer_vram_object_lock_in() - take resv and bring the object somewhere
 * @obj:      not locked
 * @mem_type: TTM_PL_SYSTEM or TTM_PL_VRAM
 *
 * Eviction only tries the locks of other objects, so TTM finds no room while
 * others are busy with what could be evicted. That passes: let go, sleep, and
 * try again, for half a minute at most, or until the task is killed.
 *
 * Return: 0 with resv held and the object there; -ENOMEM no room, -EBUSY
 * pinned elsewhere, -ENODEV destroyed, -EINTR killed.
 */
int peer_vram_object_lock_in(struct peer_vram_object *obj, u32 mem_type)
{
	return peer_vram_object_lock_retry(obj, mem_type);
}

/**
 * peer_vram_object_lock_resident() - take resv of an object that has memory
 * @obj: not locked
 *
 * In VRAM, if it can be had within some naps; else in system pages, which are
 * there when this returns. Only these are waited for as above.
 *
 * Return: 0 with resv held; -ENOMEM, -ENODEV destroyed, -EINTR killed.
 */
int peer_vram_object_lock_resident(struct peer_vram_object *obj)
{
	return peer_vram_object_lock_retry(obj, PEER_VRAM_ANYWHERE);
}

/**
 * peer_vram_object_lock_pages() - the same, never in VRAM
 * @obj: not locked
 *
 * Return: as peer_vram_object_lock_resident(); -EBUSY pinned in VRAM.
 */
int peer_vram_object_lock_pages(struct peer_vram_object *obj)
{
	return peer_vram_object_lock_retry(obj, PEER_VRAM_PAGES);
}

/* ---- making ----------------------------------------------------------- */

/* TTM's last call. An object that was never set up comes here as well. */
static void peer_vram_object_free(struct ttm_buffer_object *bo)
{
	struct peer_vram_object *obj = to_peer_vram_object(bo);
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	spin_lock(&vram->lock);
	list_del_init(&obj->node);
	vram->nr_objects--;
	spin_unlock(&vram->lock);

	atomic64_sub(peer_vram_object_footprint(obj), &peer_vram_charged);
	drm_gem_object_release(&bo->base);
	kfree(obj);
}

/* In system memory, without pages; resv not held. */
static struct peer_vram_object *
peer_vram_object_alloc(struct peer_vram_device *vram, u64 length)
{
	/* It waits for nothing: there is nobody else yet. */
	struct ttm_operation_ctx ctx = {};
	u64 footprint = round_up(length, PEER_VRAM_BLOCK_SIZE);
	struct peer_vram_object *obj;
	int ret;

	ret = peer_vram_charge(footprint);
	if (ret)
		return ERR_PTR(ret);
	obj = kzalloc(sizeof(*obj), GFP_KERNEL_ACCOUNT);
	if (!obj) {
		atomic64_sub(footprint, &peer_vram_charged);
		return ERR_PTR(-ENOMEM);
	}
	INIT_LIST_HEAD(&obj->node);
	INIT_LIST_HEAD(&obj->regions);
	spin_lock(&vram->lock);
	vram->nr_objects++;
	spin_unlock(&vram->lock);

	drm_gem_private_object_init(&vram->drm, &obj->bo.base, length);
	ret = ttm_bo_init_reserved(&vram->ttm, &obj->bo, ttm_bo_type_device,
				   &peer_vram_in_system, 0, &ctx, NULL, NULL,
				   peer_vram_object_free);
	if (ret)
		return ERR_PTR(ret);

	spin_lock(&vram->lock);
	list_add_tail(&obj->node, &vram->objects);
	spin_unlock(&vram->lock);
	ttm_bo_unreserve(&obj->bo);
	return obj;
}

/**
 * peer_vram_object_create() - make a zeroed object
 * @vram:   the caller holds a reference
 * @length: bytes, rounded up to pages here
 * @flags:  enum peer_vram_create_flags, checked
 *
 * Return: the object, or ERR_PTR of -EINVAL length 0, -E2BIG larger than VRAM,
 * -ENOMEM, -ENODEV, -EINTR killed.
 */
struct peer_vram_object *peer_vram_object_create(struct peer_vram_device *vram,
						 u64 length, u32 flags)
{
	struct peer_vram_object *obj;
	u32 mem_type;
	int ret, idx;

	if (!length)
		return ERR_PTR(-EINVAL);
	if (length > vram->size)
		return ERR_PTR(-E2BIG);

	/* Either the removal of the device finds the object, or none is made. */
	if (!drm_dev_enter(&vram->drm, &idx))
		return ERR_PTR(-ENODEV);
	obj = peer_vram_object_alloc(vram, PAGE_ALIGN(length));
	drm_dev_exit(idx);
	if (IS_ERR(obj))
		return obj;

	mem_type = flags & PEER_VRAM_CREATE_SYSTEM ? TTM_PL_SYSTEM : TTM_PL_VRAM;
	ret = peer_vram_object_lock_in(obj, mem_type);
	if (ret) {
		peer_vram_object_put(obj);
		return ERR_PTR(ret);
	}
	obj->export = !(flags & PEER_VRAM_CREATE_NO_EXPORT);
	obj->in_place = flags & PEER_VRAM_CREATE_IN_PLACE;
	obj->settled = true;
	peer_vram_object_unlock(obj);
	return obj;
}

/* ---- killing ---------------------------------------------------------- */

/* Cannot fail: it allocates nothing. */
static void peer_vram_object_drop_memory(struct peer_vram_object *obj)
{
	struct ttm_operation_ctx ctx = {};
	struct ttm_placement nowhere = {};
	struct ttm_buffer_object *bo = &obj->bo;

	if (bo->ttm && ttm_tt_is_populated(bo->ttm))
		ttm_bo_validate(bo, &nowhere, &ctx);
	if (bo->ttm) {
		peer_vram_tt_destroy(bo->bdev, bo->ttm);
		bo->ttm = NULL;
	}
	ttm_resource_free(bo, &bo->resource);
}

/**
 * peer_vram_object_kill() - the end of an object for everybody
 * @obj: not locked
 *
 * Regions are revoked, page tables zapped, memory freed; waits for no user.
 * Return: 0, or -ENODEV: was dead before.
 */
int peer_vram_object_kill(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	struct dma_resv *resv = obj->bo.base.resv;

	dma_resv_lock(resv, NULL);
	if (obj->dead) {
		dma_resv_unlock(resv);
		return -ENODEV;
	}
	obj->dead = true;
	peer_vram_regions_revoke(obj);
	ttm_bo_unmap_virtual(&obj->bo);
	peer_vram_object_drop_memory(obj);
	dma_resv_unlock(resv);

	spin_lock(&vram->lock);
	list_move_tail(&obj->node, &vram->dead);
	spin_unlock(&vram->lock);
	return 0;
}

static struct peer_vram_object *
peer_vram_next_alive(struct peer_vram_device *vram)
{
	struct peer_vram_object *obj;

	spin_lock(&vram->lock);
	list_for_each_entry(obj, &vram->objects, node) {
		if (!ttm_bo_get_unless_zero(&obj->bo))
			continue;
		list_move_tail(&obj->node, &vram->dead);
		spin_unlock(&vram->lock);
		return obj;
	}
	spin_unlock(&vram->lock);
	return NULL;
}

/* Kill all objects; the device is unplugged, so there come no new ones. */
void peer_vram_objects_kill(struct peer_vram_device *vram)
{
	struct peer_vram_object *obj;

	while ((obj = peer_vram_next_alive(vram))) {
		peer_vram_object_kill(obj);
		peer_vram_object_put(obj);
		cond_resched();
	}
}
