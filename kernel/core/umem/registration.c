// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration and release of struct ib_umem_peer. The kinds of umem:
 *
 *   pinned     one region, claimed and pinned at registration; the page table
 *              is full from the start
 *   on demand  any part of an address space; an empty page table; each device
 *              mapping is claimed at its first access
 *   dma-buf    as on demand, but a range of offsets in another driver's dma-buf:
 *              one region, claimed at registration, in no address space
 *   export     a range that a process has exported as a dma-buf (export.c):
 *              on demand in that address space; revoked when any part of it
 *              is unmapped
 *   DMA        one region, claimed at registration, for a DMA importer; its
 *              attachment has the pages. A range, a dma-buf or an export
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

#include "hold_point.h"
#include "umem/export.h"
#include "umem/fault.h"
#include "umem/fault_list.h"
#include "umem/fault_queue.h"
#include "umem/mr_registry.h"
#include "umem/notifier_insert.h"
#include "umem/page_table.h"
#include "umem/probe.h"
#include "umem/readers.h"
#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/registration.h"
#include "umem/revoke.h"
#include "umem/umem.h"
#include "umem/umem_alloc.h"
#include "umem/umem_notifier.h"

/*
 * Inserts the region into the tree of the umem. The page table of a pinned
 * umem is full. Return: 0; -EFAULT revoked already; -EAGAIN pages have left
 * since.
 * @seq: of the mmu notifier, before resolving
 */
static int umem_attach_region(struct ib_umem_peer *peer, struct ib_peer_region *region,
			      unsigned long seq)
{
	bool mmu_tracked = !peer->on_demand &&
		       region->exporter->flags & IB_PEER_MMU_TRACKED;
	int ret = 0;

	xa_lock(&peer->pages);
	/* Whoever revoked the umem meanwhile has not found the region. */
	if (region->dead || READ_ONCE(peer->revoked))
		ret = -EFAULT;
	else if (mmu_tracked && mmu_interval_read_retry(&peer->notifier, seq))
		ret = -EAGAIN;
	if (!ret) {
		peer->mmu_tracked = mmu_tracked;
		ib_umem_peer_insert_region(region);
	} else {
		ib_umem_peer_erase(peer, 0, ULONG_MAX);
	}
	ib_umem_peer_unlock_and_wait(peer);
	return ret;
}

static int umem_pin_and_populate(struct ib_umem_peer *peer, struct ib_peer_region *region)
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
			ret = umem_attach_region(peer, region, seq);
	} while (ret == -EAGAIN && time_before(jiffies, until));
	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

/*
 * Claims the region that backs the whole umem. For a pinned umem, also pins
 * it and fills the page table. @claimed: receives the region, with a
 * reference; may be NULL.
 */
static int umem_claim_region(struct ib_umem_peer *peer,
			     struct ib_peer_region **claimed)
{
	struct ib_peer_region *region;
	int ret;

	region = ib_peer_region_claim(peer, ib_umem_peer_first(peer),
				      ib_umem_peer_last(peer) + 1,
				      peer->may_write);
	if (IS_ERR(region))
		return PTR_ERR(region);
	ret = peer->on_demand || peer->attachment ? umem_attach_region(peer, region, 0) :
						umem_pin_and_populate(peer, region);
	if (ret) {
		ib_peer_region_discard(region);
		return ret;
	}
	if (claimed) {
		kref_get(&region->kref);
		WRITE_ONCE(*claimed, region);
	}
	ib_peer_region_put_active(region);
	return 0;
}

/* The address space is alive. */
static int umem_insert_notifier(struct ib_umem_peer *peer, unsigned long first,
				unsigned long length,
		      const struct mmu_interval_notifier_ops *ops)
{
	return ib_peer_insert_notifier(&peer->notifier, peer->umem.owning_mm, first,
			     length, ops);
}

/* Another driver's dma-buf is in no address space. */
static void umem_remove_notifier(struct ib_umem_peer *peer)
{
	if (!peer->dmabuf)
		mmu_interval_notifier_remove(&peer->notifier);
}

static int umem_insert_range_notifier(struct ib_umem_peer *peer)
{
	unsigned long first = ib_umem_peer_first(peer);
	unsigned long length = ib_umem_peer_last(peer) - first + 1;

	return umem_insert_notifier(peer, first, length ?: ULONG_MAX,
			  peer->on_demand ? &ib_umem_peer_mn_on_demand :
					    &ib_umem_peer_mn_pinned);
}

struct ib_umem_peer *ib_umem_peer_get(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access)
{
	struct ib_umem_peer *peer;
	int ret;

	ret = ib_umem_peer_check(addr, size, access);
	if (ret)
		return ERR_PTR(ret);
	peer = ib_umem_peer_alloc(ibdev, current->mm, addr, size, access);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	ret = peer->on_demand ? ib_umem_peer_get_queue(peer) :
				ib_umem_peer_charge(peer);
	if (ret)
		goto err_free;
	ret = umem_insert_range_notifier(peer);
	if (ret)
		goto err_uncharge;
	if (!peer->on_demand) {
		ret = umem_claim_region(peer, NULL);
		if (ret)
			goto err_notifier;
	}
	ret = ib_umem_peer_registry_add(peer);
	if (ret)
		goto err_notifier;
	return peer;

err_notifier:
	mmu_interval_notifier_remove(&peer->notifier);
	ib_umem_peer_release_regions(peer);
err_uncharge:
	ib_umem_peer_uncharge(peer);
err_free:
	ib_umem_peer_free(peer);
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
		peer = ib_umem_peer_alloc(ibdev, export->mm, export->start + offset,
					  size, access);
	else
		peer = ib_umem_peer_alloc(ibdev, current->mm, offset, size, access);
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

/* An exported range is revoked as a whole, so the notifier covers all of it. */
static int umem_insert_export_notifier(struct ib_umem_peer *peer)
{
	struct ib_peer_export *export = peer->export;
	int ret;

	ret = umem_insert_notifier(peer, export->start, export->length,
				   &ib_umem_peer_mn_export);
	if (ret)
		return ret;
	ret = ib_peer_probe_export(export, peer->umem.ibdev,
				   peer->umem.address - export->start,
				 peer->umem.length, peer->writable);
	if (ret)
		mmu_interval_notifier_remove(&peer->notifier);
	return ret;
}

/* Claims nothing: each device mapping is claimed at its first access. */
static int umem_get_export(struct ib_umem_peer *peer)
{
	struct mm_struct *mm = peer->export->mm;
	int ret;

	if (!mmget_not_zero(mm))
		return -ENODEV;
	ret = umem_insert_export_notifier(peer);
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
		ret = peer->export ? umem_get_export(peer) :
				     umem_claim_region(peer, NULL);
	if (ret)
		goto err_free;
	ret = ib_umem_peer_registry_add(peer);
	if (ret)
		goto err_notifier;
	return peer;

err_notifier:
	umem_remove_notifier(peer);
err_free:
	ib_umem_peer_release_regions(peer);
	ib_umem_peer_free(peer);
	return ERR_PTR(ret);
}

/* Checks the descriptor first: programs probe for this call with a bad one. */
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
	ib_umem_peer_registry_remove(peer);
	umem_remove_notifier(peer);
	if (peer->attachment)
		peer->dma_ops->cancel_work(peer);
	ib_umem_peer_release_regions(peer);
	ib_umem_peer_uncharge(peer);
	ib_umem_peer_free(peer);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_release);

static void umem_set_dma(struct ib_umem_peer *peer,
			 const struct ib_umem_peer_dma *dma)
{
	peer->on_demand = false;
	peer->attachment = dma->attachment;
	peer->dma_ops = dma->ops;
	peer->dma_device = dma->device;
}

/*
 * ib_umem_peer_get_dma() - register a range for a DMA importer
 * @dma:    the attachment
 * @peer:   receives the umem, before anything can revoke it; NULL on failure
 * @region: receives its region, with a reference; NULL on failure
 *
 * The region is claimed, and pinned later by the attachment, if at all. Return:
 * as ib_umem_peer_get(), but 0 or -errno.
 */
int ib_umem_peer_get_dma(struct ib_device *ibdev, unsigned long addr,
			 size_t size, int access,
			     const struct ib_umem_peer_dma *dma,
			     struct ib_umem_peer **peer,
			     struct ib_peer_region **region)
{
	unsigned long first;
	int ret;

	access &= ~IB_ACCESS_ON_DEMAND;
	ret = ib_umem_peer_check(addr, size, access);
	if (ret)
		return ret;
	*peer = ib_umem_peer_alloc(ibdev, current->mm, addr, size, access);
	if (!*peer)
		return -ENOMEM;
	umem_set_dma(*peer, dma);
	first = ib_umem_peer_first(*peer);
	ret = umem_insert_notifier(*peer, first, ib_umem_peer_last(*peer) - first + 1,
				   dma->mn_ops);
	if (ret) {
		ib_umem_peer_free(*peer);
		*peer = NULL;
		return ret;
	}
	ib_peer_hold(IB_PEER_HOLD_WATCHED);
	ret = umem_claim_region(*peer, region);
	if (!ret)
		ret = ib_umem_peer_registry_add(*peer);
	if (ret) {
		ib_umem_peer_release(*peer);
		*peer = NULL;
	}
	return ret;
}

/* Claims a range whose notifier is in place. Its process is alive. */
static int umem_claim_export(struct ib_umem_peer *peer,
			     struct ib_peer_region **region)
{
	int ret = umem_claim_region(peer, region);

	/* Checked last: the claim may be for a later mapping. */
	return READ_ONCE(peer->export->over) ? -ENODEV : ret;
}

static struct ib_umem_peer *
umem_alloc_dma_dmabuf(struct dma_buf *dmabuf, const struct ib_umem_peer_dma *dma)
{
	struct ib_umem_peer *peer;
	int ret = 0;

	peer = umem_alloc_dmabuf(NULL, dmabuf, 0, dmabuf->size,
				 IB_ACCESS_LOCAL_WRITE);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	umem_set_dma(peer, dma);
	if (peer->export)
		ret = umem_insert_notifier(peer, peer->export->start,
					   peer->export->length, dma->mn_ops);
	if (ret) {
		ib_umem_peer_free(peer);
		return ERR_PTR(ret);
	}
	return peer;
}

/*
 * ib_umem_peer_get_dma_dmabuf() - claim all of a dma-buf for a DMA device
 * @dmabuf: of an exporter, or an exported range
 * @dma:    the attachment
 * @peer:   receives the umem, before anything can revoke it; NULL on failure
 * @region: receives its region, with a reference; NULL on failure
 *
 * It is no MR: the registry does not have it, and it has no RDMA device.
 * Return: 0; -EOPNOTSUPP not in a process; -ENODEV the range was unmapped;
 * -ENOMEM; or the error of the exporter.
 */
int ib_umem_peer_get_dma_dmabuf(struct dma_buf *dmabuf,
				const struct ib_umem_peer_dma *dma,
				struct ib_umem_peer **peer,
				struct ib_peer_region **region)
{
	struct ib_peer_export *export = ib_peer_export_get(dmabuf);
	int ret;

	if (!current->mm || (export && !mmget_not_zero(export->mm))) {
		ib_peer_export_put(export);
		return export ? -ENODEV : -EOPNOTSUPP;
	}
	*peer = umem_alloc_dma_dmabuf(dmabuf, dma);
	ret = PTR_ERR_OR_ZERO(*peer);
	if (!ret) {
		ib_peer_hold(IB_PEER_HOLD_WATCHED);
		ret = export ? umem_claim_export(*peer, region) :
			       umem_claim_region(*peer, region);
		if (ret)
			ib_umem_peer_release(*peer);
	}
	if (ret)
		*peer = NULL;
	if (export)
		mmput_async(export->mm);
	ib_peer_export_put(export);
	return ret;
}

/* A dma-buf is always registered on demand; nobody asks for it. */
static bool umem_is_explicit_on_demand(const struct ib_umem_peer *peer)
{
	return peer->on_demand && !peer->dmabuf && !peer->export;
}

int ib_umem_peer_rereg(struct ib_umem_peer *peer, int access)
{
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	if (umem_is_explicit_on_demand(peer) != !!(access & IB_ACCESS_ON_DEMAND))
		return -EOPNOTSUPP;
	if (!ib_access_writable(access) || READ_ONCE(peer->writable))
		return 0;
	if (!peer->may_write)
		return -EACCES;
	/*
	 * Regions that were claimed for reading are replaced at the next
	 * fault.
	 */
	WRITE_ONCE(peer->writable, true);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_rereg);
