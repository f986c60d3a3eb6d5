// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * struct ib_umem_peer: what an importer registers. Pinned: one region, claimed
 * and pinned at registration, and a page table that is full from the start. On
 * demand: an empty page table over any part of an address space, and a region
 * for each device mapping in it, claimed at the first access.
 *
 * Of a dma-buf: as on demand, but it is a range of the buffer's own offsets, with
 * one region, claimed at registration, and no address space has a say. Of a
 * dma-buf that stands for a range of a process (export.c): on demand in the
 * address space of that, and over when that unmaps any of it.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/hash.h>
#include <linux/jiffies.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "bridge.h"
#include "ib_peer.h"
#include "page_table.h"
#include "readers.h"

unsigned long ib_umem_peer_first(const struct ib_umem_peer *peer)
{
	return peer->umem.address & PAGE_MASK;
}

unsigned long ib_umem_peer_last(const struct ib_umem_peer *peer)
{
	return (peer->umem.address + peer->umem.length - 1) | ~PAGE_MASK;
}

static int umem_check(unsigned long addr, size_t size, int access)
{
	unsigned long end;

	/* All of the address space, by what size_t can say. */
	if (access & IB_ACCESS_ON_DEMAND && !addr && size == SIZE_MAX)
		return 0;
	if (!size || check_add_overflow(addr, size, &end) ||
	    PAGE_ALIGN(end) < end)
		return -EINVAL;
	/* Device memory forgets. */
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	return 0;
}

static struct ib_umem_peer *umem_alloc(struct ib_device *ibdev,
				       struct mm_struct *mm,
				       unsigned long addr, size_t size,
				       int access)
{
	struct ib_umem_peer *peer;

	peer = kzalloc(sizeof(*peer), GFP_KERNEL_ACCOUNT);
	if (!peer)
		return NULL;
	peer->umem.ibdev = ibdev;
	peer->umem.address = addr;
	peer->umem.iova = addr;
	peer->umem.length = size;
	peer->umem.writable = ib_access_writable(access);
	peer->writable = peer->umem.writable;
	peer->may_write = peer->umem.writable || access & IB_ACCESS_ON_DEMAND;
	peer->umem.owning_mm = mm;
	mmgrab(mm);
	peer->registrant = current->mm;
	mmgrab(current->mm);
	peer->on_demand = access & IB_ACCESS_ON_DEMAND;
	peer->base = ALIGN_DOWN(addr >> PAGE_SHIFT, PEER_HUGE_PAGES);
	peer->regions = RB_ROOT_CACHED;
	refcount_set(&peer->regions_left, 1);
	init_completion(&peer->no_regions);
	spin_lock_init(&peer->work_lock);
	INIT_LIST_HEAD(&peer->works);
	xa_init_flags(&peer->pages, XA_FLAGS_ACCOUNT);
	/* Umems whose accesses take turns use different hints. */
	peer->first_hint = hash_ptr(peer, ilog2(PEER_HINTS));
	init_waitqueue_head(&peer->waiters);
	return peer;
}

static void umem_free(struct ib_umem_peer *peer)
{
	ib_umem_peer_put_queue(peer);
	xa_destroy(&peer->pages);
	mmdrop(peer->umem.owning_mm);
	mmdrop(peer->registrant);
	if (peer->dmabuf)
		dma_buf_put(peer->dmabuf);
	ib_peer_export_put(peer->export);
	kfree(peer);
}

/* Pinned memory counts against RLIMIT_MEMLOCK, as that of ib_umem_get(). */
int ib_umem_peer_charge(struct ib_umem_peer *peer)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long pages = ib_umem_num_pages(&peer->umem);
	atomic64_t *pinned = &peer->umem.owning_mm->pinned_vm;

	if (atomic64_add_return(pages, pinned) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, pinned);
		return -ENOMEM;
	}
	peer->charged = true;
	return 0;
}

static void umem_uncharge(struct ib_umem_peer *peer)
{
	if (!peer->charged)
		return;
	atomic64_sub(ib_umem_num_pages(&peer->umem),
		     &peer->umem.owning_mm->pinned_vm);
}

/*
 * The region becomes the umem's; of pinned memory the page table is full. Return:
 * 0, -EFAULT over already, -EAGAIN it is not full any more.
 * @seq: of the mmu notifier, before the first question
 */
static int umem_adopt(struct ib_umem_peer *peer, struct ib_peer_region *region,
		      unsigned long seq)
{
	bool follows = !peer->on_demand &&
		       region->client->flags & IB_PEER_FOLLOWS;
	int ret = 0;

	xa_lock(&peer->pages);
	/* Who killed the umem meanwhile did not find the region. */
	if (region->dead || READ_ONCE(peer->revoked))
		ret = -EFAULT;
	else if (follows && mmu_interval_read_retry(&peer->notifier, seq))
		ret = -EAGAIN;
	if (!ret) {
		peer->follows = follows;
		ib_umem_peer_insert(region);
	} else {
		ib_umem_peer_erase(peer, 0, ULONG_MAX);
	}
	ib_umem_peer_unlock_and_wait(peer);
	return ret;
}

static int umem_fill(struct ib_umem_peer *peer, struct ib_peer_region *region)
{
	unsigned long until = ib_umem_peer_deadline();
	unsigned long seq;
	int ret;

	ret = ib_peer_region_pin(region);
	if (ret)
		return ret;
	do {
		seq = mmu_interval_read_begin(&peer->notifier);
		ret = ib_umem_peer_populate(region, until);
		ib_peer_hold(IB_PEER_HOLD_FILLED);
		if (!ret)
			ret = umem_adopt(peer, region, seq);
	} while (ret == -EAGAIN && time_before(jiffies, until));
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

/*
 * The one region of all of it: from the exporter's claim, of pinned memory to a
 * full page table. @claimed: gets it, with a reference; may be NULL.
 */
static int umem_claim(struct ib_umem_peer *peer,
		      struct ib_peer_region **claimed)
{
	struct ib_peer_region *region;
	int ret;

	region = ib_peer_region_claim(peer, ib_umem_peer_first(peer),
				      ib_umem_peer_last(peer) + 1,
				      peer->may_write);
	if (IS_ERR(region))
		return PTR_ERR(region);
	ret = peer->on_demand || peer->bridge ? umem_adopt(peer, region, 0) :
						umem_fill(peer, region);
	if (ret) {
		ib_peer_region_discard(region);
		return ret;
	}
	if (claimed) {
		kref_get(&region->kref);
		WRITE_ONCE(*claimed, region);
	}
	ib_peer_region_unuse(region);
	return 0;
}

/* The owner of the address space is alive. */
static int umem_watch(struct ib_umem_peer *peer, unsigned long first,
		      unsigned long length,
		      const struct mmu_interval_notifier_ops *ops)
{
	return ib_peer_watch(&peer->notifier, peer->umem.owning_mm, first,
			     length, ops);
}

/* In another driver's dma-buf no address space has a say. */
static void umem_unwatch(struct ib_umem_peer *peer)
{
	if (!peer->dmabuf)
		mmu_interval_notifier_remove(&peer->notifier);
}

static int umem_watch_range(struct ib_umem_peer *peer)
{
	unsigned long first = ib_umem_peer_first(peer);
	unsigned long length = ib_umem_peer_last(peer) - first + 1;

	return umem_watch(peer, first, length ?: ULONG_MAX,
			  peer->on_demand ? &ib_umem_peer_mn_on_demand :
					    &ib_umem_peer_mn_pinned);
}

struct ib_umem_peer *ib_umem_peer_get(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access)
{
	struct ib_umem_peer *peer;
	int ret;

	ret = umem_check(addr, size, access);
	if (ret)
		return ERR_PTR(ret);
	peer = umem_alloc(ibdev, current->mm, addr, size, access);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	ret = peer->on_demand ? ib_umem_peer_get_queue(peer) :
				ib_umem_peer_charge(peer);
	if (ret)
		goto err_free;
	ret = umem_watch_range(peer);
	if (ret)
		goto err_uncharge;
	if (!peer->on_demand) {
		ret = umem_claim(peer, NULL);
		if (ret)
			goto err_notifier;
	}
	ret = ib_umem_peer_enroll(peer);
	if (ret)
		goto err_notifier;
	return peer;

err_notifier:
	mmu_interval_notifier_remove(&peer->notifier);
	ib_umem_peer_end_regions(peer);
err_uncharge:
	umem_uncharge(peer);
err_free:
	umem_free(peer);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_get);

static int umem_check_dmabuf(const struct dma_buf *dmabuf, u64 offset,
			     size_t size, int access)
{
	u64 end;

	if (access & (IB_ACCESS_ON_DEMAND | IB_ACCESS_FLUSH_PERSISTENT))
		return -EINVAL;
	if (!size || check_add_overflow(offset, size, &end) ||
	    end > dmabuf->size)
		return -EINVAL;
	if (ib_access_writable(access) && !(dmabuf->file->f_mode & FMODE_WRITE))
		return -EACCES;
	return 0;
}

static struct ib_umem_peer *umem_alloc_dmabuf(struct ib_device *ibdev,
					      struct dma_buf *dmabuf,
					      u64 offset, size_t size,
					      int access)
{
	struct ib_peer_export *export = ib_peer_export_get(dmabuf);
	struct ib_umem_peer *peer;

	if (export)
		peer = umem_alloc(ibdev, export->mm, export->start + offset,
				  size, access);
	else
		peer = umem_alloc(ibdev, current->mm, offset, size, access);
	if (!peer) {
		ib_peer_export_put(export);
		return NULL;
	}
	peer->export = export;
	if (!export) {
		get_dma_buf(dmabuf);
		peer->dmabuf = dmabuf;
	}
	peer->on_demand = true;
	peer->may_write = dmabuf->file->f_mode & FMODE_WRITE;
	return peer;
}

/* What was shared ends as a whole, so all of it is watched. */
static int umem_watch_export(struct ib_umem_peer *peer)
{
	struct ib_peer_export *export = peer->export;
	int ret;

	ret = umem_watch(peer, export->start, export->length,
			 &ib_umem_peer_mn_export);
	if (ret)
		return ret;
	ret = ib_peer_export_try(export, peer->umem.ibdev,
				 peer->umem.address - export->start,
				 peer->umem.length, peer->writable);
	if (ret)
		mmu_interval_notifier_remove(&peer->notifier);
	return ret;
}

/* Claims nothing: each device mapping in it is claimed at its first access. */
static int umem_open_export(struct ib_umem_peer *peer)
{
	struct mm_struct *mm = peer->export->mm;
	int ret;

	if (!mmget_not_zero(mm))
		return -ENODEV;
	ret = umem_watch_export(peer);
	mmput_async(mm);
	return ret;
}

static struct ib_umem_peer *umem_get_dmabuf(struct ib_device *ibdev,
					    struct dma_buf *dmabuf, u64 offset,
					    size_t size, int access)
{
	struct ib_umem_peer *peer;
	int ret;

	ret = umem_check_dmabuf(dmabuf, offset, size, access);
	if (ret)
		return ERR_PTR(ret);
	peer = umem_alloc_dmabuf(ibdev, dmabuf, offset, size, access);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	ret = ib_umem_peer_get_queue(peer);
	if (!ret)
		ret = peer->export ? umem_open_export(peer) :
				     umem_claim(peer, NULL);
	if (ret)
		goto err_free;
	ret = ib_umem_peer_enroll(peer);
	if (ret)
		goto err_unwatch;
	return peer;

err_unwatch:
	umem_unwatch(peer);
err_free:
	ib_umem_peer_end_regions(peer);
	umem_free(peer);
	return ERR_PTR(ret);
}

/* The descriptor first: with a bad one programs find out whether we exist. */
struct ib_umem_peer *ib_umem_peer_get_dmabuf(struct ib_device *ibdev, int fd,
					     u64 offset, size_t size,
					     int access)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct ib_umem_peer *peer;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	peer = umem_get_dmabuf(ibdev, dmabuf, offset, size, access);
	dma_buf_put(dmabuf);
	return peer;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_get_dmabuf);

void ib_umem_peer_stop(struct ib_umem_peer *peer)
{
	if (!peer)
		return;
	ib_umem_peer_kill(peer);
	ib_umem_peer_kill_faults(peer);
	ib_umem_peer_drain_faults(peer);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_stop);

void ib_umem_peer_release(struct ib_umem_peer *peer)
{
	if (!peer)
		return;
	ib_umem_peer_stop(peer);
	ib_umem_peer_strike(peer);
	umem_unwatch(peer);
	if (peer->bridge)
		ib_peer_bridge_quiesce(peer);
	ib_umem_peer_end_regions(peer);
	umem_uncharge(peer);
	umem_free(peer);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_release);

/*
 * What a DMA importer will reach by a dma-buf (bridge.c): one region, claimed, and
 * pinned later, if at all. *@peer and *@region, with a reference, are set, the
 * first before anything can happen to it; both are NULL on failure. Return: as
 * ib_umem_peer_get().
 */
int ib_umem_peer_get_bridged(struct ib_device *ibdev, unsigned long addr,
			     size_t size, int access,
			     struct ib_peer_bridge *bridge,
			     struct ib_umem_peer **peer,
			     struct ib_peer_region **region)
{
	unsigned long first;
	int ret;

	access &= ~IB_ACCESS_ON_DEMAND;
	ret = umem_check(addr, size, access);
	if (ret)
		return ret;
	*peer = umem_alloc(ibdev, current->mm, addr, size, access);
	if (!*peer)
		return -ENOMEM;
	(*peer)->bridge = bridge;
	(*peer)->dma_device = ibdev->dma_device;
	first = ib_umem_peer_first(*peer);
	ret = umem_watch(*peer, first, ib_umem_peer_last(*peer) - first + 1,
			 &ib_umem_peer_mn_bridge);
	if (ret) {
		umem_free(*peer);
		*peer = NULL;
		return ret;
	}
	ib_peer_hold(IB_PEER_HOLD_WATCHED);
	ret = umem_claim(*peer, region);
	if (!ret)
		ret = ib_umem_peer_enroll(*peer);
	if (ret) {
		ib_umem_peer_release(*peer);
		*peer = NULL;
	}
	return ret;
}

/* Of a dma-buf nobody asks for it: there is no other way. */
static bool umem_asked_on_demand(const struct ib_umem_peer *peer)
{
	return peer->on_demand && !peer->dmabuf && !peer->export;
}

int ib_umem_peer_rereg(struct ib_umem_peer *peer, int access)
{
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	if (umem_asked_on_demand(peer) != !!(access & IB_ACCESS_ON_DEMAND))
		return -EOPNOTSUPP;
	if (!ib_access_writable(access) || READ_ONCE(peer->writable))
		return 0;
	if (!peer->may_write)
		return -EACCES;
	/* Regions claimed for reading go at the next fault. */
	WRITE_ONCE(peer->writable, true);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_rereg);

/*
 * A registration for asking only: of regions claimed for it nothing is told, and
 * nothing counted. @name: gets the name of the client that answered, up to
 * IB_PEER_MEMORY_NAME_MAX. NULL: out of memory.
 */
struct ib_umem_peer *ib_umem_peer_begin_trial(struct ib_device *ibdev,
					      struct mm_struct *mm,
					      unsigned long addr, size_t size,
					      int access, char *name)
{
	struct ib_umem_peer *peer = umem_alloc(ibdev, mm, addr, size, access);
	enum ib_peer_flavour flavour;

	if (!peer)
		return NULL;
	peer->trial = name;
	if (ibdev && ib_peer_hook_serves(ibdev, &flavour)) {
		peer->dma_device = ibdev->dma_device;
		peer->stubborn = flavour == IB_PEER_STUBBORN;
	}
	return peer;
}

/*
 * Claims a range and gives it back. Return: as ib_peer_region_claim();
 * -EOPNOTSUPP pinning would be next, and the client does not.
 */
int ib_umem_peer_try(struct ib_umem_peer *peer, unsigned long start,
		     unsigned long end, bool writable)
{
	struct ib_peer_region *region;
	int ret = 0;

	*peer->trial = '\0';
	region = ib_peer_region_claim(peer, start, end, writable);
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (!peer->on_demand && !region->client->ops->pin)
		ret = -EOPNOTSUPP;
	if (peer->stubborn && !(region->client->flags & IB_PEER_KEEPS))
		ret = -EOPNOTSUPP;
	ib_peer_region_discard(region);
	return ret;
}

void ib_umem_peer_end_trial(struct ib_umem_peer *peer)
{
	ib_umem_peer_end_regions(peer);
	umem_free(peer);
}
