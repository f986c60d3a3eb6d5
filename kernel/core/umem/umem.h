/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the rooms of the core share about struct ib_umem_peer.
 *
 * Lock order:
 *   exporter's locks (dma_resv), mmap_lock
 *     umem->pages.xa_lock   page entries, the tree of regions, region->seq and
 *                           ->dead, umem->changes and ->quiesced. Taken in mmu
 *                           notifiers: no allocation that reclaims memory below it
 *     peer_reader->lock     held by an access; never together with xa_lock
 *     exporters_lock        exporter->regions, ->killed, ->dying (region.c)
 *     umem->work_lock       the faults in progress
 */
#ifndef IB_PEER_UMEM_H
#define IB_PEER_UMEM_H

#include <linux/mm.h>
#include <rdma/ib_umem_peer.h>

/**
 * struct ib_umem_peer_dma_ops - how the core stops a DMA importer
 *
 * @stop: The device stops using the region; if @over, for ever. It has stopped
 *        when the call returns, unless it cannot. May sleep. Takes the resv of the
 *        dma-buf; a task that holds the resv never waits for the caller. The caller
 *        keeps the umem alive (region_refs).
 * @cancel_work: Waits until the attachment has no work in progress. The mmu notifier
 *        has been removed.
 * @is_on_demand: The device does not pin.
 * @resident: Bytes that the device has mapped.
 */
struct ib_umem_peer_dma_ops {
	void (*stop)(struct ib_umem_peer *peer, bool over);
	void (*cancel_work)(struct ib_umem_peer *peer);
	bool (*is_on_demand)(struct ib_umem_peer *peer);
	u64 (*resident)(struct ib_umem_peer *peer);
};

/* The first and the last address of the pages of the umem. */
static inline unsigned long ib_umem_peer_first(const struct ib_umem_peer *peer)
{
	return peer->umem.address & PAGE_MASK;
}

static inline unsigned long ib_umem_peer_last(const struct ib_umem_peer *peer)
{
	return (peer->umem.address + peer->umem.length - 1) | ~PAGE_MASK;
}

static inline bool peer_in_range(const struct ib_umem_peer *peer, u64 offset,
				 size_t length)
{
	return offset <= peer->umem.length &&
	       length <= peer->umem.length - offset;
}

/*
 * The last task has left the address space: only the kernel keeps it. A kernel
 * without CONFIG_MEMCG does not know.
 */
static inline bool ib_peer_mm_is_abandoned(struct mm_struct *mm)
{
#ifdef CONFIG_MEMCG
	return !rcu_access_pointer(mm->owner);
#else
	return false;
#endif
}

#endif
