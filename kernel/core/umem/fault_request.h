/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* One fault, as fault.c, fault_resolve.c and the adapters see it. */
#ifndef IB_PEER_FAULT_REQUEST_H
#define IB_PEER_FAULT_REQUEST_H

#include <linux/mmap_lock.h>

#include <rdma/ib_umem_peer.h>

#include "umem/page_table.h"

enum peer_fault_flags {
	PEER_FAULT_WRITE = BIT(0),	/* for writing */
	PEER_FAULT_SNAPSHOT = BIT(1),	/* only what is present already */
};

/*
 * struct ib_peer_fault - one fault
 * @peer:   the umem
 * @start:  first address wanted, page aligned
 * @end:    end of the wanted range, exclusive
 * @flags:  PEER_FAULT_xxx
 * @until:  deadline in jiffies for waits inside the fault
 * @window: the pages around the wanted ones, and what is known about them
 * @add_block: receives the exporter's blocks instead of @window; for DMA
 *             importers
 * @dma:    private to @add_block
 * @locked: mmap_lock of the address space is held for reading
 */
struct ib_peer_fault {
	struct ib_umem_peer *peer;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	unsigned long until;
	struct peer_window window;
	int (*add_block)(struct ib_peer_fault *fault,
			 const struct ib_peer_block *block);
	void *dma;
	int locked;
};

/* Nothing waits with mmap_lock held, so that the process can map and unmap. */
static inline void fault_unlock(struct ib_peer_fault *fault)
{
	if (fault->locked)
		mmap_read_unlock(fault->peer->umem.owning_mm);
	fault->locked = 0;
}

static inline bool fault_is_write(const struct ib_peer_fault *fault)
{
	return fault->flags & PEER_FAULT_WRITE;
}

#endif
