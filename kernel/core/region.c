// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Regions: one claimed range of one process, and its way from claim() to
 * release(). See ib_peer.h for who owns what and for the locks.
 *
 * "Kill" makes a registration inaccessible, at once, from any context.
 * "Detach" gives the range back to the exporter (unpin, release); it may sleep
 * and happens once: at deregistration, or from a work item after a kill, or
 * while the client unregisters, whichever is first.
 */
#include <linux/err.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "ib_peer.h"

static DEFINE_SPINLOCK(ib_peer_regions_lock);
static struct workqueue_struct *detach_wq;

static void region_detach(struct ib_peer_region *region)
{
	struct ib_peer_client *client = region->client;

	if (region->pinned)
		client->ops->unpin(region);
	client->ops->release(region);
	ib_peer_client_put(client);
	/* The umem may free the region as soon as it knows. */
	complete_all(&region->detached);
}

static void region_detach_work(struct work_struct *work)
{
	region_detach(container_of(work, struct ib_peer_region, detach_work));
}

/* Is the detaching left for the caller? If so it is the caller's now. */
static bool region_take(struct ib_peer_region *region)
{
	struct ib_peer_client *client = region->client;

	lockdep_assert_held(&ib_peer_regions_lock);

	if (list_empty(&region->node))
		return false;
	list_del_init(&region->node);
	ib_peer_count(client, IB_PEER_DEALLOC_MRS, 1);
	ib_peer_count(client, IB_PEER_DEREG_PAGES, region->length >> PAGE_SHIFT);
	ib_peer_count(client, IB_PEER_DEREG_BYTES, region->length);
	return true;
}

static struct ib_peer_region *region_alloc(struct ib_umem_peer *umem)
{
	struct ib_peer_region *region;
	unsigned long end = PAGE_ALIGN(umem->umem.address + umem->umem.length);

	region = kzalloc(sizeof(*region), GFP_KERNEL);
	if (!region)
		return NULL;
	region->umem = umem;
	region->importer = umem->umem.ibdev;
	region->mm = umem->umem.owning_mm;
	region->start = umem->umem.address & PAGE_MASK;
	region->length = end - region->start;
	region->writable = umem->umem.writable;
	INIT_LIST_HEAD(&region->node);
	INIT_WORK(&region->detach_work, region_detach_work);
	init_completion(&region->detached);
	return region;
}

/*
 * Finds the client that owns the whole range of the umem.
 * Return: the region, or ERR_PTR: -EFAULT nobody's; what a client refused with.
 */
struct ib_peer_region *ib_peer_region_claim(struct ib_umem_peer *umem)
{
	struct ib_peer_region *region;
	struct ib_peer_client *client;
	unsigned long id = 0;
	int refusal = -EFAULT;
	int ret;

	region = region_alloc(umem);
	if (!region)
		return ERR_PTR(-ENOMEM);

	while ((client = ib_peer_client_next(&id))) {
		region->client = client;
		ret = client->ops->claim(region);
		if (!ret)
			return region;
		if (ret != -ENXIO && refusal == -EFAULT)
			refusal = ret;
		if (ret != -ENXIO && !client->ask_others) {
			ib_peer_client_put(client);
			break;
		}
		ib_peer_client_put(client);
	}
	kfree(region);
	return ERR_PTR(refusal);
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

/*
 * From here on revocation and unregistration of the client find the region, and
 * its end is ib_peer_region_end(). After a failure it still is _abort().
 * Return: 0, -ENODEV the client is going away, -EFAULT killed meanwhile.
 */
int ib_peer_region_publish(struct ib_peer_region *region)
{
	struct ib_peer_client *client = region->client;
	struct ib_umem_peer *umem = region->umem;
	int ret = 0;

	spin_lock(&ib_peer_regions_lock);
	if (client->dying) {
		ret = -ENODEV;
	} else if (READ_ONCE(umem->revoked)) {
		/* Whoever killed it did not find the region to detach. */
		ret = -EFAULT;
	} else {
		umem->region = region;
		list_add_tail(&region->node, &client->regions);
		ib_peer_count(client, IB_PEER_ALLOC_MRS, 1);
		ib_peer_count(client, IB_PEER_REG_PAGES,
			      region->length >> PAGE_SHIFT);
		ib_peer_count(client, IB_PEER_REG_BYTES, region->length);
	}
	spin_unlock(&ib_peer_regions_lock);
	return ret;
}

/* The end of a claimed region that was not published. */
void ib_peer_region_abort(struct ib_peer_region *region)
{
	region_detach(region);
	kfree(region);
}

/* After a kill: give the memory back without waiting for the user. */
void ib_peer_region_detach_later(struct ib_umem_peer *umem)
{
	struct ib_peer_region *region;

	spin_lock(&ib_peer_regions_lock);
	region = umem->region;
	if (region && region_take(region))
		queue_work(detach_wq, &region->detach_work);
	spin_unlock(&ib_peer_regions_lock);
}

/* The end of a published region, by the umem that owns it. */
void ib_peer_region_end(struct ib_peer_region *region)
{
	bool mine;

	spin_lock(&ib_peer_regions_lock);
	mine = region_take(region);
	spin_unlock(&ib_peer_regions_lock);

	if (mine)
		region_detach(region);
	wait_for_completion(&region->detached);
	kfree(region);
}

void ib_peer_client_detach_all(struct ib_peer_client *client)
{
	struct ib_peer_region *region;

	spin_lock(&ib_peer_regions_lock);
	client->dying = true;
	while ((region = list_first_entry_or_null(&client->regions,
						  struct ib_peer_region,
						  node))) {
		region_take(region);
		spin_unlock(&ib_peer_regions_lock);
		/* The umem waits for the detach, so it is there until then. */
		ib_umem_peer_kill(region->umem);
		region_detach(region);
		spin_lock(&ib_peer_regions_lock);
	}
	spin_unlock(&ib_peer_regions_lock);
}

void ib_peer_revoke(struct ib_peer_region *region)
{
	ib_peer_count(region->client, IB_PEER_FREE_CALLBACKS, 1);
	ib_umem_peer_kill(region->umem);
	ib_peer_region_detach_later(region->umem);
}
EXPORT_SYMBOL_GPL(ib_peer_revoke);

void ib_peer_invalidate(struct ib_peer_region *region, u64 offset, u64 length)
{
	/* A pinned region has nowhere to go: the exporter broke its promise. */
	ib_peer_revoke(region);
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
