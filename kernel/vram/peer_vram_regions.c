// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The list of RDMA regions of a BO, and its pins.
 *
 * resv protects the list. It is the lock that the core requires an exporter to
 * hold over "invalidate, then move" and over "report".
 *
 * A revoked region is on no list, and is never reported again. Its pin is dropped
 * at once, so that nobody waits for the core's call of unpin().
 *
 * A pin keeps the parts that the region overlaps in VRAM. The pinned VRAM of a device
 * is limited (module parameter pin_percent): the first pin of a part counts its blocks,
 * and the last unpin subtracts them. A lower limit holds for new pins.
 */
#include <drm/ttm/ttm_bo.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <rdma/peer_mem.h>

#include "peer_vram_lock.h"
#include "peer_vram_regions.h"
#include "peer_vram_types.h"

static unsigned int pin_percent = 75;
module_param(pin_percent, uint, 0644);
MODULE_PARM_DESC(pin_percent, "Percentage of VRAM that may be pinned (default: 75)");

bool peer_vram_region_revoked(struct peer_vram_region *reg)
{
	dma_resv_assert_held(&reg->bo->resv);
	return list_empty(&reg->node);
}

static struct peer_vram_part *peer_vram_region_first(struct peer_vram_region *reg)
{
	return peer_vram_bo_part(reg->bo, reg->offset);
}

static struct peer_vram_part *peer_vram_region_last(struct peer_vram_region *reg)
{
	return peer_vram_last_part(reg->bo, reg->offset, reg->region->length);
}

/* ---- pins ------------------------------------------------------------- */

/* Return: bytes of VRAM that may be pinned. */
u64 peer_vram_pin_limit(const struct peer_vram_device *vram)
{
	return mul_u64_u64_div_u64(vram->size,
				   min(READ_ONCE(pin_percent), 100u), 100);
}

/* Bytes of VRAM that a pin of the region would count. */
static u64 peer_vram_pin_bytes(struct peer_vram_region *reg)
{
	struct peer_vram_part *part, *last = peer_vram_region_last(reg);
	u64 bytes = 0;

	for (part = peer_vram_region_first(reg); part <= last; part++)
		if (!READ_ONCE(part->pins))
			bytes += peer_vram_part_vram_size(part);
	return bytes;
}

static int peer_vram_charge_pin(struct peer_vram_device *vram, u64 bytes)
{
	int ret = 0;

	spin_lock(&vram->lock);
	if (vram->pinned + bytes > peer_vram_pin_limit(vram))
		ret = -ENOSPC;
	else
		vram->pinned += bytes;
	spin_unlock(&vram->lock);
	return ret;
}

static void peer_vram_uncharge_pin(struct peer_vram_device *vram, u64 bytes)
{
	spin_lock(&vram->lock);
	vram->pinned -= bytes;
	spin_unlock(&vram->lock);
}

/**
 * peer_vram_region_pin_locked() - pin the parts of a region
 * @reg: they are in VRAM, with resv held
 *
 * Return: 0; -EACCES the BO may not be exported; -ENODEV the region was revoked;
 * -ENOSPC the limit of pinned VRAM would be exceeded.
 */
int peer_vram_region_pin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_part *part, *last = peer_vram_region_last(reg);
	struct peer_vram_bo *bo = reg->bo;
	int ret;

	if (!bo->export)
		return -EACCES;
	if (peer_vram_region_revoked(reg))
		return -ENODEV;
	ret = peer_vram_charge_pin(bo->vram, peer_vram_pin_bytes(reg));
	if (ret)
		return ret;
	for (part = peer_vram_region_first(reg); part <= last; part++) {
		WRITE_ONCE(part->pins, part->pins + 1);
		ttm_bo_pin(&part->tbo);
		/* to the list of pinned ones */
		peer_vram_part_used(part);
	}
	bo->pins++;
	reg->pinned = true;
	return 0;
}

/* Does nothing for a region that is not pinned. */
void peer_vram_region_unpin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_part *part, *last = peer_vram_region_last(reg);
	struct peer_vram_bo *bo = reg->bo;

	dma_resv_assert_held(&bo->resv);

	if (!reg->pinned)
		return;
	reg->pinned = false;
	bo->pins--;
	for (part = peer_vram_region_first(reg); part <= last; part++) {
		ttm_bo_unpin(&part->tbo);
		peer_vram_part_used(part);
		WRITE_ONCE(part->pins, part->pins - 1);
	}
	peer_vram_uncharge_pin(bo->vram, peer_vram_pin_bytes(reg));
}

/* A check without resv, before other BOs are evicted for a pin that would fail. */
bool peer_vram_pin_exceeds_limit(struct peer_vram_region *reg)
{
	struct peer_vram_device *vram = reg->bo->vram;
	u64 bytes = peer_vram_pin_bytes(reg);
	bool exceeds;

	spin_lock(&vram->lock);
	exceeds = vram->pinned + bytes > peer_vram_pin_limit(vram);
	spin_unlock(&vram->lock);
	return exceeds;
}

/* ---- the list --------------------------------------------------------- */

/* Revokes all regions of the BO. */
void peer_vram_regions_revoke(struct peer_vram_bo *bo)
{
	struct peer_vram_region *reg, *next;

	dma_resv_assert_held(&bo->resv);

	list_for_each_entry_safe(reg, next, &bo->regions, node) {
		ib_peer_revoke(reg->region);
		list_del_init(&reg->node);
		peer_vram_region_unpin_locked(reg);
	}
}

/* Invalidates what @reg has in [@offset, @offset + @length) of its BO. */
static void peer_vram_region_invalidate(struct peer_vram_region *reg, u64 offset,
					u64 length)
{
	u64 first = max(offset, reg->offset);
	u64 end = min(offset + length, reg->offset + reg->region->length);

	if (first < end)
		ib_peer_invalidate(reg->region, first - reg->offset, end - first);
}

/**
 * peer_vram_regions_invalidate() - invalidate the on-demand regions of a part
 * @part: of a BO with resv held
 *
 * Before the part moves, and when on-demand access to it is withdrawn. Skips pinned
 * regions: a part that has one does not move. Skips regions that were never reported:
 * the core would treat the call as the end of a registration that is still in
 * progress.
 */
void peer_vram_regions_invalidate(struct peer_vram_part *part)
{
	struct peer_vram_bo *bo = part->bo;
	struct peer_vram_region *reg;

	dma_resv_assert_held(&bo->resv);

	if (!part->reported)
		return;
	part->reported = false;
	list_for_each_entry(reg, &bo->regions, node)
		if (reg->reported && !reg->pinned)
			peer_vram_region_invalidate(reg, part->offset,
						    part->tbo.base.size);
}

u32 peer_vram_regions_count(struct peer_vram_bo *bo)
{
	struct peer_vram_region *reg;
	u32 count = 0;

	dma_resv_assert_held(&bo->resv);

	list_for_each_entry(reg, &bo->regions, node)
		count++;
	return count;
}
