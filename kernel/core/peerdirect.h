/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to peerdirect.c, the adapter, and peerdirect_list.c, what the CPU sees
 * of a range that a client has mapped.
 */
#ifndef IB_PEERDIRECT_H
#define IB_PEERDIRECT_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/refcount.h>
#include <linux/spinlock.h>
#include <linux/xarray.h>

#include "ib_peer.h"

#define NO_TICKET U32_MAX

/*
 * struct pd_client - a client of the PeerDirect API
 * @handle: what it is known by to itself; a number, so that its callback may come
 *          after it left
 * @users:  calls of its callback, and one until it unregisters
 * @unused: done when there are none
 * @ranges: by ticket; what is in there has its region
 */
struct pd_client {
	const struct peer_memory_client *ops;
	struct ib_peer_client *native;
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

/* A contiguous piece; @map is where the CPU reaches it, or NULL. */
struct pd_piece {
	u64 offset;
	u64 length;
	dma_addr_t dma;
	void *map;
};

/*
 * struct pd_range - a region of a PeerDirect client
 * @region:   NULL once released; under @lock
 * @state:    under @lock; who makes it PD_UNMAPPING calls the client
 * @expired:  the client unmaps it by itself; set under @lock, for good
 * @map_lock: on demand, one maps, others wait
 * @mapping:  done when get_pages() and dma_map() are over, well or not
 * @unmapped: done when dma_unmap() and put_pages() are over
 * @mapper:   the task that is in get_pages() or dma_map()
 * @sgt:      the client's; it gets back what it left, to the bit
 * @nmap:     entries in @sgt
 * @skip:     bytes in @sgt before the region
 * @num_pages: of the client's size, that the region touches; 0: was never mapped
 * @pieces:   @sgt as the importer reaches it
 * @num_found: pieces in there
 * @num_pieces: of these, how many the importer does reach
 */
struct pd_range {
	struct kref kref;
	struct pd_client *client;
	struct ib_peer_region *region;
	void *context;
	u32 ticket;
	spinlock_t lock; /* guards region and state */
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

/* peerdirect_device.c */
struct device *ib_peerdirect_device(void);

/* peerdirect_list.c */

/* Reads the client's list, once: later it may be gone. */
int ib_peerdirect_list_collect(struct pd_range *range);
/* What was found, if that returned 0. On failure there is nothing to unmap. */
int ib_peerdirect_list_map(struct pd_range *range);
void ib_peerdirect_list_unmap(struct pd_range *range);
/* Blocks of all of it, from within fault(). Return: as ib_peer_fault_add(). */
int ib_peerdirect_list_report(struct pd_range *range,
			      struct ib_peer_fault *fault);

#endif
