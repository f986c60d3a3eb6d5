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
 * The pinned VRAM of a device is limited (peer_vram_device.pin_limit). The first
 * pin of a BO counts all of its blocks, and the last unpin subtracts them.
 */
#include <drm/ttm/ttm_bo.h>
#include <rdma/peer_mem.h>

#include "peer_vram_regions.h"
#include "peer_vram_types.h"

bool peer_vram_region_revoked(struct peer_vram_region *reg)
{
	dma_resv_assert_held(reg->bo->tbo.base.resv);
	return list_empty(&reg->node);
}

/* ---- pins ------------------------------------------------------------- */

static int peer_vram_charge_pin(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = peer_vram_bo_device(bo);
	u64 bytes = peer_vram_bo_vram_size(bo);
	int ret = 0;

	spin_lock(&vram->lock);
	if (vram->pinned + bytes > vram->pin_limit)
		ret = -ENOSPC;
	else
		vram->pinned += bytes;
	spin_unlock(&vram->lock);
	return ret;
}

static void peer_vram_uncharge_pin(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = peer_vram_bo_device(bo);

	spin_lock(&vram->lock);
	vram->pinned -= peer_vram_bo_vram_size(bo);
	spin_unlock(&vram->lock);
}

/**
 * peer_vram_region_pin_locked() - pin the BO of a region
 * @reg: its BO is in VRAM, with resv held
 *
 * Return: 0; -EACCES the BO may not be exported; -ENODEV the region was revoked;
 * -ENOSPC the limit of pinned VRAM would be exceeded.
 */
int peer_vram_region_pin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_bo *bo = reg->bo;
	int ret;

	if (!bo->export)
		return -EACCES;
	if (peer_vram_region_revoked(reg))
		return -ENODEV;
	if (!bo->pins) {
		ret = peer_vram_charge_pin(bo);
		if (ret)
			return ret;
	}
	bo->pins++;
	reg->pinned = true;
	ttm_bo_pin(&bo->tbo);
	return 0;
}

/* Does nothing for a region that is not pinned. */
void peer_vram_region_unpin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_bo *bo = reg->bo;

	dma_resv_assert_held(bo->tbo.base.resv);

	if (!reg->pinned)
		return;
	reg->pinned = false;
	ttm_bo_unpin(&bo->tbo);
	if (!--bo->pins)
		peer_vram_uncharge_pin(bo);
}

/* A check without resv, before other BOs are evicted for a pin that would fail. */
bool peer_vram_pin_exceeds_limit(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = peer_vram_bo_device(bo);
	bool exceeds;

	spin_lock(&vram->lock);
	exceeds = vram->pinned + peer_vram_bo_vram_size(bo) > vram->pin_limit;
	spin_unlock(&vram->lock);
	return exceeds && !READ_ONCE(bo->pins);
}

/* ---- the list --------------------------------------------------------- */

/* Revokes all regions of the BO. */
void peer_vram_regions_revoke(struct peer_vram_bo *bo)
{
	struct peer_vram_region *reg, *next;

	dma_resv_assert_held(bo->tbo.base.resv);

	list_for_each_entry_safe(reg, next, &bo->regions, node) {
		ib_peer_revoke(reg->region);
		list_del_init(&reg->node);
		peer_vram_region_unpin_locked(reg);
	}
}

/*
 * Invalidates the on-demand regions of a BO, before it moves or when on-demand
 * access to it is withdrawn. Skips pinned regions: a BO that has one does not
 * move. Skips regions that were never reported: the core would treat the call as
 * the end of a registration that is still in progress.
 */
void peer_vram_regions_invalidate(struct peer_vram_bo *bo)
{
	struct peer_vram_region *reg;

	dma_resv_assert_held(bo->tbo.base.resv);

	list_for_each_entry(reg, &bo->regions, node) {
		if (!reg->reported || reg->pinned)
			continue;
		reg->reported = false;
		ib_peer_invalidate(reg->region, 0, reg->region->length);
	}
}

u32 peer_vram_regions_count(struct peer_vram_bo *bo)
{
	struct peer_vram_region *reg;
	u32 count = 0;

	dma_resv_assert_held(bo->tbo.base.resv);

	list_for_each_entry(reg, &bo->regions, node)
		count++;
	return count;
}
