/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Places where a build for tests can hold a thread, so that a race happens when
 * it is asked to (see hold.c). In any other build there is nothing here.
 */
#ifndef IB_PEER_HOLD_H
#define IB_PEER_HOLD_H

#include <linux/jiffies.h>
#include <linux/types.h>

enum ib_peer_hold_point {
	/* A range to export, exported, or for DMA is watched; nobody was asked. */
	IB_PEER_HOLD_WATCHED,
	/* A region was claimed; the tree does not have it yet. */
	IB_PEER_HOLD_CLAIMED,
	/* A pinned region is filled; nothing was checked. */
	IB_PEER_HOLD_FILLED,
	/* What is mapped was looked at, mmap_lock dropped; no region was looked for. */
	IB_PEER_HOLD_FIND,
	/* No region was found; none was claimed yet. */
	IB_PEER_HOLD_CLAIM,
	/* A region claimed for reading left the tree; it is still alive. */
	IB_PEER_HOLD_FORGOTTEN,
	/* The sequences were read; the owner was not asked yet. */
	IB_PEER_HOLD_ASK,
	/* A fence of the exporter's is about to be waited for. */
	IB_PEER_HOLD_FENCE,
	/* A dma-buf was found unmapped, and resv dropped. */
	IB_PEER_HOLD_UNMAPPED,
	/* The owner has answered; nothing was checked or published. */
	IB_PEER_HOLD_ANSWERED,
	/* Checked and about to be stored, under the table's lock. */
	IB_PEER_HOLD_PUBLISH,
	/* There was no memory for an entry; the table's lock was dropped to get some. */
	IB_PEER_HOLD_NOMEM,
	/* Pages are in the table; who brought them goes on. */
	IB_PEER_HOLD_BROUGHT,
	/* Pages were missing; a fault under way that brings them was not looked for. */
	IB_PEER_HOLD_MISSED,
	/* The entry was looked up, the bytes are next; a reader. */
	IB_PEER_HOLD_COPY,
	/* A page to read back from was found; a reader. */
	IB_PEER_HOLD_FLUSH,
	/* Some entries of a range were taken out; the lock was dropped in between. */
	IB_PEER_HOLD_ERASE,
	/* All were taken out; no reader was waited for. */
	IB_PEER_HOLD_ERASED,
	/* The readers of one processor were waited for. */
	IB_PEER_HOLD_WAITING,
	/* All readers were waited for; that is not on record yet. */
	IB_PEER_HOLD_WAITED,
	/* An event of the mm's is dealt with; its regions left the tree, alive. */
	IB_PEER_HOLD_DROP,
	/* A pinned umem was revoked; its region is not marked as dead yet. */
	IB_PEER_HOLD_STOP,
	/* A region was unpinned; it was not released. */
	IB_PEER_HOLD_UNPINNED,
	/* A driver is handed a dma-buf's descriptor; it has not looked at it. */
	IB_PEER_HOLD_HANDED,
	/* A client that goes has found a region of its own; it is still alive. */
	IB_PEER_HOLD_FOUND,
	/* A fault in the background is done; who waits for it was not told. */
	IB_PEER_HOLD_FAULTED,
	/* Queues that nobody uses are looked at; their lock was not taken. */
	IB_PEER_HOLD_IDLE,
	/* A dma-buf for DMA moves: its users were told to hurry, its resv comes next. */
	IB_PEER_HOLD_MOVING,
	/* An answer for DMA was checked and is there; the device has not taken it. */
	IB_PEER_HOLD_OFFERED,
	/* A PeerDirect client has mapped a range; that is not on record yet. */
	IB_PEER_HOLD_MAPPED,
	/* A PeerDirect range is out of reach; it is still mapped. */
	IB_PEER_HOLD_STOPPED,
	/* A PeerDirect range is this thread's to unmap; it is still mapped. */
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

/* Jiffies that an access waits for its pages before it fails. */
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
