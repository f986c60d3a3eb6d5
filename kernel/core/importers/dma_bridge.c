// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The DMA bridge: a dma-buf over a region, which any RDMA driver with
 * reg_user_mr_dmabuf can import.
 *
 * Importers of a dma-buf hold its reservation lock (resv) while they map it
 * and while invalidate_mappings runs. The exporter of the region holds its own lock
 * when it invalidates, and takes it when it is asked where the region is. So
 * whoever maps must neither ask the exporter nor wait for a task that does:
 *
 *   exporter's lock -> resv of the bridge -> xa_lock of the umem
 *
 * A worker resolves the region. map_dma_buf takes its result, and waits for
 * it only while no invalidation is pending (->pending_moves); otherwise it
 * returns -EAGAIN, and the access is repeated. The resv has a lockdep class
 * of its own: a move holds two.
 *
 * A mapping of the device holds an active reference to the region, so the
 * exporter gets unpin() and release() only after the device has unmapped it.
 * Drivers unmap in invalidate_mappings, except those that pin and cannot stop:
 * enum ib_peer_importer_type.
 *
 * Unmapping the range ends the registration. The mmu notifier cannot take
 * resv, so a work item does it. Until then the device reaches the memory that
 * was registered, which the region keeps alive.
 */
#include <compat/dma_buf.h>
#include <compat/workqueue.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <rdma/ib_verbs.h>

#include "exporters/exporters.h"
#include "hold_point.h"
#include "importers/dma_bridge.h"
#include "importers/dma_pages.h"
#include "umem/notifier_insert.h"
#include "umem/region.h"
#include "umem/registration.h"
#include "umem/revoke.h"
#include "umem/umem.h"
#include "umem/umem_alloc.h"

/*
 * struct ib_peer_bridge - a registration through a dma-buf
 * @peer:    the registration; its xa_lock protects @mapping, @resolving,
 *           @error
 * @region:  with a reference
 * @resv:    of the dma-buf
 * @task:    the registering task, as long as it registers: no other task may
 *           attach
 * @on_demand: requested, so nothing may be pinned
 * @importer_type: of the device's driver
 * @mapping:  the resolved region, not mapped by the device yet; or NULL
 * @resolving: the worker is resolving
 * @error:   the result of the worker if it failed
 * @changed: wakes waiters for these, or for @pending_moves
 * @pending_moves: invalidations that wait for @resv
 * @mapped:  number of mappings of the device; protected by @resv
 */
struct ib_peer_bridge {
	struct ib_umem_peer *peer;
	struct ib_peer_region *region;
	struct dma_buf *dmabuf;
	struct dma_resv resv;
	struct task_struct *task;
	bool on_demand;
	enum ib_peer_importer_type importer_type;
	struct ib_peer_dma *mapping;
	bool resolving;
	int error;
	wait_queue_head_t changed;
	atomic_t pending_moves;
	unsigned int mapped;
	struct work_struct resolve_work;
	struct work_struct unmapped_work;
};

static DEFINE_WD_CLASS(bridge_ww_class);

/* ---- resolving the region ---- */

/* Return: the region with an active reference; NULL: it is dead. */
static struct ib_peer_region *bridge_get_region(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge->region;

	xa_lock(&bridge->peer->pages);
	if (region->dead || READ_ONCE(bridge->peer->revoked))
		region = NULL;
	else
		ib_peer_region_get_active(region);
	xa_unlock(&bridge->peer->pages);
	return region;
}

/* Return: 0 the mapping is ready; -EAGAIN it was stale; -EFAULT revoked. */
static int bridge_publish(struct ib_peer_bridge *bridge,
			  struct ib_peer_dma *dma, unsigned long seq)
{
	struct ib_peer_region *region = bridge->region;
	struct ib_peer_dma *old = NULL;
	int ret = 0;

	xa_lock(&bridge->peer->pages);
	if (region->dead || READ_ONCE(bridge->peer->revoked)) {
		ret = -EFAULT;
	} else if (region->seq != seq) {
		ret = -EAGAIN;
	} else {
		old = bridge->mapping;
		bridge->mapping = dma;
	}
	xa_unlock(&bridge->peer->pages);
	ib_peer_hold(IB_PEER_HOLD_DMA_PUBLISHED);
	ib_peer_dma_free(ret ? dma : old);
	return ret;
}

/*
 * Called without locks. Return: as ib_peer_dma_resolve() and
 * bridge_publish().
 */
static int bridge_resolve(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge_get_region(bridge);
	struct ib_peer_dma *dma;
	unsigned long seq;
	int ret;

	if (!region)
		return -EFAULT;
	atomic64_inc(&bridge->peer->stats.faults);
	dma = ib_peer_dma_resolve(region, &seq);
	if (IS_ERR(dma))
		ret = PTR_ERR(dma);
	else
		ret = bridge_publish(bridge, dma, seq);
	ib_peer_region_put_active(region);
	return ret;
}

static int bridge_resolve_retry(struct ib_peer_bridge *bridge)
{
	unsigned long until = ib_umem_peer_deadline();
	int ret;

	do {
		ret = bridge_resolve(bridge);
		cond_resched();
	} while (ret == -EAGAIN && time_before(jiffies, until));
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

static void bridge_resolve_work(struct work_struct *work)
{
	struct ib_peer_bridge *bridge =
		container_of(work, struct ib_peer_bridge, resolve_work);
	int ret = bridge_resolve_retry(bridge);

	xa_lock(&bridge->peer->pages);
	bridge->error = ret;
	bridge->resolving = false;
	xa_unlock(&bridge->peer->pages);
	wake_up_all(&bridge->changed);
}

static struct ib_peer_dma *bridge_take_mapping(struct ib_peer_bridge *bridge)
{
	struct ib_peer_dma *dma;

	xa_lock(&bridge->peer->pages);
	dma = bridge->mapping;
	bridge->mapping = NULL;
	xa_unlock(&bridge->peer->pages);
	return dma;
}

static void bridge_queue_resolve(struct ib_peer_bridge *bridge)
{
	bool send;

	xa_lock(&bridge->peer->pages);
	send = !bridge->resolving && !bridge->mapping;
	if (send) {
		bridge->resolving = true;
		bridge->error = 0;
	}
	xa_unlock(&bridge->peer->pages);
	if (send)
		queue_work(system_dfl_wq, &bridge->resolve_work);
}

/* Called with resv held. Return: the mapping, or ERR_PTR. */
static struct ib_peer_dma *bridge_wait_for_mapping(struct ib_peer_bridge *bridge)
{
	struct ib_peer_dma *dma;
	int ret;

	for (;;) {
		dma = bridge_take_mapping(bridge);
		if (dma)
			return dma;
		bridge_queue_resolve(bridge);
		ret = wait_event_killable(bridge->changed,
					  !READ_ONCE(bridge->resolving) ||
					  atomic_read(&bridge->pending_moves));
		if (ret)
			return ERR_PTR(-EINTR);
		if (atomic_read(&bridge->pending_moves))
			return ERR_PTR(-EAGAIN);
		ret = READ_ONCE(bridge->error);
		if (ret)
			return ERR_PTR(ret);
	}
}

/* ---- invalidation ---- */

static void bridge_stop_dma(struct ib_umem_peer *peer, bool over)
{
	struct ib_peer_bridge *bridge = peer->bridge;

	atomic64_inc(&peer->stats.invalidations);
	atomic_inc(&bridge->pending_moves);
	wake_up_all(&bridge->changed);
	ib_peer_hold(IB_PEER_HOLD_MOVING);
	dma_resv_lock(&bridge->resv, NULL);
	if (over)
		ib_umem_peer_kill(peer);
	ib_peer_dma_free(bridge_take_mapping(bridge));
	if (bridge->dmabuf)
		dma_buf_invalidate_mappings(bridge->dmabuf);
	/*
	 * A dynamic importer that still has it mapped is deregistering.
	 */
	if (bridge->mapped && bridge->importer_type != IB_PEER_DYNAMIC)
		ibdev_warn_ratelimited(peer->umem.ibdev,
				       "peer memory is revoked, but the device cannot stop using it\n");
	dma_resv_unlock(&bridge->resv);
	atomic_dec(&bridge->pending_moves);
}

static void bridge_unmapped_work(struct work_struct *work)
{
	struct ib_peer_bridge *bridge =
		container_of(work, struct ib_peer_bridge, unmapped_work);

	bridge_stop_dma(bridge->peer, true);
	/* If the region is not claimed yet, no device will get it. */
	if (READ_ONCE(bridge->region))
		ib_peer_region_kill(bridge->region);
}

static bool bridge_mn_invalidate(struct mmu_interval_notifier *notifier,
				 const struct mmu_notifier_range *range,
				 unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);

	mmu_interval_set_seq(notifier, cur_seq);
	if (ib_peer_mn_unmaps(range))
		queue_work(system_dfl_wq, &peer->bridge->unmapped_work);
	return true;
}

static const struct mmu_interval_notifier_ops bridge_mn_ops = {
	.invalidate = bridge_mn_invalidate,
};

/* ---- the dma-buf ---- */

/*
 * The RDMA core imports for drivers that pin. It installs no invalidate_mappings
 * op, or one whose name is all that shows whether they can stop. A driver with
 * its own op is dynamic.
 */
static enum ib_peer_importer_type bridge_importer_type(struct dma_buf_attachment *attach)
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
static int bridge_pin(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge->region;
	int ret;

	if (bridge->importer_type == IB_PEER_NON_REVOCABLE &&
	    !(region->exporter->flags & IB_PEER_PIN_PERMANENT))
		return -EOPNOTSUPP;
	if (bridge->on_demand)
		return -EOPNOTSUPP;
	ret = ib_umem_peer_charge(bridge->peer);
	return ret ?: ib_peer_region_pin(region);
}

static int bridge_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;
	struct ib_peer_region *region;
	int ret = 0;

	if (current != READ_ONCE(bridge->task) || bridge->importer_type != IB_PEER_UNKNOWN ||
	    attach->dev != bridge->region->dma_device)
		return -EPERM;
	if (!attach->importer_ops || !attach->peer2peer)
		return -EOPNOTSUPP;
	region = bridge_get_region(bridge);
	if (!region)
		return -ENODEV;
	bridge->importer_type = bridge_importer_type(attach);
	if (bridge->importer_type != IB_PEER_DYNAMIC ||
	    region->exporter->flags & IB_PEER_PIN_FIRST)
		ret = bridge_pin(bridge);
	/* Resolved now, so that it is ready when the driver maps. */
	if (!ret)
		ret = bridge_resolve_retry(bridge);
	ib_peer_region_put_active(region);
	return ret;
}

/*
 * The region was pinned when it was attached. If the kernel pins what it maps,
 * it calls these also for dynamic importers, which stop at invalidation all the
 * same.
 */
static int bridge_pin_attachment(struct dma_buf_attachment *attach)
{
	const struct ib_peer_bridge *bridge = attach->dmabuf->priv;

	if (!peer_dma_buf_map_pins() && !bridge->region->pinned)
		return -EOPNOTSUPP;
	return 0;
}

static void bridge_unpin_attachment(struct dma_buf_attachment *attach)
{
}

static struct sg_table *bridge_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	struct ib_peer_bridge *bridge = attach->dmabuf->priv;
	struct ib_peer_dma *dma;

	dma_resv_assert_held(&bridge->resv);

	if (READ_ONCE(bridge->peer->revoked))
		return ERR_PTR(-EFAULT);
	dma = bridge_wait_for_mapping(bridge);
	if (IS_ERR(dma))
		return ERR_CAST(dma);
	bridge->mapped++;
	return &dma->table;
}

static void bridge_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *table, enum dma_data_direction dir)
{
	struct ib_peer_bridge *bridge = attach->dmabuf->priv;

	dma_resv_assert_held(&bridge->resv);

	bridge->mapped--;
	ib_peer_dma_free(container_of(table, struct ib_peer_dma, table));
}

/*
 * The exporter gets its range back when the driver detaches, or has refused;
 * not when the last reference to the dma-buf is dropped, which may be after
 * the device has gone.
 */
static void bridge_end(struct ib_peer_bridge *bridge)
{
	ib_umem_peer_release(bridge->peer);
	bridge->peer = NULL;
}

static void bridge_detach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	bridge_end(dmabuf->priv);
}

static void bridge_free(struct ib_peer_bridge *bridge)
{
	if (bridge->peer)
		bridge_end(bridge);
	if (bridge->region)
		ib_peer_region_put(bridge->region);
	dma_resv_fini(&bridge->resv);
	kfree(bridge);
}

static void bridge_release(struct dma_buf *dmabuf)
{
	bridge_free(dmabuf->priv);
}

static const struct dma_buf_ops bridge_ops = {
	.attach = bridge_attach,
	.detach = bridge_detach,
	.pin = bridge_pin_attachment,
	.unpin = bridge_unpin_attachment,
	.map_dma_buf = bridge_map,
	.unmap_dma_buf = bridge_unmap,
	.release = bridge_release,
};

/* ---- creation ---- */

/* Called by ib_umem_peer_release() after removing the mmu notifier. */
static void bridge_cancel_work(struct ib_umem_peer *peer)
{
	struct ib_peer_bridge *bridge = peer->bridge;

	cancel_work_sync(&bridge->unmapped_work);
	cancel_work_sync(&bridge->resolve_work);
	ib_peer_dma_free(bridge_take_mapping(bridge));
}

static bool bridge_is_on_demand(struct ib_umem_peer *peer)
{
	return !READ_ONCE(peer->bridge->region->pinned);
}

static u64 bridge_resident(struct ib_umem_peer *peer)
{
	return READ_ONCE(peer->bridge->mapped) ?
	       peer->bridge->region->length : 0;
}

static const struct ib_umem_peer_dma_ops bridge_dma_ops = {
	.stop = bridge_stop_dma,
	.cancel_work = bridge_cancel_work,
	.is_on_demand = bridge_is_on_demand,
	.resident = bridge_resident,
};

static struct ib_peer_bridge *bridge_alloc(int access)
{
	struct ib_peer_bridge *bridge;

	bridge = kzalloc(sizeof(*bridge), GFP_KERNEL_ACCOUNT);
	if (!bridge)
		return NULL;
	dma_resv_init(&bridge->resv);
	ww_mutex_init(&bridge->resv.lock, &bridge_ww_class);
	bridge->task = current;
	bridge->on_demand = access & IB_ACCESS_ON_DEMAND;
	init_waitqueue_head(&bridge->changed);
	INIT_WORK(&bridge->resolve_work, bridge_resolve_work);
	INIT_WORK(&bridge->unmapped_work, bridge_unmapped_work);
	return bridge;
}

static struct dma_buf *bridge_export(struct ib_peer_bridge *bridge)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &bridge_ops,
		.size = bridge->region->length,
		.flags = O_RDWR,
		.resv = &bridge->resv,
		.priv = bridge,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	if (!IS_ERR(dmabuf))
		bridge->dmabuf = dmabuf;
	return dmabuf;
}

struct dma_buf *ib_peer_bridge_create(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access)
{
	struct ib_umem_peer_dma dma = {
		.bridge = bridge_alloc(access),
		.ops = &bridge_dma_ops,
		.mn_ops = &bridge_mn_ops,
		.device = ibdev->dma_device,
	};
	struct ib_peer_bridge *bridge = dma.bridge;
	struct dma_buf *dmabuf;
	int ret;

	if (!bridge)
		return ERR_PTR(-ENOMEM);
	ret = ib_umem_peer_get_dma(ibdev, addr, size, access, &dma,
				   &bridge->peer, &bridge->region);
	if (ret) {
		dmabuf = ERR_PTR(ret);
	} else {
		dmabuf = bridge_export(bridge);
		if (!IS_ERR(dmabuf))
			return dmabuf;
	}
	bridge_free(bridge);
	return dmabuf;
}

enum ib_peer_importer_type ib_peer_bridge_finish(struct dma_buf *dmabuf)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;

	/* The address may be reused for another task. */
	WRITE_ONCE(bridge->task, NULL);
	if (list_empty(&dmabuf->attachments) && bridge->peer)
		bridge_end(bridge);
	return bridge->importer_type;
}
