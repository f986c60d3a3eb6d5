// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Allocates VRAM in blocks of 64 KiB.
 *
 * 64 KiB is the size of a "big page" of many GPUs. A BO of some megabytes then
 * consists of many blocks, and a block is still worth a fault and a copy. A BO
 * takes whole blocks from anywhere in VRAM. There is no fragmentation: an
 * allocation succeeds whenever enough blocks are free, and eviction evicts no
 * more than it must.
 *
 * With the module parameter "scatter" (default), neighbouring blocks of a BO are
 * kept apart, as on a GPU after weeks of use. Code that assumes contiguous device
 * memory then fails at once.
 *
 * Without it, each 2 MiB of a BO are one aligned run of blocks as long as there
 * are such runs. One fault of a device resolves the whole run, and one entry of
 * the page table holds it.
 */
#include <drm/drm_print.h>
#include <drm/ttm/ttm_placement.h>
#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "peer_vram_blocks.h"
#include "peer_vram_memory.h"
#include "peer_vram_types.h"

static bool scatter = true;
module_param(scatter, bool, 0644);
MODULE_PARM_DESC(scatter, "Keep neighbouring blocks of a BO apart (default: Y)");

/* Odd: visits all blocks before it repeats one, if their number is a power of 2. */
#define PEER_VRAM_SCATTER_STRIDE 17

/* Blocks of an aligned run: 2 MiB, what one page table entry covers. */
#define PEER_VRAM_ALIGNED_BLOCKS (SZ_2M >> PEER_VRAM_BLOCK_SHIFT)

/**
 * struct peer_vram_resource - the VRAM of one BO
 * @base:  TTM's part
 * @count: number of blocks
 * @block: block numbers, in the order of the BO
 */
struct peer_vram_resource {
	struct ttm_resource base;
	u32 count;
	u32 block[] __counted_by(count);
};

static const struct peer_vram_resource *
to_peer_vram_resource(const struct ttm_resource *res)
{
	return container_of_const(res, struct peer_vram_resource, base);
}

static struct peer_vram_manager *to_manager(struct ttm_resource_manager *man)
{
	return container_of(man, struct peer_vram_manager, base);
}

/* The caller has checked that a block is free. */
static u32 peer_vram_alloc_block(struct peer_vram_manager *man)
{
	u32 bit;

	lockdep_assert_held(&man->lock);

	bit = find_next_zero_bit(man->used, man->count, man->cursor);
	if (bit >= man->count)
		bit = find_first_zero_bit(man->used, man->count);
	__set_bit(bit, man->used);
	man->free--;
	man->cursor = bit + (scatter ? PEER_VRAM_SCATTER_STRIDE : 1);
	if (man->cursor >= man->count)
		man->cursor %= man->count;
	return bit;
}

/* Allocates an aligned run of blocks. Return: false if there is none. */
static bool peer_vram_alloc_aligned(struct peer_vram_manager *man, u32 *block)
{
	unsigned long bit;
	u32 i;

	lockdep_assert_held(&man->lock);

	bit = bitmap_find_next_zero_area(man->used, man->count, 0,
					 PEER_VRAM_ALIGNED_BLOCKS,
					 PEER_VRAM_ALIGNED_BLOCKS - 1);
	if (bit >= man->count)
		return false;
	bitmap_set(man->used, bit, PEER_VRAM_ALIGNED_BLOCKS);
	man->free -= PEER_VRAM_ALIGNED_BLOCKS;
	for (i = 0; i < PEER_VRAM_ALIGNED_BLOCKS; i++)
		block[i] = bit + i;
	return true;
}

/* The caller has checked that res->count blocks are free. */
static void peer_vram_resource_fill(struct peer_vram_manager *man,
				    struct peer_vram_resource *res)
{
	bool aligned = !scatter;
	u32 i = 0;

	while (i < res->count) {
		aligned = aligned &&
			  res->count - i >= PEER_VRAM_ALIGNED_BLOCKS &&
			  peer_vram_alloc_aligned(man, &res->block[i]);
		if (aligned)
			i += PEER_VRAM_ALIGNED_BLOCKS;
		else
			res->block[i++] = peer_vram_alloc_block(man);
	}
}

static int peer_vram_blocks_alloc(struct ttm_resource_manager *base,
				  struct ttm_buffer_object *tbo,
				  const struct ttm_place *place,
				  struct ttm_resource **out)
{
	struct peer_vram_manager *man = to_manager(base);
	u32 count = DIV_ROUND_UP_ULL(tbo->base.size, PEER_VRAM_BLOCK_SIZE);
	struct peer_vram_resource *res;

	/* On -ENOSPC, TTM would evict all other BOs before it fails. */
	if (count > man->count)
		return -E2BIG;

	res = kvzalloc(struct_size(res, block, count), GFP_KERNEL);
	if (!res)
		return -ENOMEM;
	res->count = count;

	mutex_lock(&man->lock);
	if (count > man->free) {
		mutex_unlock(&man->lock);
		kvfree(res);
		return -ENOSPC;
	}
	peer_vram_resource_fill(man, res);
	mutex_unlock(&man->lock);

	ttm_resource_init(tbo, place, &res->base);
	res->base.start = res->block[0] << (PEER_VRAM_BLOCK_SHIFT - PAGE_SHIFT);
	*out = &res->base;
	return 0;
}

static void peer_vram_blocks_free(struct ttm_resource_manager *base,
				  struct ttm_resource *ttm_res)
{
	struct peer_vram_manager *man = to_manager(base);
	struct peer_vram_resource *res =
		container_of(ttm_res, struct peer_vram_resource, base);
	u32 i;

	ttm_resource_fini(base, ttm_res);

	mutex_lock(&man->lock);
	for (i = 0; i < res->count; i++)
		__clear_bit(res->block[i], man->used);
	man->free += res->count;
	mutex_unlock(&man->lock);
	kvfree(res);
}

static void peer_vram_blocks_debug(struct ttm_resource_manager *base,
				   struct drm_printer *printer)
{
	struct peer_vram_manager *man = to_manager(base);

	mutex_lock(&man->lock);
	drm_printf(printer, "  %u of %u blocks of %lu bytes free\n",
		   man->free, man->count, PEER_VRAM_BLOCK_SIZE);
	mutex_unlock(&man->lock);
}

static const struct ttm_resource_manager_func peer_vram_manager_func = {
	.alloc = peer_vram_blocks_alloc,
	.free = peer_vram_blocks_free,
	.debug = peer_vram_blocks_debug,
};

/* Bytes of VRAM that BOs occupy, in whole blocks. */
u64 peer_vram_blocks_used(struct peer_vram_device *vram)
{
	struct peer_vram_manager *man = &vram->manager;
	u64 used;

	mutex_lock(&man->lock);
	used = man->count - man->free;
	mutex_unlock(&man->lock);
	return used << PEER_VRAM_BLOCK_SHIFT;
}

/**
 * peer_vram_find_run() - find the contiguous VRAM at an offset of a BO
 * @res:    the resource of the BO, in VRAM
 * @offset: offset in the BO, in bytes
 * @max:    maximum length of the run, in bytes, not 0
 * @where:  out: offset of the run in VRAM
 *
 * Return: length of the run in bytes: at most @max, and not beyond the end of
 * the BO.
 */
u64 peer_vram_find_run(const struct ttm_resource *res, u64 offset, u64 max,
		       u64 *where)
{
	const struct peer_vram_device *vram = to_peer_vram(res->bo->bdev);
	const struct peer_vram_resource *vres = to_peer_vram_resource(res);
	u32 first = offset >> PEER_VRAM_BLOCK_SHIFT;
	u64 end = min(offset + max, (u64)res->size);
	u32 next = first + 1;

	while ((u64)next << PEER_VRAM_BLOCK_SHIFT < end &&
	       peer_vram_blocks_adjoin(vram, vres->block[next - 1],
				       vres->block[next]))
		next++;

	*where = ((u64)vres->block[first] << PEER_VRAM_BLOCK_SHIFT) +
		 (offset & (PEER_VRAM_BLOCK_SIZE - 1));
	return min(end, (u64)next << PEER_VRAM_BLOCK_SHIFT) - offset;
}

int peer_vram_blocks_init(struct peer_vram_device *vram)
{
	struct peer_vram_manager *man = &vram->manager;

	mutex_init(&man->lock);
	man->count = vram->size >> PEER_VRAM_BLOCK_SHIFT;
	man->free = man->count;
	man->used = bitmap_zalloc(man->count, GFP_KERNEL);
	if (!man->used)
		return -ENOMEM;

	/* use_tt stays false: it would allocate a page of RAM for each page of VRAM. */
	man->base.func = &peer_vram_manager_func;
	ttm_resource_manager_init(&man->base, &vram->ttm, vram->size);
	ttm_set_driver_manager(&vram->ttm, TTM_PL_VRAM, &man->base);
	ttm_resource_manager_set_used(&man->base, true);
	return 0;
}

void peer_vram_blocks_fini(struct peer_vram_device *vram)
{
	struct peer_vram_manager *man = &vram->manager;

	ttm_resource_manager_cleanup(&man->base);
	ttm_set_driver_manager(&vram->ttm, TTM_PL_VRAM, NULL);
	bitmap_free(man->used);
	mutex_destroy(&man->lock);
}
