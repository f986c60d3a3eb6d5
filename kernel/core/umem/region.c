// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions: one claimed range of one process, from claim() to release().
 *
 * A region has two lifetimes. region->users counts active references: one
 * while the region is alive, and one for each call into the exporter. When
 * the last is dropped the region is detached: unpin(), release().
 * region->kref keeps the struct: one for the exporter's side, one for the
 * tree of its umem, where a dead region answers "revoked" until its range is
 * unmapped.
 *
 * Killing a region makes it inaccessible, immediately and for ever. It waits
 * for accesses in progress, and for nothing else. It does not sleep.
 *
 * exporters_lock protects exporter->regions, ->killed and ->dying. It is a
 * leaf.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "hold_point.h"
#include "trace.h"
#include "umem/page_table.h"
#include "umem/readers.h"
#include "umem/region.h"
#include "umem/revoke.h"
#include "umem/umem.h"

static DEFINE_SPINLOCK(exporters_lock);
static struct workqueue_struct *detach_wq;

static void region_free(struct kref *kref)
{
	kfree(container_of(kref, struct ib_peer_region, kref));
}

void ib_peer_region_put(struct ib_peer_region *region)
{
	kref_put(&region->kref, region_free);
}

/* Counts the region in its exporter's counters. */
static void region_count(const struct ib_peer_region *region,
			 enum ib_peer_counter mrs, enum ib_peer_counter pages,
			 enum ib_peer_counter bytes)
{
	struct ib_peer_exporter *exporter = region->exporter;

	if (region->umem->probe)
		return;
	ib_peer_count(exporter, mrs, 1);
	if (!exporter->counts_own_pages)
		ib_peer_count(exporter, pages, region->length >> PAGE_SHIFT);
	ib_peer_count(exporter, bytes, region->length);
}

static void region_detach(struct ib_peer_region *region)
{
	struct ib_peer_exporter *exporter = region->exporter;
	struct ib_umem_peer *umem = region->umem;

	if (region->pinned)
		exporter->ops->unpin(region);
	ib_peer_hold(IB_PEER_HOLD_UNPINNED);
	exporter->ops->release(region);

	spin_lock(&exporters_lock);
	if (!list_empty(&region->node)) {
		list_del_init(&region->node);
		region_count(region, IB_PEER_DEALLOC_MRS, IB_PEER_DEREG_PAGES,
			     IB_PEER_DEREG_BYTES);
	}
	spin_unlock(&exporters_lock);
	ib_peer_exporter_put(exporter);
	ib_peer_region_put(region);
	ib_umem_peer_put_region_ref(umem);
}

static void region_detach_work(struct work_struct *work)
{
	region_detach(container_of(work, struct ib_peer_region, detach_work));
}

/*
 * The region is alive, and xa_lock of its umem keeps it so; or the caller
 * already has an active reference.
 */
void ib_peer_region_get_active(struct ib_peer_region *region)
{
	refcount_inc(&region->users);
}

void ib_peer_region_put_active(struct ib_peer_region *region)
{
	if (refcount_dec_and_test(&region->users))
		queue_work(detach_wq, &region->detach_work);
}

/*
 * Ends a claimed region that was not inserted into the tree. The caller has
 * an active reference.
 */
void ib_peer_region_discard(struct ib_peer_region *region)
{
	ib_peer_region_kill(region);
	ib_peer_region_put_active(region);
	ib_peer_region_put(region);
}

static struct ib_peer_region *region_alloc(struct ib_umem_peer *umem,
					   unsigned long start,
					   unsigned long end, bool writable)
{
	struct ib_peer_region *region;

	region = kzalloc(sizeof(*region), GFP_KERNEL_ACCOUNT);
	if (!region)
		return NULL;
	region->umem = umem;
	region->importer = umem->umem.ibdev;
	region->mm = umem->umem.owning_mm;
	region->dmabuf = umem->dmabuf;
	region->dma_device = umem->dma_device;
	region->start = start;
	region->length = end - start;
	region->writable = writable;
	region->span.start = start;
	region->span.last = end - 1;
	INIT_LIST_HEAD(&region->node);
	INIT_WORK(&region->detach_work, region_detach_work);
	kref_init(&region->kref);
	/* One while it is alive, one for the call of claim() to come. */
	refcount_set(&region->users, 2);
	return region;
}

/* From now on the unregistration of the exporter finds the region. */
static int region_add_to_exporter(struct ib_peer_region *region)
{
	struct ib_peer_exporter *exporter = region->exporter;
	int ret = 0;

	spin_lock(&exporters_lock);
	if (exporter->dying) {
		ret = -ENODEV;
	} else {
		list_add_tail(&region->node, &exporter->regions);
		region_count(region, IB_PEER_ALLOC_MRS, IB_PEER_REG_PAGES,
			     IB_PEER_REG_BYTES);
	}
	spin_unlock(&exporters_lock);
	return ret;
}

static int region_call_claim(struct ib_peer_region *region,
			     struct ib_peer_exporter *exporter)
{
	const struct ib_peer_ops *ops = exporter->ops;
	int (*claim)(struct ib_peer_region *region) =
		region->dmabuf ? ops->claim_dmabuf : ops->claim;

	region->exporter = exporter;
	return claim ? claim(region) : -ENXIO;
}

/*
 * Asks one exporter after the other: fallback exporters if @last, else all
 * others. Return: 0 with region->exporter set; -ENXIO no exporter owns it; or
 * the error of an exporter, which may be -EFAULT.
 */
static int region_claim_pass(struct ib_peer_region *region, bool last)
{
	struct ib_peer_exporter *exporter;
	unsigned long id = 0;
	int refusal = -ENXIO;
	int ret;

	while ((exporter = ib_peer_exporter_next(&id))) {
		ret = -ENXIO;
		if (last == !!(exporter->flags & IB_PEER_FALLBACK))
			ret = region_call_claim(region, exporter);
		if (ret != -ENXIO && region->umem->probe)
			strscpy(region->umem->probe, exporter->name,
				IB_PEER_MEMORY_NAME_MAX);
		if (!ret)
			return 0;
		if (refusal == -ENXIO)
			refusal = ret;
		if (ret != -ENXIO && !exporter->try_next_on_error) {
			ib_peer_exporter_put(exporter);
			break;
		}
		ib_peer_exporter_put(exporter);
	}
	return refusal;
}

static int region_find_exporter(struct ib_peer_region *region)
{
	int ret = region_claim_pass(region, false);

	if (ret == -ENXIO)
		ret = region_claim_pass(region, true);
	return ret == -ENXIO ? -EFAULT : ret;
}

/*
 * Finds the exporter that owns all of [start, end). Return: the region, with
 * an active reference for the caller, and with a reference that the caller
 * drops unless it inserts the region into the tree; or ERR_PTR: -EFAULT no
 * exporter, or the error of an exporter.
 */
struct ib_peer_region *ib_peer_region_claim(struct ib_umem_peer *umem,
					    unsigned long start,
					    unsigned long end, bool writable)
{
	struct ib_peer_region *region;
	int ret;

	region = region_alloc(umem, start, end, writable);
	if (!region)
		return ERR_PTR(-ENOMEM);
	ret = region_find_exporter(region);
	if (ret) {
		kfree(region);
		return ERR_PTR(ret);
	}
	kref_get(&region->kref);
	refcount_inc(&umem->region_refs);
	ret = region_add_to_exporter(region);
	if (!ret && region->dma_device && !region->exporter->ops->dma_map)
		ret = -EREMOTEIO;
	if (ret) {
		ib_peer_region_discard(region);
		return ERR_PTR(ret);
	}
	ib_peer_hold(IB_PEER_HOLD_CLAIMED);
	return region;
}

int ib_peer_region_pin(struct ib_peer_region *region)
{
	const struct ib_peer_ops *ops = region->exporter->ops;
	int ret;

	if (!ops->pin)
		return -EOPNOTSUPP;
	ret = ops->pin(region);
	if (!ret)
		region->pinned = true;
	return ret;
}

/*
 * Ends all accesses. Return: the region was alive, and the caller must drop
 * its active reference.
 */
static bool region_mark_dead(struct ib_peer_region *region)
{
	if (!region->umem->on_demand)
		ib_umem_peer_kill(region->umem);
	ib_peer_hold(IB_PEER_HOLD_STOP);
	return ib_umem_peer_mark_dead(region);
}

/* Does not sleep. A work item detaches the region. */
void ib_peer_region_kill(struct ib_peer_region *region)
{
	if (region_mark_dead(region))
		ib_peer_region_put_active(region);
}

/*
 * As ib_peer_region_kill(), but detaches here if there is no other active
 * reference. May sleep.
 */
void ib_peer_region_kill_sync(struct ib_peer_region *region)
{
	if (region_mark_dead(region) &&
	    refcount_dec_and_test(&region->users))
		region_detach(region);
}

static void exporter_revoke_regions(struct ib_peer_exporter *exporter)
{
	struct ib_peer_region *region;
	struct ib_umem_peer *umem;

	spin_lock(&exporters_lock);
	exporter->dying = true;
	while ((region = list_first_entry_or_null(&exporter->regions,
						  struct ib_peer_region,
						  node))) {
		umem = region->umem;
		/* Keeps it on a list, so that detaching it removes it. */
		list_move(&region->node, &exporter->killed);
		kref_get(&region->kref);
		/*
		 * Not zero yet: detaching drops it after removing the region
		 * from the list.
		 */
		refcount_inc(&umem->region_refs);
		spin_unlock(&exporters_lock);
		ib_peer_hold(IB_PEER_HOLD_FOUND);
		if (umem->dma_ops)
			umem->dma_ops->stop(umem, true);
		ib_peer_region_kill(region);
		ib_peer_region_put(region);
		ib_umem_peer_put_region_ref(umem);
		spin_lock(&exporters_lock);
	}
	spin_unlock(&exporters_lock);
}

void ib_peer_unregister_exporter(struct ib_peer_exporter *exporter)
{
	ib_peer_exporter_unpublish(exporter);
	/* No new caller finds it. Next: those that already have. */
	exporter_revoke_regions(exporter);
	ib_peer_exporter_free(exporter);
}
EXPORT_SYMBOL_GPL(ib_peer_unregister_exporter);

void ib_peer_revoke(struct ib_peer_region *region)
{
	if (!region->umem->probe)
		ib_peer_count(region->exporter, IB_PEER_FREE_CALLBACKS, 1);
	if (region->umem->dma_ops)
		region->umem->dma_ops->stop(region->umem, true);
	ib_peer_region_kill(region);
}
EXPORT_SYMBOL_GPL(ib_peer_revoke);

void ib_peer_invalidate(struct ib_peer_region *region, u64 offset, u64 length)
{
	struct ib_umem_peer *umem = region->umem;
	unsigned long start;

	/* Probes publish no pages. */
	if (umem->probe)
		return;
	/*
	 * Pinned pages cannot move: the exporter breaks its contract, so
	 * revoke.
	 */
	if (umem->dma_ops ? region->pinned : !umem->on_demand)
		return ib_peer_revoke(region);
	if (!length || offset >= region->length)
		return;
	ib_peer_count(region->exporter, IB_PEER_INVALIDATIONS, 1);
	start = region->start + offset;
	length = min(length, region->length - offset);

	xa_lock(&umem->pages);
	region->seq++;
	wake_up_all(&umem->waiters);
	ib_umem_peer_erase(umem, start, start + length - 1);
	ib_umem_peer_unlock_and_wait(umem);
	if (umem->dma_ops)
		umem->dma_ops->stop(umem, false);
	/* -1: not an event of the mmu notifier. */
	trace_ib_peer_invalidate(umem, start, start + length - 1, -1);
}
EXPORT_SYMBOL_GPL(ib_peer_invalidate);

int ib_peer_region_init(void)
{
	detach_wq = alloc_workqueue("ib_peer_mem", WQ_UNBOUND, 0);
	return detach_wq ? 0 : -ENOMEM;
}

/* All regions are gone; the last work item may still be returning. */
void ib_peer_region_exit(void)
{
	destroy_workqueue(detach_wq);
}
