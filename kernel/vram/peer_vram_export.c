// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter: struct ib_peer_ops for RDMA registrations of BOs.
 *
 * One exporter serves all devices. A region is a range of one BO. It does not
 * depend on the mapping or dma-buf that it was claimed through. It holds
 * references on the BO and on the drm_device, but not on the module: when the
 * exporter is unregistered, the core revokes and releases the remaining regions.
 *
 * fault() tells where the pages of an on-demand region are, for each part of the BO
 * that overlaps the range:
 * - The part is in VRAM: fault() reports its blocks.
 * - The part is in system memory: fault() moves it to VRAM, evicting others, unless
 *   the user wants the BO in place.
 * - There is no room in VRAM soon, or the BO stays in place: fault() reports the
 *   system pages. They remain valid until they are invalidated. Later accesses do
 *   not check again whether there is room; MOVE brings the part back to VRAM.
 * - The importer cannot reach the BAR: fault() always reports system pages.
 *
 * The core calls fault() for a pinned region as well. Its parts are in VRAM.
 */
#include <drm/drm_drv.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/slab.h>
#include <rdma/peer_mem.h>

#include "peer_vram_blocks.h"
#include "peer_vram_dmabuf.h"
#include "peer_vram_export.h"
#include "peer_vram_lock.h"
#include "peer_vram_memory.h"
#include "peer_vram_mmap.h"
#include "peer_vram_placement.h"
#include "peer_vram_regions.h"
#include "peer_vram_types.h"

static struct ib_peer_exporter *peer_vram_exporter;

/* ---- claim and pin ---------------------------------------------------- */

/* Takes the caller's references on the BO and on its device, also on errors. */
static int peer_vram_claim_bo(struct ib_peer_region *region,
			      struct peer_vram_bo *bo, u64 offset)
{
	struct peer_vram_device *vram = bo->vram;
	struct peer_vram_region *reg;
	int ret;

	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg) {
		ret = -ENOMEM;
		goto err_put;
	}
	reg->region = region;
	reg->bo = bo;
	reg->offset = offset;
	region->priv = reg;

	ret = peer_vram_bo_lock(bo);
	if (ret)
		goto err_free;
	if (bo->export)
		list_add_tail(&reg->node, &bo->regions);
	else
		ret = -EACCES;
	peer_vram_bo_unlock(bo);
	if (!ret)
		return 0;

err_free:
	kfree(reg);
err_put:
	peer_vram_bo_put(bo);
	drm_dev_put(&vram->drm);
	return ret;
}

static int peer_vram_claim(struct ib_peer_region *region)
{
	struct peer_vram_bo *bo;
	u64 offset;

	bo = peer_vram_find_range(region->mm, region->start, region->length,
				  region->writable, &offset);
	if (IS_ERR(bo))
		return PTR_ERR(bo);
	return peer_vram_claim_bo(region, bo, offset);
}

static int peer_vram_claim_dmabuf(struct ib_peer_region *region)
{
	struct peer_vram_bo *bo = peer_vram_dmabuf_bo(region->dmabuf);

	if (!bo)
		return -ENXIO;
	drm_dev_get(&bo->vram->drm);
	peer_vram_bo_get(bo);
	return peer_vram_claim_bo(region, bo, region->start);
}

/* Can the importer access VRAM? If not, it only gets system pages. */
static bool peer_vram_reachable(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = reg->bo->vram;

	return !region->dma_device || peer_vram_is_ram(vram) ||
	       !ib_peer_p2p(region->dma_device, vram->pdev);
}

static int peer_vram_pin(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	int ret;

	if (!peer_vram_reachable(region))
		return -EREMOTEIO;

	if (peer_vram_pin_exceeds_limit(reg))
		return -ENOSPC;
	ret = peer_vram_bo_lock_vram(reg->bo, reg->offset, region->length);
	if (ret)
		return ret;
	ret = peer_vram_region_pin_locked(reg);
	peer_vram_bo_unlock(reg->bo);
	return ret;
}

static void peer_vram_unpin(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;

	dma_resv_lock(&reg->bo->resv, NULL);
	peer_vram_region_unpin_locked(reg);
	peer_vram_bo_unlock(reg->bo);
}

/* ---- fault ------------------------------------------------------------ */

/* As peer_vram_find_run(), for system pages; @where is their kernel address. */
static u64 peer_vram_find_system_run(struct peer_vram_part *part, u64 offset,
				     u64 max, u64 *where)
{
	struct page **pages = part->tbo.ttm->pages;
	u64 first = offset >> PAGE_SHIFT;
	u64 count = 1;

	while (count < max >> PAGE_SHIFT &&
	       page_to_pfn(pages[first + count]) ==
	       page_to_pfn(pages[first]) + count)
		count++;
	*where = (unsigned long)page_address(pages[first]);
	return count << PAGE_SHIFT;
}

/*
 * Finds the memory at an offset of the BO, at most @max bytes of it. @where becomes an
 * offset in VRAM or a kernel address, which is larger than any of these.
 */
static u64 peer_vram_find_memory(struct peer_vram_bo *bo, u64 offset, u64 max,
				 u64 *where)
{
	struct peer_vram_part *part = peer_vram_bo_part(bo, offset);
	u64 in_part = offset - part->offset;

	max = min(max, part->tbo.base.size - in_part);
	part->reported = true;
	if (peer_vram_part_in_vram(part))
		return peer_vram_find_run(part->tbo.resource, in_part, max, where);
	return peer_vram_find_system_run(part, in_part, max, where);
}

static bool peer_vram_block_in_vram(struct peer_vram_device *vram,
				    const struct ib_peer_block *block)
{
	return block->where < vram->size;
}

/* Reports the blocks of a range of the region. */
static int peer_vram_report_blocks(struct peer_vram_region *reg, u64 offset,
				   u64 length, struct ib_peer_fault *fault)
{
	struct ib_peer_block block = {
		.flags = reg->region->writable ? IB_PEER_BLOCK_WRITE : 0,
	};
	struct peer_vram_device *vram = reg->bo->vram;
	u64 end = offset + length;
	bool substituted = false;
	int ret = 0;

	reg->reported = true;
	for (; offset < end && !ret; offset += block.length) {
		block.offset = offset;
		block.length = peer_vram_find_memory(reg->bo,
						     reg->offset + offset,
						     end - offset,
						     &block.where);
		if (!peer_vram_block_in_vram(vram, &block))
			substituted = true;
		ret = ib_peer_fault_add(fault, &block);
	}
	if (substituted)
		atomic64_inc(&vram->substituted);
	return ret;
}

static int peer_vram_fault(struct ib_peer_region *region, u64 offset,
			   u64 length, bool write, struct ib_peer_fault *fault)
{
	struct peer_vram_region *reg = region->priv;
	int ret;

	if (write && !region->writable)
		return -EACCES;

	if (peer_vram_reachable(region))
		ret = peer_vram_bo_lock_resident(reg->bo, reg->offset + offset,
						 length);
	else
		ret = peer_vram_bo_lock_pages(reg->bo, reg->offset + offset,
					      length);
	if (ret == -ENODEV)
		return -EFAULT;
	if (ret)
		return ret;
	if (peer_vram_region_revoked(reg))
		ret = -EFAULT;
	else if (!reg->bo->export && !reg->pinned)
		ret = -EACCES;
	else
		ret = peer_vram_report_blocks(reg, offset, length, fault);
	peer_vram_bo_unlock(reg->bo);
	return ret;
}

/* The core calls it from peer_vram_report_blocks(), so resv is held. */
static int peer_vram_cpu_map(struct ib_peer_region *region,
			     const struct ib_peer_block *block,
			     struct iosys_map *map)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = reg->bo->vram;

	dma_resv_assert_held(&reg->bo->resv);

	if (peer_vram_block_in_vram(vram, block))
		*map = peer_vram_map(vram, block->where);
	else
		iosys_map_set_vaddr(map, (void *)(uintptr_t)block->where);
	return 0;
}

/* The core calls it from peer_vram_report_blocks(), so resv is held. */
static int peer_vram_dma_map(struct ib_peer_region *region,
			     const struct ib_peer_block *block,
			     dma_addr_t *addr)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = reg->bo->vram;

	dma_resv_assert_held(&reg->bo->resv);

	if (!peer_vram_block_in_vram(vram, block))
		return ib_peer_dma_map_pages(region,
					     virt_to_page(block->where),
					     block->length, addr);
	if (peer_vram_is_ram(vram))
		return ib_peer_dma_map_pages(region,
					     peer_vram_page(vram, block->where),
					     block->length, addr);
	return ib_peer_dma_map(region, vram->pdev,
			       peer_vram_phys(vram, block->where),
			       block->length, addr);
}

/* With or without resv. The part may have moved: only @block tells where it was. */
static void peer_vram_dma_unmap(struct ib_peer_region *region,
				const struct ib_peer_block *block,
				dma_addr_t addr)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = reg->bo->vram;

	if (peer_vram_block_in_vram(vram, block) && !peer_vram_is_ram(vram))
		ib_peer_dma_unmap(region, addr, block->length);
	else	/* system memory: a BO's own, or that in place of VRAM */
		ib_peer_dma_unmap_pages(region, addr, block->length);
}

static void peer_vram_release(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_bo *bo = reg->bo;
	struct peer_vram_device *vram = bo->vram;

	dma_resv_lock(&bo->resv, NULL);
	list_del_init(&reg->node);
	peer_vram_bo_unlock(bo);

	peer_vram_bo_put(bo);
	drm_dev_put(&vram->drm);
	kfree(reg);
}

static const struct ib_peer_ops peer_vram_ops = {
	.claim = peer_vram_claim,
	.claim_dmabuf = peer_vram_claim_dmabuf,
	.pin = peer_vram_pin,
	.unpin = peer_vram_unpin,
	.fault = peer_vram_fault,
	.cpu_map = peer_vram_cpu_map,
	.dma_map = peer_vram_dma_map,
	.dma_unmap = peer_vram_dma_unmap,
	.release = peer_vram_release,
};

int peer_vram_export_init(void)
{
	peer_vram_exporter = ib_peer_register_exporter("peer_vram", "1.0",
						       &peer_vram_ops, NULL);
	return PTR_ERR_OR_ZERO(peer_vram_exporter);
}

void peer_vram_export_exit(void)
{
	ib_peer_unregister_exporter(peer_vram_exporter);
}
