// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Allocates and frees umems, checks their arguments, and charges pinned memory.
 */
#include <linux/dma-buf.h>
#include <linux/hash.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "umem/export.h"
#include "umem/fault_queue.h"
#include "umem/page_entry.h"
#include "umem/readers.h"
#include "umem/umem_alloc.h"

int ib_umem_peer_check(unsigned long addr, size_t size, int access)
{
	unsigned long end;

	/* The whole address space, as far as size_t can say. */
	if (access & IB_ACCESS_ON_DEMAND && !addr && size == SIZE_MAX)
		return 0;
	if (!size || check_add_overflow(addr, size, &end) ||
	    PAGE_ALIGN(end) < end)
		return -EINVAL;
	/* Device memory is volatile. */
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	return 0;
}

struct ib_umem_peer *ib_umem_peer_alloc(struct ib_device *ibdev,
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
	refcount_set(&peer->region_refs, 1);
	init_completion(&peer->regions_released);
	spin_lock_init(&peer->work_lock);
	INIT_LIST_HEAD(&peer->works);
	xa_init_flags(&peer->pages, XA_FLAGS_ACCOUNT);
	/* Spreads the hints of umems that are accessed alternately. */
	peer->first_hint = hash_ptr(peer, ilog2(PEER_HINTS));
	init_waitqueue_head(&peer->waiters);
	return peer;
}

void ib_umem_peer_free(struct ib_umem_peer *peer)
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

/* Charges pinned memory to RLIMIT_MEMLOCK, as ib_umem_get() does. */
int ib_umem_peer_charge(struct ib_umem_peer *peer)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long pages = ib_umem_num_pages(&peer->umem);
	atomic64_t *pinned = &peer->registrant->pinned_vm;

	if (atomic64_add_return(pages, pinned) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, pinned);
		return -ENOMEM;
	}
	peer->charged = true;
	return 0;
}

void ib_umem_peer_uncharge(struct ib_umem_peer *peer)
{
	if (!peer->charged)
		return;
	atomic64_sub(ib_umem_num_pages(&peer->umem),
		     &peer->registrant->pinned_vm);
}
