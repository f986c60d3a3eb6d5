// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Attachments: a DMA device that uses a region through a dma-buf. The dma-buf is one
 * that the core has made for a single registration (dma_bridge.c), or one that a
 * process or an exporter gives away (dma_exported.c).
 *
 * Importers of a dma-buf hold its reservation lock (resv) while they map it
 * and while invalidate_mappings runs. The exporter of the region holds its own lock
 * when it invalidates, and takes it when it is asked where the region is. So
 * whoever maps must neither ask the exporter nor wait for a task that does:
 *
 *   exporter's lock -> resv of the dma-buf -> xa_lock of the umem
 *
 * A worker resolves the region. map_dma_buf takes its result, and waits for
 * it only while no invalidation is pending (->pending_moves); otherwise it
 * returns -EAGAIN, and the access is repeated.
 *
 * All attachments of a dma-buf share its resv, so they share ->pending_moves, too. An
 * invalidation for one of them reaches all devices of the dma-buf.
 *
 * A mapping of the device holds an active reference to the region, so the
 * exporter gets unpin() and release() only after the device has unmapped it.
 * Drivers unmap in invalidate_mappings, except those that pin and cannot stop:
 * enum ib_peer_importer_type.
 *
 * Unmapping the range ends the attachment. The mmu notifier cannot take
 * resv, so a work item does it. Until then the device reaches the memory that
 * was attached, which the region keeps alive.
 */
#include <compat/dma_buf.h>
#include <compat/workqueue.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kallsyms.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <rdma/ib_verbs.h>

#include "exporters/exporters.h"
#include "hold_point.h"
#include "importers/dma_attachment.h"
#include "importers/dma_pages.h"
#include "umem/notifier_insert.h"
#include "umem/region.h"
#include "umem/registration.h"
#include "umem/revoke.h"
#include "umem/umem.h"
#include "umem/umem_alloc.h"

/* ---- resolving the region ---- */

/* Return: the region with an active reference; NULL: it is dead. */
static struct ib_peer_region *link_get_region(struct ib_peer_attachment *link)
{
	struct ib_peer_region *region = link->region;

	xa_lock(&link->peer->pages);
	if (region->dead || READ_ONCE(link->peer->revoked))
		region = NULL;
	else
		ib_peer_region_get_active(region);
	xa_unlock(&link->peer->pages);
	return region;
}

/* Return: 0 the mapping is ready; -EAGAIN it was stale; -EFAULT revoked. */
static int link_publish(struct ib_peer_attachment *link,
			struct ib_peer_dma *dma, unsigned long seq)
{
	struct ib_peer_region *region = link->region;
	struct ib_peer_dma *old = NULL;
	int ret = 0;

	xa_lock(&link->peer->pages);
	if (region->dead || READ_ONCE(link->peer->revoked)) {
		ret = -EFAULT;
	} else if (region->seq != seq) {
		ret = -EAGAIN;
	} else {
		old = link->mapping;
		link->mapping = dma;
	}
	xa_unlock(&link->peer->pages);
	ib_peer_hold(IB_PEER_HOLD_DMA_PUBLISHED);
	ib_peer_dma_free(ret ? dma : old);
	return ret;
}

/*
 * Called without locks. Return: as ib_peer_dma_resolve() and
 * link_publish().
 */
static int link_resolve(struct ib_peer_attachment *link)
{
	struct ib_peer_region *region = link_get_region(link);
	struct ib_peer_dma *dma;
	unsigned long seq;
	int ret;

	if (!region)
		return -EFAULT;
	atomic64_inc(&link->peer->stats.faults);
	dma = ib_peer_dma_resolve(region, &seq);
	if (IS_ERR(dma))
		ret = PTR_ERR(dma);
	else
		ret = link_publish(link, dma, seq);
	ib_peer_region_put_active(region);
	return ret;
}

static int link_resolve_retry(struct ib_peer_attachment *link)
{
	unsigned long until = ib_umem_peer_deadline();
	int ret;

	do {
		ret = link_resolve(link);
		cond_resched();
	} while (ret == -EAGAIN && time_before(jiffies, until));
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

static void link_resolve_work(struct work_struct *work)
{
	struct ib_peer_attachment *link =
		container_of(work, struct ib_peer_attachment, resolve_work);
	int ret = link_resolve_retry(link);

	xa_lock(&link->peer->pages);
	link->error = ret;
	link->resolving = false;
	xa_unlock(&link->peer->pages);
	wake_up_all(&link->share->changed);
}

static struct ib_peer_dma *link_take_mapping(struct ib_peer_attachment *link)
{
	struct ib_peer_dma *dma;

	xa_lock(&link->peer->pages);
	dma = link->mapping;
	link->mapping = NULL;
	xa_unlock(&link->peer->pages);
	return dma;
}

static void link_queue_resolve(struct ib_peer_attachment *link)
{
	bool send;

	xa_lock(&link->peer->pages);
	send = !link->resolving && !link->mapping;
	if (send) {
		link->resolving = true;
		link->error = 0;
	}
	xa_unlock(&link->peer->pages);
	if (send)
		queue_work(system_dfl_wq, &link->resolve_work);
}

/* Called with resv held. Return: the mapping, or ERR_PTR. */
static struct ib_peer_dma *link_wait_for_mapping(struct ib_peer_attachment *link)
{
	struct ib_peer_dmabuf *share = link->share;
	struct ib_peer_dma *dma;
	int ret;

	for (;;) {
		dma = link_take_mapping(link);
		if (dma)
			return dma;
		link_queue_resolve(link);
		ret = wait_event_killable(share->changed,
					  !READ_ONCE(link->resolving) ||
					  atomic_read(&share->pending_moves));
		if (ret)
			return ERR_PTR(-EINTR);
		if (atomic_read(&share->pending_moves))
			return ERR_PTR(-EAGAIN);
		ret = READ_ONCE(link->error);
		if (ret)
			return ERR_PTR(ret);
	}
}

/* ---- invalidation ---- */

/*
 * A dynamic importer that still has it mapped is deregistering. One that cannot stop is
 * an RDMA device: others are dynamic.
 */
static void link_check_stopped(const struct ib_peer_attachment *link)
{
	if (link->mapped && link->importer_type != IB_PEER_DYNAMIC)
		ibdev_warn_ratelimited(link->peer->umem.ibdev,
				       "peer memory is revoked, but the device cannot stop using it\n");
}

static void link_stop_dma(struct ib_umem_peer *peer, bool over)
{
	struct ib_peer_attachment *link = peer->attachment;
	struct ib_peer_dmabuf *share = link->share;

	atomic64_inc(&peer->stats.invalidations);
	atomic_inc(&share->pending_moves);
	wake_up_all(&share->changed);
	ib_peer_hold(IB_PEER_HOLD_MOVING);
	dma_resv_lock(&share->resv, NULL);
	if (over)
		ib_umem_peer_kill(peer);
	ib_peer_dma_free(link_take_mapping(link));
	if (link->dmabuf)
		dma_buf_invalidate_mappings(link->dmabuf);
	link_check_stopped(link);
	dma_resv_unlock(&share->resv);
	atomic_dec(&share->pending_moves);
}

static void link_unmapped_work(struct work_struct *work)
{
	struct ib_peer_attachment *link =
		container_of(work, struct ib_peer_attachment, unmapped_work);

	link_stop_dma(link->peer, true);
	/* If the region is not claimed yet, no device will get it. */
	if (READ_ONCE(link->region))
		ib_peer_region_kill(link->region);
}

static bool link_mn_invalidate(struct mmu_interval_notifier *notifier,
			       const struct mmu_notifier_range *range,
			       unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);

	mmu_interval_set_seq(notifier, cur_seq);
	if (ib_peer_mn_unmaps(range))
		queue_work(system_dfl_wq, &peer->attachment->unmapped_work);
	return true;
}

static const struct mmu_interval_notifier_ops link_mn_ops = {
	.invalidate = link_mn_invalidate,
};

/* Called by ib_umem_peer_release() after removing the mmu notifier. */
static void link_cancel_work(struct ib_umem_peer *peer)
{
	struct ib_peer_attachment *link = peer->attachment;

	cancel_work_sync(&link->unmapped_work);
	cancel_work_sync(&link->resolve_work);
	ib_peer_dma_free(link_take_mapping(link));
}

static bool link_is_on_demand(struct ib_umem_peer *peer)
{
	return !READ_ONCE(peer->attachment->region->pinned);
}

static u64 link_resident(struct ib_umem_peer *peer)
{
	return READ_ONCE(peer->attachment->mapped) ?
	       peer->attachment->region->length : 0;
}

static const struct ib_umem_peer_dma_ops link_dma_ops = {
	.stop = link_stop_dma,
	.cancel_work = link_cancel_work,
	.is_on_demand = link_is_on_demand,
	.resident = link_resident,
};

/* ---- the life of an attachment ---- */

struct ib_peer_attachment *ib_peer_attachment_alloc(struct ib_peer_dmabuf *share)
{
	struct ib_peer_attachment *link;

	link = kzalloc(sizeof(*link), GFP_KERNEL_ACCOUNT);
	if (!link)
		return NULL;
	link->share = share;
	INIT_WORK(&link->resolve_work, link_resolve_work);
	INIT_WORK(&link->unmapped_work, link_unmapped_work);
	return link;
}

int ib_peer_attachment_claim_range(struct ib_peer_attachment *link,
				   struct ib_device *ibdev, unsigned long addr,
				   size_t size, int access)
{
	struct ib_umem_peer_dma dma = {
		.attachment = link,
		.ops = &link_dma_ops,
		.mn_ops = &link_mn_ops,
		.device = ibdev->dma_device,
	};

	link->on_demand = access & IB_ACCESS_ON_DEMAND;
	return ib_umem_peer_get_dma(ibdev, addr, size, access, &dma, &link->peer,
				    &link->region);
}

int ib_peer_attachment_claim_dmabuf(struct ib_peer_attachment *link,
				    struct dma_buf *dmabuf,
				    struct device *device)
{
	struct ib_umem_peer_dma dma = {
		.attachment = link,
		.ops = &link_dma_ops,
		.mn_ops = &link_mn_ops,
		.device = device,
	};

	return ib_umem_peer_get_dma_dmabuf(dmabuf, &dma, &link->peer,
					   &link->region);
}

void ib_peer_attachment_end(struct ib_peer_attachment *link)
{
	ib_umem_peer_release(link->peer);
	link->peer = NULL;
}

void ib_peer_attachment_free(struct ib_peer_attachment *link)
{
	if (!link)
		return;
	if (link->peer)
		ib_peer_attachment_end(link);
	if (link->region)
		ib_peer_region_put(link->region);
	kfree(link);
}

/*
 * The RDMA core imports for drivers that pin. It installs no invalidate_mappings
 * op, or one whose name is all that shows whether they can stop. A driver with
 * its own op is dynamic.
 */
static enum ib_peer_importer_type link_importer_type(struct dma_buf_attachment *attach)
{
	char name[KSYM_SYMBOL_LEN];

	if (!attach->importer_ops->invalidate_mappings)
		return IB_PEER_NON_REVOCABLE;
	sprint_symbol_no_offset(name,
				(unsigned long)attach->importer_ops->invalidate_mappings);
	if (!strncmp(name, "ib_umem_dmabuf_unsupported_move_notify", 38))
		return IB_PEER_NON_REVOCABLE;
	if (!strncmp(name, "ib_umem_dmabuf_revoke_locked", 28))
		return IB_PEER_REVOCABLE;
	return IB_PEER_DYNAMIC;
}

/* Pinned memory is charged to RLIMIT_MEMLOCK, until deregistration. */
static int link_pin(struct ib_peer_attachment *link)
{
	struct ib_peer_region *region = link->region;
	int ret;

	if (link->importer_type == IB_PEER_NON_REVOCABLE &&
	    !(region->exporter->flags & IB_PEER_PIN_PERMANENT))
		return -EOPNOTSUPP;
	if (link->on_demand)
		return -EOPNOTSUPP;
	ret = ib_umem_peer_charge(link->peer);
	return ret ?: ib_peer_region_pin(region);
}

int ib_peer_attachment_connect(struct ib_peer_attachment *link,
			       struct dma_buf_attachment *attach)
{
	struct ib_peer_region *region;
	int ret = 0;

	if (!attach->importer_ops || !attach->peer2peer)
		return -EOPNOTSUPP;
	region = link_get_region(link);
	if (!region)
		return -ENODEV;
	link->importer_type = link_importer_type(attach);
	if (link->importer_type != IB_PEER_DYNAMIC ||
	    region->exporter->flags & IB_PEER_PIN_FIRST)
		ret = link_pin(link);
	/* Resolved now, so that it is ready when the driver maps. */
	if (!ret)
		ret = link_resolve_retry(link);
	ib_peer_region_put_active(region);
	if (ret)
		return ret;
	attach->priv = link;
	return 0;
}

/* ---- operations of a dma-buf ---- */

/*
 * The region was pinned when it was attached. If the kernel pins what it maps,
 * it calls these also for dynamic importers, which stop at invalidation all the
 * same.
 */
int ib_peer_dmabuf_pin(struct dma_buf_attachment *attach)
{
	const struct ib_peer_attachment *link = attach->priv;

	if (!peer_dma_buf_map_pins() && !link->region->pinned)
		return -EOPNOTSUPP;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_pin);

void ib_peer_dmabuf_unpin(struct dma_buf_attachment *attach)
{
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_unpin);

struct sg_table *ib_peer_dmabuf_map(struct dma_buf_attachment *attach,
				    enum dma_data_direction dir)
{
	struct ib_peer_attachment *link = attach->priv;
	struct ib_peer_dma *dma;

	dma_resv_assert_held(&link->share->resv);

	if (READ_ONCE(link->peer->revoked))
		return ERR_PTR(-EFAULT);
	dma = link_wait_for_mapping(link);
	if (IS_ERR(dma))
		return ERR_CAST(dma);
	link->mapped++;
	return &dma->table;
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_map);

void ib_peer_dmabuf_unmap(struct dma_buf_attachment *attach,
			  struct sg_table *table, enum dma_data_direction dir)
{
	struct ib_peer_attachment *link = attach->priv;

	dma_resv_assert_held(&link->share->resv);

	link->mapped--;
	ib_peer_dma_free(container_of(table, struct ib_peer_dma, table));
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_unmap);
