// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The callbacks of TTM: system pages, moves, swapping, page table entries.
 *
 * Invariants:
 * - A BO begins in system memory without pages. Its first move to VRAM zeroes the
 *   blocks, and its first pages are allocated zeroed. Nobody can read data of an
 *   earlier owner of the memory.
 * - With resv held, a BO invalidates its regions before it leaves its place: in
 *   move() (eviction, MOVE), in swap_notify() (TTM swaps out system pages when
 *   all users of TTM together have too many), and when it is killed
 *   (peer_vram_bo.c).
 * - There is no delete_mem_notify(): each region holds a reference on the BO, so
 *   a BO has no regions when TTM frees it.
 */
#include <compat/ttm.h>
#include <linux/slab.h>

#include "peer_vram_blocks.h"
#include "peer_vram_copy.h"
#include "peer_vram_memory.h"
#include "peer_vram_regions.h"
#include "peer_vram_ttm.h"
#include "peer_vram_types.h"

static const struct ttm_place peer_vram_system_place = {
	.mem_type = TTM_PL_SYSTEM,
};

static const struct ttm_place peer_vram_vram_place = {
	.mem_type = TTM_PL_VRAM,
};

struct ttm_placement peer_vram_system_placement = {
	.num_placement = 1,
	.placement = &peer_vram_system_place,
};

struct ttm_placement peer_vram_vram_placement = {
	.num_placement = 1,
	.placement = &peer_vram_vram_place,
};

static struct ttm_tt *peer_vram_tt_create(struct ttm_buffer_object *tbo,
					  u32 page_flags)
{
	struct ttm_tt *tt = kzalloc(sizeof(*tt), GFP_KERNEL_ACCOUNT);

	if (tt && ttm_tt_init(tt, tbo, page_flags, ttm_cached, 0)) {
		kfree(tt);
		return NULL;
	}
	return tt;
}

void peer_vram_tt_destroy(struct ttm_device *ttm, struct ttm_tt *tt)
{
	ttm_tt_fini(tt);
	kfree(tt);
}

static void peer_vram_evict_flags(struct ttm_buffer_object *tbo,
				  struct ttm_placement *placement)
{
	*placement = peer_vram_system_placement;
}

/* Copies VRAM to system pages. The copy overwrites all of each page. */
static int peer_vram_move_to_system(struct peer_vram_bo *bo,
				    struct ttm_operation_ctx *ctx)
{
	struct ttm_buffer_object *tbo = &bo->tbo;
	int ret;

	ret = ttm_bo_populate(tbo, ctx);
	if (ret)
		return ret;
	peer_vram_copy_bo(bo, tbo->resource, false);
	return 0;
}

/* Copies system pages to VRAM, or zeroes it if the BO never had pages. */
static int peer_vram_move_to_vram(struct peer_vram_bo *bo,
				  struct ttm_operation_ctx *ctx,
				  struct ttm_resource *to)
{
	struct ttm_buffer_object *tbo = &bo->tbo;
	int ret;

	if (tbo->ttm->page_flags & TTM_TT_FLAG_SWAPPED) {
		ret = ttm_bo_populate(tbo, ctx);
		if (ret)
			return ret;
	}
	if (!ttm_tt_is_populated(tbo->ttm))
		return peer_vram_clear(bo, to);
	peer_vram_copy_bo(bo, to, true);
	return 0;
}

/*
 * TTM has zapped the page tables. The regions are invalidated before the first
 * byte is copied, so that no write to the old place is lost.
 */
static int peer_vram_move(struct ttm_buffer_object *tbo, bool evict,
			  struct ttm_operation_ctx *ctx,
			  struct ttm_resource *to, struct ttm_place *hop)
{
	struct peer_vram_device *vram = to_peer_vram(tbo->bdev);
	struct peer_vram_bo *bo = to_peer_vram_bo(tbo);
	int ret;

	dma_resv_assert_held(tbo->base.resv);

	/* The first placement of a new BO, which has no pages yet. */
	if (!tbo->resource) {
		if (WARN_ON_ONCE(to->mem_type != TTM_PL_SYSTEM))
			return -EINVAL;
		ttm_bo_move_null(tbo, to);
		return 0;
	}
	if (WARN_ON_ONCE(tbo->resource->mem_type == to->mem_type))
		return -EINVAL;

	peer_vram_regions_invalidate(bo);

	if (to->mem_type == TTM_PL_SYSTEM)
		ret = peer_vram_move_to_system(bo, ctx);
	else
		ret = peer_vram_move_to_vram(bo, ctx, to);
	if (ret)
		return ret;

	ttm_bo_move_sync_cleanup(tbo, to);
	if (bo->placed)
		atomic64_inc(&vram->moves);
	if (evict)
		atomic64_inc(&vram->evictions);
	return 0;
}

/*
 * TTM is about to swap out the system pages, and has zapped the page tables. If
 * swapping then fails, the next accesses fault the same pages in again.
 */
static void peer_vram_swap_notify(struct ttm_buffer_object *tbo)
{
	peer_vram_regions_invalidate(to_peer_vram_bo(tbo));
	atomic64_inc(&to_peer_vram(tbo->bdev)->swapouts);
}

static int peer_vram_io_mem_reserve(struct ttm_device *ttm,
				    struct ttm_resource *res)
{
	struct peer_vram_device *vram = to_peer_vram(ttm);
	u64 where;

	if (res->mem_type == TTM_PL_SYSTEM)
		return 0;
	peer_vram_find_run(res, 0, 1, &where);
	res->bus.offset = peer_vram_phys(vram, where);
	/* To TTM, all that has no pages of its own is I/O memory. */
	res->bus.is_iomem = true;
	res->bus.caching = peer_vram_is_ram(vram) ? ttm_cached :
						    ttm_write_combined;
	return 0;
}

static unsigned long peer_vram_io_mem_pfn(struct ttm_buffer_object *tbo,
					  unsigned long page)
{
	struct peer_vram_device *vram = to_peer_vram(tbo->bdev);
	u64 where;

	peer_vram_find_run(tbo->resource, (u64)page << PAGE_SHIFT, 1, &where);
	return PHYS_PFN(peer_vram_phys(vram, where));
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
