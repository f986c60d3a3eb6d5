// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions: one claimed range of one process, and its way from claim() to
 * release(). See ib_peer.h for the locks.
 *
 * A region lives twice. region->users keeps the exporter's side: one is the
 * region's own being alive, the others are calls into the exporter under way.
 * When the last is gone the region is *detached*: unpin(), release(). kref keeps
 * the struct: one for the exporter's side, one for being in the tree of its
 * umem, where a dead region goes on saying "revoked" until its range is unmapped.
 *
 * "Kill" makes a region inaccessible, at once, from any context, for ever. It
 * waits for accesses in flight, and for nothing else.
 */
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bridge.h"
#include "ib_peer.h"
#include "page_table.h"
#include "readers.h"
#include "trace.h"

static DEFINE_SPINLOCK(clients_lock);
static struct workqueue_struct *detach_wq;

static void region_free(struct kref *kref)
{
	kfree(container_of(kref, struct ib_peer_region, kref));
}

void ib_peer_region_put(struct ib_peer_region *region)
{
	kref_put(&region->kref, region_free);
}

/* It comes, or it goes: what is counted of it, in the client's counters. */
static void region_count(const struct ib_peer_region *region,
			 enum ib_peer_counter mrs, enum ib_peer_counter pages,
			 enum ib_peer_counter bytes)
{
	struct ib_peer_client *client = region->client;

	if (region->umem->trial)
		return;
	ib_peer_count(client, mrs, 1);
	if (!client->counts_pages)
		ib_peer_count(client, pages, region->length >> PAGE_SHIFT);
	ib_peer_count(client, bytes, region->length);
}

static void region_detach(struct ib_peer_region *region)
{
	struct ib_peer_client *client = region->client;
	struct ib_umem_peer *umem = region->umem;

	if (region->pinned)
		client->ops->unpin(region);
	ib_peer_hold(IB_PEER_HOLD_UNPINNED);
	client->ops->release(region);

	spin_lock(&clients_lock);
	if (!list_empty(&region->node)) {
		list_del_init(&region->node);
		region_count(region, IB_PEER_DEALLOC_MRS, IB_PEER_DEREG_PAGES,
			     IB_PEER_DEREG_BYTES);
	}
	spin_unlock(&clients_lock);
	ib_peer_client_put(client);
	ib_peer_region_put(region);
	ib_umem_peer_region_gone(umem);
}

static void region_detach_work(struct work_struct *work)
{
	region_detach(container_of(work, struct ib_peer_region, detach_work));
}

/* Only while the region is alive; ib_umem_peer_find() sees to that. */
void ib_peer_region_use(struct ib_peer_region *region)
{
	refcount_inc(&region->users);
}

void ib_peer_region_unuse(struct ib_peer_region *region)
{
	if (refcount_dec_and_test(&region->users))
		queue_work(detach_wq, &region->detach_work);
}

/* The end of a claimed region, in use, that did not come into the tree. */
void ib_peer_region_discard(struct ib_peer_region *region)
{
	ib_peer_region_kill(region);
	ib_peer_region_unuse(region);
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
	/* Its being alive, and the call into the exporter that is to come. */
	refcount_set(&region->users, 2);
	return region;
}

/* From now on the client's unregistration finds it. */
static int region_enlist(struct ib_peer_region *region)
{
	struct ib_peer_client *client = region->client;
	int ret = 0;

	spin_lock(&clients_lock);
	if (client->dying) {
		ret = -ENODEV;
	} else {
		list_add_tail(&region->node, &client->regions);
		region_count(region, IB_PEER_ALLOC_MRS, IB_PEER_REG_PAGES,
			     IB_PEER_REG_BYTES);
	}
	spin_unlock(&clients_lock);
	return ret;
}

static int region_ask_one(struct ib_peer_region *region,
			  struct ib_peer_client *client)
{
	const struct ib_peer_ops *ops = client->ops;
	int (*claim)(struct ib_peer_region *region) =
		region->dmabuf ? ops->claim_dmabuf : ops->claim;

	region->client = client;
	return claim ? claim(region) : -ENXIO;
}

/*
 * Asks client after client, of those that are asked last, or of the others.
 * Return: 0 with region->client set; -ENXIO it is nobody's; or what a client refused
 * with, which may be -EFAULT.
 */
static int region_ask_all(struct ib_peer_region *region, bool last)
{
	struct ib_peer_client *client;
	unsigned long id = 0;
	int refusal = -ENXIO;
	int ret;

	while ((client = ib_peer_client_next(&id))) {
		ret = -ENXIO;
		if (last == !!(client->flags & IB_PEER_LAST))
			ret = region_ask_one(region, client);
		if (ret != -ENXIO && region->umem->trial)
			strscpy(region->umem->trial, client->name,
				IB_PEER_MEMORY_NAME_MAX);
		if (!ret)
			return 0;
		if (refusal == -ENXIO)
			refusal = ret;
		if (ret != -ENXIO && !client->ask_others) {
			ib_peer_client_put(client);
			break;
		}
		ib_peer_client_put(client);
	}
	return refusal;
}

static int region_ask(struct ib_peer_region *region)
{
	int ret = region_ask_all(region, false);

	if (ret == -ENXIO)
		ret = region_ask_all(region, true);
	return ret == -ENXIO ? -EFAULT : ret;
}

/*
 * Finds the client that owns all of [start, end). The region is in use, so that
 * whoever kills it meanwhile takes nothing away from under the caller, who has
 * ib_peer_region_unuse() to call, and ib_peer_region_put(), unless the region
 * went into the tree.
 * Return: the region, or ERR_PTR: -EFAULT nobody's; what a client refused with.
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
	ret = region_ask(region);
	if (ret) {
		kfree(region);
		return ERR_PTR(ret);
	}
	kref_get(&region->kref);
	refcount_inc(&umem->regions_left);
	ret = region_enlist(region);
	if (!ret && region->dma_device && !region->client->ops->dma_map)
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
	const struct ib_peer_ops *ops = region->client->ops;
	int ret;

	if (!ops->pin)
		return -EOPNOTSUPP;
	ret = ops->pin(region);
	if (!ret)
		region->pinned = true;
	return ret;
}

/* No access any more. Return: it was alive, and the caller owes an unuse(). */
static bool ib_peer_region_stop(struct ib_peer_region *region)
{
	if (!region->umem->on_demand)
		ib_umem_peer_kill(region->umem);
	ib_peer_hold(IB_PEER_HOLD_STOP);
	return ib_umem_peer_mark_dead(region);
}

/* Does not sleep; the exporter gets its range back from a work item. */
void ib_peer_region_kill(struct ib_peer_region *region)
{
	if (ib_peer_region_stop(region))
		ib_peer_region_unuse(region);
}

/* The same, but gives the range back here if nobody is using it. */
void ib_peer_region_end(struct ib_peer_region *region)
{
	if (ib_peer_region_stop(region) &&
	    refcount_dec_and_test(&region->users))
		region_detach(region);
}

void ib_peer_client_detach_all(struct ib_peer_client *client)
{
	struct ib_peer_region *region;
	struct ib_umem_peer *umem;

	spin_lock(&clients_lock);
	client->dying = true;
	while ((region = list_first_entry_or_null(&client->regions,
						  struct ib_peer_region,
						  node))) {
		umem = region->umem;
		/* Still on a list, so that its detaching takes it off. */
		list_move(&region->node, &client->killed);
		kref_get(&region->kref);
		/* Is above zero: only then it is taken off the list. */
		refcount_inc(&umem->regions_left);
		spin_unlock(&clients_lock);
		ib_peer_hold(IB_PEER_HOLD_FOUND);
		if (umem->bridge)
			ib_peer_bridge_stop(umem, true);
		ib_peer_region_kill(region);
		ib_peer_region_put(region);
		ib_umem_peer_region_gone(umem);
		spin_lock(&clients_lock);
	}
	spin_unlock(&clients_lock);
}

void ib_peer_revoke(struct ib_peer_region *region)
{
	if (!region->umem->trial)
		ib_peer_count(region->client, IB_PEER_FREE_CALLBACKS, 1);
	if (region->umem->bridge)
		ib_peer_bridge_stop(region->umem, true);
	ib_peer_region_kill(region);
}
EXPORT_SYMBOL_GPL(ib_peer_revoke);

void ib_peer_invalidate(struct ib_peer_region *region, u64 offset, u64 length)
{
	struct ib_umem_peer *umem = region->umem;
	unsigned long start;

	/* There for a question only: nobody was told of any page. */
	if (umem->trial)
		return;
	/* Pinned pages have nowhere to go: the exporter broke its promise. */
	if (umem->bridge ? region->pinned : !umem->on_demand)
		return ib_peer_revoke(region);
	if (!length || offset >= region->length)
		return;
	ib_peer_count(region->client, IB_PEER_INVALIDATIONS, 1);
	start = region->start + offset;
	length = min(length, region->length - offset);

	xa_lock(&umem->pages);
	region->seq++;
	wake_up_all(&umem->waiters);
	ib_umem_peer_erase(umem, start, start + length - 1);
	ib_umem_peer_unlock_and_wait(umem);
	if (umem->bridge)
		ib_peer_bridge_stop(umem, false);
	/* No event of the mm's, so not one of its numbers. */
	trace_ib_peer_invalidate(umem, start, start + length - 1, -1);
}
EXPORT_SYMBOL_GPL(ib_peer_invalidate);

int ib_peer_region_init(void)
{
	detach_wq = alloc_workqueue("ib_peer_mem", WQ_UNBOUND, 0);
	return detach_wq ? 0 : -ENOMEM;
}

/* All regions are gone; the last work item may still be on its way out. */
void ib_peer_region_exit(void)
{
	destroy_workqueue(detach_wq);
}
