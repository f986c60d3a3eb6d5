// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The registry of umems, in the order of registration, for
 * PEER_MEM_IOC_NEXT_MR. It has every umem from the end of its registration to
 * the start of its release.
 *
 * A reader holds a region_refs reference, so release waits for it. The reader
 * walks the page table once, at most.
 *
 * Lock order: the xa_lock of the registry is a leaf.
 */
#include <linux/mm.h>
#include <linux/sched.h>

#include "umem/mr_registry.h"

/* Umems of other processes to skip before the lock is dropped. */
#define REGISTRY_BATCH 1024

static DEFINE_XARRAY_FLAGS(mr_registry, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

/* Return: 0, -ENOMEM. */
int ib_umem_peer_registry_add(struct ib_umem_peer *peer)
{
	static u32 next;
	int ret;

	/* Cyclic allocation keeps the order of registration. */
	ret = xa_alloc_cyclic(&mr_registry, &peer->number, peer, xa_limit_32b, &next,
			      GFP_KERNEL_ACCOUNT);
	return ret < 0 ? ret : 0;
}

void ib_umem_peer_registry_remove(struct ib_umem_peer *peer)
{
	xa_erase(&mr_registry, peer->number);
}

/*
 * Return: the first umem after *@number that @mm registered, with a
 * region_refs reference; NULL: none.
 */
struct ib_umem_peer *ib_umem_peer_registry_next(const struct mm_struct *mm,
						unsigned long *number)
{
	struct ib_umem_peer *peer;
	unsigned int batch = 0;

	xa_lock(&mr_registry);
	while ((peer = xa_find_after(&mr_registry, number, ULONG_MAX, XA_PRESENT)) &&
	       peer->registrant != mm) {
		if (++batch % REGISTRY_BATCH)
			continue;
		xa_unlock(&mr_registry);
		cond_resched();
		xa_lock(&mr_registry);
	}
	if (peer)
		refcount_inc(&peer->region_refs);
	xa_unlock(&mr_registry);
	return peer;
}
