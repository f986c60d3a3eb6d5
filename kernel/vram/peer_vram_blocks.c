// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * VRAM in blocks of 64 KiB.
 *
 * The size is that of the "big page" of many GPUs: small enough that an object
 * of some megabytes is made of many pieces, large enough that a piece is worth
 * one fault and one copy. An object takes whole blocks, wherever they are free:
 * there is no fragmentation, so an object fits whenever enough blocks are free,
 * and eviction never evicts more than it must.
 *
 * Every 2 MiB of an object come as one aligned piece where there is one, for
 * then one fault of a device brings them and one entry of its table holds them;
 * else block by block.
 *
 * With the module parameter "scatter" (default) neighbouring blocks of an
 * object are kept apart, as on a GPU after weeks of use, so that whoever
 * believes in contiguous device memory finds out at once.
 */
#include <linux/bitmap.h>
#include <linux/module.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#include "peer_vram_priv.h"

static bool scatter = true;
module_param(scatter, bool, 0644);
MODULE_PARM_DESC(scatter, "Keep neighbouring blocks of an object apart (default: Y)");

/* Odd, so that it visits every block of a power of two before coming round. */
#define PEER_VRAM_SCATTER_STRIDE 17

/**
 * struct peer_vram_resource - a piece of VRAM for one object
 * @base:  TTM's part
 * @count: number of blocks
 * @block: their numbers, in the order of the object
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

static u32 peer_vram_take_block(struct peer_vram_manager *man)
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

/* Blocks of a piece that is worth looking for. */
#define PEER_VRAM_PIECE (SZ_2M >> PEER_VRAM_BLOCK_SHIFT)

/* PEER_VRAM_PIECE blocks side by side; false: there are none. */
static bool peer_vram_take_piece(struct peer_vram_manager *man, u32 *block)
{
	unsigned long bit;
	u32 i;

	lockdep_assert_held(&man->lock);

	bit = bitmap_find_next_zero_area(man->used, man->count, 0,
					 PEER_VRAM_PIECE, PEER_VRAM_PIECE - 1);
	if (bit >= man->count)
		return false;
	bitmap_set(man->used, bit, PEER_VRAM_PIECE);
	man->free -= PEER_VRAM_PIECE;
	for (i = 0; i < PEER_VRAM_PIECE; i++)
		block[i] = bit + i;
	return true;
}

/* There are enough of them. */
static void peer_vram_take_blocks(struct peer_vram_manager *man,
				  struct peer_vram_resource *res)
{
	bool pieces = !scatter;
	u32 i = 0;

	while (i < res->count) {
		pieces = pieces && res->count - i >= PEER_VRAM_PIECE &&
			 peer_vram_take_piece(man, &res->block[i]);
		if (pieces)
			i += PEER_VRAM_PIECE;
		else
			res->block[i++] = peer_vram_take_block(man);
	}
}

static int peer_vram_blocks_alloc(struct ttm_resource_manager *base,
				  struct ttm_buffer_object *bo,
				  const struct ttm_place *place,
				  struct ttm_resource **out)
{
	struct peer_vram_manager *man = to_manager(base);
	u32 count = DIV_ROUND_UP_ULL(bo->base.size, PEER_VRAM_BLOCK_SIZE);
	struct peer_vram_resource *res;

	/* Without this, everything would be evicted before the failure. */
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
	peer_vram_take_blocks(man, res);
	mutex_unlock(&man->lock);

	ttm_resource_init(bo, place, &res->base);
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

/* Bytes of VRAM that objects take: whole blocks. */
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
 * peer_vram_run() - where a byte of an object is, and how far it goes on so
 * @res:    in VRAM
 * @offset: in the object
 * @max:    bytes to look at, not 0
 * @bar:    where in the BAR
 *
 * Return: bytes from @offset on that are contiguous in the BAR, @max at most,
 * and not beyond the object.
 */
u64 peer_vram_run(const struct ttm_resource *res, u64 offset, u64 max, u64 *bar)
{
	const struct peer_vram_resource *vres = to_peer_vram_resource(res);
	u32 first = offset >> PEER_VRAM_BLOCK_SHIFT;
	u64 end = min(offset + max, (u64)res->size);
	u32 next = first + 1;

	while ((u64)next << PEER_VRAM_BLOCK_SHIFT < end &&
	       vres->block[next] == vres->block[next - 1] + 1)
		next++;

	*bar = ((u64)vres->block[first] << PEER_VRAM_BLOCK_SHIFT) +
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

	/* Not use_tt: that would cost a page of RAM for each of VRAM. */
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
