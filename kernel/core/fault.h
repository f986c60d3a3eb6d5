/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to fault.c, which finds out whom to ask, and ask.c, which asks.
 */
#ifndef IB_PEER_FAULT_H
#define IB_PEER_FAULT_H

#include <linux/mmap_lock.h>

#include "ib_peer.h"
#include "page_table.h"

struct dma_fence;

/*
 * struct ib_peer_fault - a question
 * @peer:   whose
 * @start:  first address wanted, page aligned
 * @end:    behind the last
 * @flags:  PEER_FAULT_xxx
 * @until:  jiffies; who waits longer within the question gives up
 * @answer: the window around, and what is known of it
 * @dma:    a DMA importer's question: the answer goes there instead
 * @locked: it holds mmap_lock of the address space, for reading
 */
struct ib_peer_fault {
	struct ib_umem_peer *peer;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	unsigned long until;
	struct peer_answer answer;
	struct ib_peer_dma *dma;
	int locked;
};

/* Nobody waits with mmap_lock: the process maps and unmaps meanwhile. */
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

/*
 * Each asks about the window around the pages wanted, and publishes the answer.
 * Return: 0; -EAGAIN the answer was old when it came; -EFAULT nothing there;
 * -EACCES no such access; -ENOMEM; what the exporter said.
 */

/* The region is in use; no lock is held. */
int ib_peer_ask_exporter(struct ib_peer_fault *fault,
			 struct ib_peer_region *region);
/* mmap_lock is held, and is not any more; @vma had the pages wanted. */
int ib_peer_ask_system(struct ib_peer_fault *fault, struct vm_area_struct *vma);

/* fence.c */
int ib_peer_fault_wait(struct ib_peer_fault *fault, struct dma_fence *fence);

#endif
