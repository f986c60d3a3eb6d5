/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Places where a build for tests can hold a thread, so that a race happens when
 * it is asked to (see hold.c). In any other build there is nothing here.
 */
#ifndef IB_PEER_HOLD_H
#define IB_PEER_HOLD_H

enum ib_peer_hold_point {
	/* A range to export, exported, or for DMA is watched; nobody was asked. */
	IB_PEER_HOLD_WATCHED,
	/* A region was claimed; the tree does not have it yet. */
	IB_PEER_HOLD_CLAIMED,
	/* A pinned region is filled; nothing was checked. */
	IB_PEER_HOLD_FILLED,
	/* The sequences were read; the owner was not asked yet. */
	IB_PEER_HOLD_ASK,
	/* The owner has answered; nothing was checked or published. */
	IB_PEER_HOLD_ANSWERED,
	/* Checked and about to be stored, under the table's lock. */
	IB_PEER_HOLD_PUBLISH,
	/* Pages are in the table; who brought them goes on. */
	IB_PEER_HOLD_BROUGHT,
	/* Pages were missing; a fault under way that brings them was not looked for. */
	IB_PEER_HOLD_MISSED,
	/* The entry was looked up, the bytes are next; under the guard. */
	IB_PEER_HOLD_COPY,
	/* A driver is handed a dma-buf's descriptor; it has not looked at it. */
	IB_PEER_HOLD_HANDED,
	/* A client that goes has found a region of its own; it is still alive. */
	IB_PEER_HOLD_FOUND,
	IB_PEER_HOLD_POINTS,
};

#ifdef PEERMEM_HOLD
void ib_peer_hold(enum ib_peer_hold_point point);
void ib_peer_hold_init(void);
void ib_peer_hold_exit(void);
#else
static inline void ib_peer_hold(enum ib_peer_hold_point point)
{
}

static inline void ib_peer_hold_init(void)
{
}

static inline void ib_peer_hold_exit(void)
{
}
#endif

#endif
