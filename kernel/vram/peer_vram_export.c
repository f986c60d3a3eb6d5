// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter's side of RDMA registrations (struct ib_peer_ops).
 *
 * One client serves all devices. A region is a range of one object, whatever
 * becomes of the mapping or the dma-buf it was found by. It refers to the object
 * and to the drm_device, but not to the module: unregistering the client revokes
 * and releases what is left.
 *
 * The lock that the core wants over "invalidate, then move" and "report" is
 * resv. A region that was revoked is on no list any more and is never reported
 * again; its pin goes at once, so that nobody waits for the core's unpin().
 *
 * Policy of fault(), that is, of on-demand regions (the core asks for the pages
 * of pinned ones this way as well; those are in VRAM): where the object is in
 * VRAM, that is the answer. Else it is brought there, evicting others, unless
 * its user wants it in place. If that cannot be had soon, the answer is its
 * system pages. They stay the answer until they are taken away: a later access
 * does not ask again whether there is room by now; MOVE brings it back. For a
 * device that cannot reach the BAR they are the only answer.
 */
#include <drm/drm_drv.h>
#include <drm/ttm/ttm_tt.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "peer_vram_priv.h"

static struct ib_peer_client *peer_vram_client;

static bool peer_vram_region_revoked(struct peer_vram_region *reg)
{
	dma_resv_assert_held(reg->object->bo.base.resv);
	return list_empty(&reg->node);
}

/* ---- pins ------------------------------------------------------------- */

/* The first pin takes the whole object out of what can be pinned. */
static int peer_vram_charge_pin(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	u64 bytes = peer_vram_object_footprint(obj);
	int ret = 0;

	spin_lock(&vram->lock);
	if (vram->pinned + bytes > vram->pin_limit)
		ret = -ENOSPC;
	else
		vram->pinned += bytes;
	spin_unlock(&vram->lock);
	return ret;
}

static void peer_vram_uncharge_pin(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	spin_lock(&vram->lock);
	vram->pinned -= peer_vram_object_footprint(obj);
	spin_unlock(&vram->lock);
}

static int peer_vram_pin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_object *obj = reg->object;
	int ret;

	if (!obj->export)
		return -EACCES;
	if (peer_vram_region_revoked(reg))
		return -ENODEV;
	if (!obj->pins) {
		ret = peer_vram_charge_pin(obj);
		if (ret)
			return ret;
	}
	obj->pins++;
	reg->pinned = true;
	ttm_bo_pin(&obj->bo);
	return 0;
}

static void peer_vram_unpin_locked(struct peer_vram_region *reg)
{
	struct peer_vram_object *obj = reg->object;

	dma_resv_assert_held(obj->bo.base.resv);

	if (!reg->pinned)
		return;
	reg->pinned = false;
	ttm_bo_unpin(&obj->bo);
	if (!--obj->pins)
		peer_vram_uncharge_pin(obj);
}

/* Refuse what cannot be pinned before others are evicted for it. */
static bool peer_vram_pin_hopeless(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	bool hopeless;

	spin_lock(&vram->lock);
	hopeless = vram->pinned + peer_vram_object_footprint(obj) >
		   vram->pin_limit;
	spin_unlock(&vram->lock);
	return hopeless && !READ_ONCE(obj->pins);
}

/* ---- the core's calls ------------------------------------------------- */

/* Takes over the references on the object and on its device. */
static int peer_vram_claim_object(struct ib_peer_region *region,
				  struct peer_vram_object *obj, u64 offset)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	struct peer_vram_region *reg;
	int ret;

	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg) {
		ret = -ENOMEM;
		goto err_put;
	}
	reg->region = region;
	reg->object = obj;
	reg->offset = offset;
	region->priv = reg;

	ret = peer_vram_object_lock(obj);
	if (ret)
		goto err_free;
	if (obj->export)
		list_add_tail(&reg->node, &obj->regions);
	else
		ret = -EACCES;
	/* No use yet: the place in the LRU order stays. */
	dma_resv_unlock(obj->bo.base.resv);
	if (!ret)
		return 0;

err_free:
	kfree(reg);
err_put:
	peer_vram_object_put(obj);
	drm_dev_put(&vram->drm);
	return ret;
}

static int peer_vram_claim(struct ib_peer_region *region)
{
	struct peer_vram_object *obj;
	u64 offset;

	obj = peer_vram_find_range(region->mm, region->start, region->length,
				   region->writable, &offset);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	return peer_vram_claim_object(region, obj, offset);
}

static int peer_vram_claim_dmabuf(struct ib_peer_region *region)
{
	struct peer_vram_object *obj = peer_vram_dmabuf_object(region->dmabuf);

	if (!obj)
		return -ENXIO;
	drm_dev_get(&peer_vram_object_device(obj)->drm);
	peer_vram_object_get(obj);
	return peer_vram_claim_object(region, obj, region->start);
}

/* Does the importer reach the BAR? Who does not gets system pages. */
static bool peer_vram_reached(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = peer_vram_object_device(reg->object);

	return !region->dma_device ||
	       !ib_peer_p2p(region->dma_device, to_pci_dev(vram->drm.dev));
}

static int peer_vram_pin(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	int ret;

	if (!peer_vram_reached(region))
		return -EREMOTEIO;

	if (peer_vram_pin_hopeless(reg->object))
		return -ENOSPC;
	ret = peer_vram_object_lock_in(reg->object, TTM_PL_VRAM);
	if (ret)
		return ret;
	ret = peer_vram_pin_locked(reg);
	peer_vram_object_unlock(reg->object);
	return ret;
}

static void peer_vram_unpin(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;

	dma_resv_lock(reg->object->bo.base.resv, NULL);
	peer_vram_unpin_locked(reg);
	peer_vram_object_unlock(reg->object);
}

/* As peer_vram_run(), for system pages; @where is their kernel address. */
static u64 peer_vram_run_system(struct peer_vram_object *obj, u64 offset,
				u64 max, u64 *where)
{
	struct page **pages = obj->bo.ttm->pages;
	u64 first = offset >> PAGE_SHIFT;
	u64 count = 1;

	while (count < max >> PAGE_SHIFT &&
	       page_to_pfn(pages[first + count]) ==
	       page_to_pfn(pages[first]) + count)
		count++;
	*where = (unsigned long)page_address(pages[first]);
	return count << PAGE_SHIFT;
}

/* Report the pieces of [offset, offset + length) of the region. */
static int peer_vram_report(struct peer_vram_region *reg, u64 offset,
			    u64 length, struct ib_peer_fault *fault)
{
	struct ib_peer_block block = {
		.flags = reg->region->writable ? IB_PEER_BLOCK_WRITE : 0,
	};
	struct peer_vram_object *obj = reg->object;
	struct ttm_resource *res = obj->bo.resource;
	u64 end = offset + length;
	int ret;

	reg->told = true;
	if (res->mem_type == TTM_PL_SYSTEM)
		atomic64_inc(&peer_vram_object_device(obj)->substituted);
	for (; offset < end; offset += block.length) {
		block.offset = offset;
		if (res->mem_type == TTM_PL_SYSTEM)
			block.length = peer_vram_run_system(obj,
							    reg->offset + offset,
							    end - offset,
							    &block.where);
		else
			block.length = peer_vram_run(res, reg->offset + offset,
						     end - offset,
						     &block.where);
		ret = ib_peer_fault_add(fault, &block);
		if (ret)
			return ret;
	}
	return 0;
}

static int peer_vram_fault(struct ib_peer_region *region, u64 offset,
			   u64 length, bool write, struct ib_peer_fault *fault)
{
	struct peer_vram_region *reg = region->priv;
	int ret;

	if (write && !region->writable)
		return -EACCES;

	if (peer_vram_reached(region))
		ret = peer_vram_object_lock_resident(reg->object);
	else
		ret = peer_vram_object_lock_pages(reg->object);
	if (ret == -ENODEV)
		return -EFAULT;
	if (ret)
		return ret;
	if (peer_vram_region_revoked(reg))
		ret = -EFAULT;
	else if (!reg->object->export && !reg->pinned)
		ret = -EACCES;
	else
		ret = peer_vram_report(reg, offset, length, fault);
	peer_vram_object_unlock(reg->object);
	return ret;
}

/* Called from peer_vram_report(), so with resv held. */
static int peer_vram_cpu_map(struct ib_peer_region *region,
			     const struct ib_peer_block *block,
			     struct iosys_map *map)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = peer_vram_object_device(reg->object);

	dma_resv_assert_held(reg->object->bo.base.resv);

	if (reg->object->bo.resource->mem_type == TTM_PL_SYSTEM)
		iosys_map_set_vaddr(map, (void *)(uintptr_t)block->where);
	else
		iosys_map_set_vaddr_iomem(map, vram->io + block->where);
	return 0;
}

/* As above. */
static int peer_vram_dma_map(struct ib_peer_region *region,
			     const struct ib_peer_block *block,
			     dma_addr_t *addr)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = peer_vram_object_device(reg->object);

	dma_resv_assert_held(reg->object->bo.base.resv);

	if (reg->object->bo.resource->mem_type == TTM_PL_SYSTEM)
		return ib_peer_dma_map_pages(region,
					     virt_to_page(block->where),
					     block->length, addr);
	return ib_peer_dma_map(region, to_pci_dev(vram->drm.dev),
			       vram->bar + block->where, block->length, addr);
}

/* No lock; the object may be elsewhere by now. */
static void peer_vram_dma_unmap(struct ib_peer_region *region,
				const struct ib_peer_block *block,
				dma_addr_t addr)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_device *vram = peer_vram_object_device(reg->object);

	if (block->where < vram->size)
		ib_peer_dma_unmap(region, addr, block->length);
	else	/* a kernel address */
		ib_peer_dma_unmap_pages(region, addr, block->length);
}

static void peer_vram_release(struct ib_peer_region *region)
{
	struct peer_vram_region *reg = region->priv;
	struct peer_vram_object *obj = reg->object;
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	dma_resv_lock(obj->bo.base.resv, NULL);
	list_del_init(&reg->node);
	dma_resv_unlock(obj->bo.base.resv);

	peer_vram_object_put(obj);
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

/* ---- calls to the core ------------------------------------------------ */

/* End all regions of the object, for ever. */
void peer_vram_regions_revoke(struct peer_vram_object *obj)
{
	struct peer_vram_region *reg, *next;

	dma_resv_assert_held(obj->bo.base.resv);

	list_for_each_entry_safe(reg, next, &obj->regions, node) {
		ib_peer_revoke(reg->region);
		list_del_init(&reg->node);
		peer_vram_unpin_locked(reg);
	}
}

/*
 * The object is about to leave its place, or may not be accessed on demand any
 * more. Pinned regions are not concerned: with one of these it does not move.
 * Who was never told of the place need not be told that it is over: a
 * registration under way would take that for its end.
 */
void peer_vram_regions_invalidate(struct peer_vram_object *obj)
{
	struct peer_vram_region *reg;

	dma_resv_assert_held(obj->bo.base.resv);

	list_for_each_entry(reg, &obj->regions, node) {
		if (!reg->told || reg->pinned)
			continue;
		reg->told = false;
		ib_peer_invalidate(reg->region, 0, reg->region->length);
	}
}

u32 peer_vram_regions_count(struct peer_vram_object *obj)
{
	struct peer_vram_region *reg;
	u32 count = 0;

	dma_resv_assert_held(obj->bo.base.resv);

	list_for_each_entry(reg, &obj->regions, node)
		count++;
	return count;
}

int peer_vram_export_init(void)
{
	peer_vram_client = ib_peer_register_client("peer_vram", "1.0",
						   &peer_vram_ops, NULL);
	return PTR_ERR_OR_ZERO(peer_vram_client);
}

void peer_vram_export_exit(void)
{
	ib_peer_unregister_client(peer_vram_client);
}
