// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The bridge to devices that do DMA: a dma-buf over a region, which the driver of
 * any RDMA device imports by what it has for that (reg_user_mr_dmabuf).
 *
 * A dma-buf's importers hold its reservation lock while they map it, and while
 * they are told that it moves. The exporter of the region holds its own lock when
 * it tells us that it moves, and takes it when it is asked where the region is.
 * So whoever maps must not ask the exporter, nor wait for somebody who does:
 *
 *   exporter's lock -> resv of the bridge -> xa_lock of the umem
 *
 * A worker asks. Who maps takes its answer, and waits for it only as long as
 * nobody wants to tell of a move (->movers); else it gets -EAGAIN, and the access
 * comes again. The resv is a class of its own for lockdep: a move has two of them.
 *
 * What a device has mapped keeps the region in use, so that its exporter gets it
 * back (unpin(), release()) when the device has let go of it, and not before.
 * Drivers do so when told of a move, but for those that pin and cannot stop:
 * enum ib_peer_flavour.
 *
 * When the process unmaps the range the registration is over. The mmu notifier
 * cannot take the lock, so a work item ends it: what the device reaches until
 * then is the memory that was registered, which the region refers to.
 */
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/kallsyms.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <rdma/ib_verbs.h>

#include "bridge.h"
#include "dma.h"
#include "trace.h"

/*
 * struct ib_peer_bridge - a registration by way of a dma-buf
 * @peer:    the registration; its xa_lock guards @answer, @asking, @error
 * @region:  holds a reference
 * @resv:    of the dma-buf
 * @task:    who registers, as long as it does: nobody else attaches
 * @on_demand: asked for, so nothing may be pinned
 * @flavour: of the device's driver
 * @answer:  where the region is, not mapped by the device yet; or NULL
 * @asking:  the worker is on its way for one
 * @error:   instead of which it came with this
 * @changed: one of these, or @movers
 * @movers:  those who wait for @resv to tell of a move
 * @mapped:  how often the device has it mapped; under @resv
 */
struct ib_peer_bridge {
	struct ib_umem_peer *peer;
	struct ib_peer_region *region;
	struct dma_buf *dmabuf;
	struct dma_resv resv;
	struct task_struct *task;
	bool on_demand;
	enum ib_peer_flavour flavour;
	struct ib_peer_dma *answer;
	bool asking;
	int error;
	wait_queue_head_t changed;
	atomic_t movers;
	unsigned int mapped;
	struct work_struct ask_work;
	struct work_struct over_work;
};

static DEFINE_WD_CLASS(bridge_ww_class);

/* ---- asking ---- */

/* Return: a place in the exporter's side of the region, to be given back. */
static struct ib_peer_region *bridge_use_region(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge->region;

	xa_lock(&bridge->peer->pages);
	if (region->dead || READ_ONCE(bridge->peer->revoked))
		region = NULL;
	else
		ib_peer_region_use(region);
	xa_unlock(&bridge->peer->pages);
	return region;
}

/* Return: 0 the answer is there; -EAGAIN it was old when it came; -EFAULT over. */
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
		old = bridge->answer;
		bridge->answer = dma;
	}
	xa_unlock(&bridge->peer->pages);
	ib_peer_hold(IB_PEER_HOLD_OFFERED);
	ib_peer_dma_free(ret ? dma : old);
	return ret;
}

/* No lock is held. Return: as ib_peer_dma_ask() and bridge_publish(). */
static int bridge_ask(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge_use_region(bridge);
	struct ib_peer_dma *dma;
	unsigned long seq;
	int ret;

	if (!region)
		return -EFAULT;
	atomic64_inc(&bridge->peer->stats.faults);
	dma = ib_peer_dma_ask(region, &seq);
	if (IS_ERR(dma))
		ret = PTR_ERR(dma);
	else
		ret = bridge_publish(bridge, dma, seq);
	ib_peer_region_unuse(region);
	return ret;
}

static int bridge_ask_until(struct ib_peer_bridge *bridge)
{
	unsigned long until = ib_umem_peer_deadline();
	int ret;

	do {
		ret = bridge_ask(bridge);
		cond_resched();
	} while (ret == -EAGAIN && time_before(jiffies, until));
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

static void bridge_ask_work(struct work_struct *work)
{
	struct ib_peer_bridge *bridge =
		container_of(work, struct ib_peer_bridge, ask_work);
	int ret = bridge_ask_until(bridge);

	xa_lock(&bridge->peer->pages);
	bridge->error = ret;
	bridge->asking = false;
	xa_unlock(&bridge->peer->pages);
	wake_up_all(&bridge->changed);
}

static struct ib_peer_dma *bridge_take_answer(struct ib_peer_bridge *bridge)
{
	struct ib_peer_dma *dma;

	xa_lock(&bridge->peer->pages);
	dma = bridge->answer;
	bridge->answer = NULL;
	xa_unlock(&bridge->peer->pages);
	return dma;
}

static void bridge_send_worker(struct ib_peer_bridge *bridge)
{
	bool send;

	xa_lock(&bridge->peer->pages);
	send = !bridge->asking && !bridge->answer;
	if (send) {
		bridge->asking = true;
		bridge->error = 0;
	}
	xa_unlock(&bridge->peer->pages);
	if (send)
		queue_work(system_unbound_wq, &bridge->ask_work);
}

/* With resv held. Return: the answer, or ERR_PTR. */
static struct ib_peer_dma *bridge_await_answer(struct ib_peer_bridge *bridge)
{
	struct ib_peer_dma *dma;
	int ret;

	for (;;) {
		dma = bridge_take_answer(bridge);
		if (dma)
			return dma;
		bridge_send_worker(bridge);
		ret = wait_event_killable(bridge->changed,
					  !READ_ONCE(bridge->asking) ||
					  atomic_read(&bridge->movers));
		if (ret)
			return ERR_PTR(-EINTR);
		if (atomic_read(&bridge->movers))
			return ERR_PTR(-EAGAIN);
		ret = READ_ONCE(bridge->error);
		if (ret)
			return ERR_PTR(ret);
	}
}

/* ---- the end, and moves ---- */

void ib_peer_bridge_stop(struct ib_umem_peer *peer, bool over)
{
	struct ib_peer_bridge *bridge = peer->bridge;

	atomic64_inc(&peer->stats.invalidations);
	atomic_inc(&bridge->movers);
	wake_up_all(&bridge->changed);
	ib_peer_hold(IB_PEER_HOLD_MOVING);
	dma_resv_lock(&bridge->resv, NULL);
	if (over)
		ib_umem_peer_kill(peer);
	ib_peer_dma_free(bridge_take_answer(bridge));
	if (bridge->dmabuf)
		dma_buf_move_notify(bridge->dmabuf);
	/* One that follows and has it mapped now has stopped: it deregisters. */
	if (bridge->mapped && bridge->flavour != IB_PEER_DYNAMIC)
		ibdev_warn_ratelimited(peer->umem.ibdev,
				       "peer memory is taken away from a device that does not stop using it\n");
	dma_resv_unlock(&bridge->resv);
	atomic_dec(&bridge->movers);
}

static void bridge_over_work(struct work_struct *work)
{
	struct ib_peer_bridge *bridge =
		container_of(work, struct ib_peer_bridge, over_work);

	ib_peer_bridge_stop(bridge->peer, true);
	/* Not claimed yet: then nobody will get it any more. */
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
		queue_work(system_unbound_wq, &peer->bridge->over_work);
	return true;
}

const struct mmu_interval_notifier_ops ib_umem_peer_mn_bridge = {
	.invalidate = bridge_mn_invalidate,
};

/* ---- the dma-buf ---- */

/*
 * What the RDMA core gives drivers that pin; it is nowhere else to be seen whether
 * they can stop. Who has an answer of its own to moves is dynamic.
 */
static enum ib_peer_flavour bridge_ask_flavour(struct dma_buf_attachment *attach)
{
	char name[KSYM_SYMBOL_LEN];

	/* Newer kernels let an importer have none. */
	if (!attach->importer_ops->move_notify)
		return IB_PEER_STUBBORN;
	sprint_symbol_no_offset(name,
				(unsigned long)attach->importer_ops->move_notify);
	if (!strncmp(name, "ib_umem_dmabuf_unsupported_move_notify", 38))
		return IB_PEER_STUBBORN;
	if (!strncmp(name, "ib_umem_dmabuf_revoke_locked", 28))
		return IB_PEER_REVOCABLE;
	return IB_PEER_DYNAMIC;
}

/* Who pins counts against RLIMIT_MEMLOCK, and lasts until deregistration. */
static int bridge_pin(struct ib_peer_bridge *bridge)
{
	struct ib_peer_region *region = bridge->region;
	int ret;

	if (bridge->flavour == IB_PEER_STUBBORN &&
	    !(region->client->flags & IB_PEER_KEEPS))
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

	if (current != READ_ONCE(bridge->task) || bridge->flavour != IB_PEER_UNKNOWN ||
	    attach->dev != bridge->region->dma_device)
		return -EPERM;
	if (!attach->importer_ops || !attach->peer2peer)
		return -EOPNOTSUPP;
	region = bridge_use_region(bridge);
	if (!region)
		return -ENODEV;
	bridge->flavour = bridge_ask_flavour(attach);
	if (bridge->flavour != IB_PEER_DYNAMIC ||
	    region->client->flags & IB_PEER_PINS)
		ret = bridge_pin(bridge);
	/* Ahead of the driver, which finds it there when it maps. */
	if (!ret)
		ret = bridge_ask_until(bridge);
	ib_peer_region_unuse(region);
	return ret;
}

/*
 * Pinned was it when it was attached. Where the kernel lacks
 * CONFIG_DMABUF_MOVE_NOTIFY it calls these for dynamic importers as well, which
 * are told of moves all the same.
 */
static int bridge_pin_attachment(struct dma_buf_attachment *attach)
{
	const struct ib_peer_bridge *bridge = attach->dmabuf->priv;

	if (IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY) && !bridge->region->pinned)
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
	dma = bridge_await_answer(bridge);
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
 * When the driver has let go, or has refused, the exporter has its range back: not
 * when the last reference to the dma-buf goes, which may be after the device has.
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

/* ---- making one ---- */

/* Called by ib_umem_peer_release(), when the mmu notifier is quiet. */
void ib_peer_bridge_quiesce(struct ib_umem_peer *peer)
{
	struct ib_peer_bridge *bridge = peer->bridge;

	cancel_work_sync(&bridge->over_work);
	cancel_work_sync(&bridge->ask_work);
	ib_peer_dma_free(bridge_take_answer(bridge));
}

bool ib_peer_bridge_is_on_demand(struct ib_umem_peer *peer)
{
	return !READ_ONCE(peer->bridge->region->pinned);
}

u64 ib_peer_bridge_resident(struct ib_umem_peer *peer)
{
	return READ_ONCE(peer->bridge->mapped) ?
	       peer->bridge->region->length : 0;
}

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
	INIT_WORK(&bridge->ask_work, bridge_ask_work);
	INIT_WORK(&bridge->over_work, bridge_over_work);
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
	struct ib_peer_bridge *bridge = bridge_alloc(access);
	struct dma_buf *dmabuf;
	int ret;

	if (!bridge)
		return ERR_PTR(-ENOMEM);
	ret = ib_umem_peer_get_bridged(ibdev, addr, size, access, bridge,
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

enum ib_peer_flavour ib_peer_bridge_seal(struct dma_buf *dmabuf)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;

	/* Another task may have its address one day. */
	WRITE_ONCE(bridge->task, NULL);
	if (list_empty(&dmabuf->attachments) && bridge->peer)
		bridge_end(bridge);
	return bridge->flavour;
}
