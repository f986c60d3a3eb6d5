/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the files of the PeerDirect adapter share.
 */
#ifndef IB_PEERDIRECT_TYPES_H
#define IB_PEERDIRECT_TYPES_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>
#include <rdma/ib_umem_peer.h>

#define NO_TICKET U32_MAX

/*
 * struct pd_client - a PeerDirect client
 * @handle: its number for the client: the callback may come after it
 *          unregistered
 * @users:  callbacks in progress, plus one until it unregisters
 * @unused: completed when there are none
 * @ranges: by ticket; those that have a region
 */
struct pd_client {
	const struct peer_memory_client *ops;
	struct ib_peer_exporter *native;
	u32 handle;
	refcount_t users;
	struct completion unused;
	struct xarray ranges;
	u32 next_ticket;
	bool invalidates;
	bool unmaps_itself;
};

enum pd_state {
	PD_UNMAPPED,
	PD_MAPPED,
	PD_UNMAPPING,
};

/* A contiguous piece. @map: kernel mapping for the CPU, or NULL. */
struct pd_piece {
	u64 offset;
	u64 length;
	dma_addr_t dma;
	void *map;
};

/*
 * struct pd_range - a region of a PeerDirect client
 * @region:   NULL once released; protected by @lock
 * @state:    protected by @lock; the thread that sets PD_UNMAPPING calls the
 *            client
 * @expired:  the client has invalidated it; set under @lock, never cleared
 * @map_lock: on demand, serializes mapping
 * @mapping:  completed when get_pages() and dma_map() have returned
 * @unmapped: completed when dma_unmap() and put_pages() have returned
 * @mapper:   the task that is in get_pages() or dma_map()
 * @sgt:      the client's; it gets back exactly what it left
 * @nmap:     entries in @sgt
 * @skip:     bytes in @sgt before the region
 * @num_pages: client's pages that the region touches; 0: was never mapped
 * @pieces:   @sgt as contiguous pieces
 * @num_found: number of pieces
 * @num_pieces: number of pieces that are mapped for the importer
 */
struct pd_range {
	struct kref kref;
	struct pd_client *client;
	struct ib_peer_region *region;
	void *context;
	u32 ticket;
	spinlock_t lock; /* protects region and state */
	enum pd_state state;
	bool expired;
	struct mutex map_lock; /* see above */
	struct completion mapping;
	struct completion unmapped;
	struct task_struct *mapper;
	struct device *dma_device;
	struct sg_table sgt;
	int nmap;
	u64 skip;
	u64 num_pages;
	struct pd_piece *pieces;
	int num_found;
	int num_pieces;
};

#endif
