// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The callbacks of TTM: system pages, moves, swapping.
 *
 * Invariants:
 * - A part begins in system memory without pages. Its first move to VRAM zeroes the
 *   blocks, and its first pages are allocated zeroed. Nobody can read data of an
 *   earlier owner of the memory.
 * - With resv held, the page table entries and the regions of a part are taken away
 *   before it leaves its place: in move() (eviction, MOVE), in swap_notify() (TTM
 *   swaps out system pages when all users of TTM together have too many), and when the
 *   BO is killed (peer_vram_bo.c). TTM cannot zap them: only the BO has offsets for
 *   mmap(), not its parts.
 * - There is no delete_mem_notify(): each region and each mapping holds a reference
 *   on the BO, so a BO has none when TTM frees its parts.
 */
#include <compat/ttm.h>
#include <drm/drm_vma_manager.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "peer_vram_blocks.h"
#include "peer_vram_copy.h"
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

	page_flags |= TTM_TT_FLAG_ZERO_ALLOC;
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

/* Nobody uses the part at its place any more when it returns. */
void peer_vram_part_invalidate(struct peer_vram_part *part)
{
	struct peer_vram_bo *bo = part->bo;
	u64 first = drm_vma_node_offset_addr(&bo->gem.vma_node) + part->offset;

	unmap_mapping_range(bo->vram->ttm.dev_mapping, first,
			    part->tbo.base.size, 1);
	peer_vram_regions_invalidate(part);
}

/* Copies VRAM to system pages. The copy overwrites all of each page. */
static int peer_vram_move_to_system(struct peer_vram_part *part,
				    struct ttm_operation_ctx *ctx)
{
	int ret;

	ret = ttm_bo_populate(&part->tbo, ctx);
	if (ret)
		return ret;
	peer_vram_copy_part(part, part->tbo.resource, false);
	return 0;
}

/* Copies system pages to VRAM, or zeroes it if the part never had pages. */
static int peer_vram_move_to_vram(struct peer_vram_part *part,
				  struct ttm_operation_ctx *ctx,
				  struct ttm_resource *to)
{
	struct ttm_buffer_object *tbo = &part->tbo;
	int ret;

	if (tbo->ttm->page_flags & TTM_TT_FLAG_SWAPPED) {
		ret = ttm_bo_populate(tbo, ctx);
		if (ret)
			return ret;
	}
	if (!ttm_tt_is_populated(tbo->ttm))
		return peer_vram_clear(part, to);
	peer_vram_copy_part(part, to, true);
	return 0;
}

/* Invalidates before the first byte is copied, so that no write is lost. */
static int peer_vram_move(struct ttm_buffer_object *tbo, bool evict,
			  struct ttm_operation_ctx *ctx,
			  struct ttm_resource *to, struct ttm_place *hop)
{
	struct peer_vram_device *vram = to_peer_vram(tbo->bdev);
	struct peer_vram_part *part = to_peer_vram_part(tbo);
	int ret;

	dma_resv_assert_held(tbo->base.resv);

	/* The first placement of a new part, which has no pages yet. */
	if (!tbo->resource) {
		if (WARN_ON_ONCE(to->mem_type != TTM_PL_SYSTEM))
			return -EINVAL;
		ttm_bo_move_null(tbo, to);
		return 0;
	}
	if (WARN_ON_ONCE(tbo->resource->mem_type == to->mem_type))
		return -EINVAL;

	peer_vram_part_invalidate(part);

	if (to->mem_type == TTM_PL_SYSTEM)
		ret = peer_vram_move_to_system(part, ctx);
	else
		ret = peer_vram_move_to_vram(part, ctx, to);
	if (ret)
		return ret;

	ttm_bo_move_sync_cleanup(tbo, to);
	if (part->bo->placed)
		atomic64_inc(&vram->moves);
	if (evict)
		atomic64_inc(&vram->evictions);
	return 0;
}

/*
 * TTM is about to swap out the system pages. If swapping then fails, the next
 * accesses fault the same pages in again.
 */
static void peer_vram_swap_notify(struct ttm_buffer_object *tbo)
{
	peer_vram_part_invalidate(to_peer_vram_part(tbo));
	atomic64_inc(&to_peer_vram(tbo->bdev)->swapouts);
}

const struct ttm_device_funcs peer_vram_ttm_funcs = {
	.ttm_tt_create = peer_vram_tt_create,
	.ttm_tt_destroy = peer_vram_tt_destroy,
	.eviction_valuable = ttm_bo_eviction_valuable,
	.evict_flags = peer_vram_evict_flags,
	.move = peer_vram_move,
	.swap_notify = peer_vram_swap_notify,
};
