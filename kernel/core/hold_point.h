/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Hold points: places where a build for tests can stop a thread, to force a
 * race (hold_point.c). Other builds have no code here.
 */
#ifndef IB_PEER_HOLD_H
#define IB_PEER_HOLD_H

#include <linux/jiffies.h>
#include <linux/types.h>

enum ib_peer_hold_point {
	/*
	 * The notifier of an export or of a DMA umem is inserted; nothing is
	 * claimed.
	 */
	IB_PEER_HOLD_WATCHED,
	/* A region is claimed and not yet in the tree. */
	IB_PEER_HOLD_CLAIMED,
	/* A pinned region is populated; the sequence is not checked. */
	IB_PEER_HOLD_FILLED,
	/*
	 * The VMA was looked up, mmap_lock is dropped; the region is looked
	 * up next.
	 */
	IB_PEER_HOLD_FIND,
	/* No region was found; claim() is next. */
	IB_PEER_HOLD_CLAIM,
	/*
	 * A region claimed for reading was removed from the tree; it is still
	 * alive.
	 */
	IB_PEER_HOLD_REMOVED,
	/* The sequences were read; the owner of the pages is asked next. */
	IB_PEER_HOLD_RESOLVE,
	/* The wait for an exporter's fence is next. */
	IB_PEER_HOLD_FENCE,
	/* A dma-buf was found unmapped; resv is dropped. */
	IB_PEER_HOLD_UNMAPPED,
	/*
	 * The owner of the pages has replied; nothing is checked or
	 * published.
	 */
	IB_PEER_HOLD_RESOLVED,
	/* The window was checked and is stored next; xa_lock is held. */
	IB_PEER_HOLD_PUBLISH,
	/* No memory for an entry; xa_lock is dropped to allocate some. */
	IB_PEER_HOLD_NOMEM,
	/* Pages are published; the fault is about to return. */
	IB_PEER_HOLD_PUBLISHED,
	/*
	 * Pages were missing; a fault in progress for them is looked up next.
	 */
	IB_PEER_HOLD_MISSED,
	/* In a reader: the entry was looked up; the copy is next. */
	IB_PEER_HOLD_COPY,
	/* In a reader: a page to read for a flush was found. */
	IB_PEER_HOLD_FLUSH,
	/*
	 * Some entries of a range are erased; the lock is dropped in between.
	 */
	IB_PEER_HOLD_ERASE,
	/* All entries are erased; readers are waited for next. */
	IB_PEER_HOLD_ERASED,
	/* The readers of one CPU have been waited for. */
	IB_PEER_HOLD_WAITING,
	/* All readers have been waited for; that is not recorded yet. */
	IB_PEER_HOLD_WAITED,
	/* The mmu notifier has run; the removed regions are still alive. */
	IB_PEER_HOLD_DROP,
	/* A pinned umem is revoked; its region is not marked dead yet. */
	IB_PEER_HOLD_STOP,
	/* A region is unpinned and not yet released. */
	IB_PEER_HOLD_UNPINNED,
	/*
	 * The descriptor of a bridge is installed; the driver is called next.
	 */
	IB_PEER_HOLD_FD_INSTALLED,
	/* Unregistration has found a region; it is still alive. */
	IB_PEER_HOLD_FOUND,
	/* A fault in a worker has ended; its waiters are woken next. */
	IB_PEER_HOLD_FAULTED,
	/* Unused queues are checked; their lock is taken next. */
	IB_PEER_HOLD_IDLE,
	/* A bridge moves: its waiters are woken; resv is taken next. */
	IB_PEER_HOLD_MOVING,
	/*
	 * DMA addresses were checked and stored; the device has not taken
	 * them.
	 */
	IB_PEER_HOLD_DMA_PUBLISHED,
	/*
	 * A PeerDirect client has mapped a range; its state is not updated
	 * yet.
	 */
	IB_PEER_HOLD_MAPPED,
	/* A PeerDirect range is inaccessible; it is still mapped. */
	IB_PEER_HOLD_STOPPED,
	/* This thread unmaps a PeerDirect range; it is still mapped. */
	IB_PEER_HOLD_UNMAPPING,
	IB_PEER_HOLD_POINTS,
};

#ifdef PEERMEM_HOLD
void ib_peer_hold(enum ib_peer_hold_point point);
bool ib_peer_hold_armed(enum ib_peer_hold_point point);
unsigned long ib_peer_fault_timeout(void);
void ib_peer_hold_init(void);
void ib_peer_hold_exit(void);
#else
static inline void ib_peer_hold(enum ib_peer_hold_point point)
{
}

static inline bool ib_peer_hold_armed(enum ib_peer_hold_point point)
{
	return false;
}

/* How long an access waits for its pages, in jiffies. */
static inline unsigned long ib_peer_fault_timeout(void)
{
	return 60 * HZ;
}

static inline void ib_peer_hold_init(void)
{
}

static inline void ib_peer_hold_exit(void)
{
}
#endif

#endif
