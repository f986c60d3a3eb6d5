// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The roll of all registrations, in the order in which they came, for those who
 * ask what there is. On it is what was registered as a whole and is not being
 * released yet.
 *
 * Who looks at one keeps its regions_left above zero meanwhile, for which its end
 * waits, as for calls into exporters. That is a walk through its page table at
 * most.
 *
 * Lock order: xa_lock of the roll is a leaf.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>
#include <uapi/rdma/peer_mem.h>

#include "bridge.h"
#include "ib_peer.h"
#include "page_table.h"

/* Registrations of others that are passed over before the lock is dropped. */
#define ROLL_BATCH 1024

static DEFINE_XARRAY_FLAGS(roll, XA_FLAGS_ALLOC1 | XA_FLAGS_ACCOUNT);

/* Return: 0, -ENOMEM. */
int ib_umem_peer_enroll(struct ib_umem_peer *peer)
{
	static u32 next;
	int ret;

	/* Cyclic, for the order. */
	ret = xa_alloc_cyclic(&roll, &peer->number, peer, xa_limit_32b, &next,
			      GFP_KERNEL_ACCOUNT);
	return ret < 0 ? ret : 0;
}

void ib_umem_peer_strike(struct ib_umem_peer *peer)
{
	xa_erase(&roll, peer->number);
}

/* The first one that was registered by the mm after *number, to be given back; or NULL. */
static struct ib_umem_peer *roll_next(const struct mm_struct *mm,
				      unsigned long *number)
{
	struct ib_umem_peer *peer;
	unsigned int batch = 0;

	xa_lock(&roll);
	while ((peer = xa_find_after(&roll, number, ULONG_MAX, XA_PRESENT)) &&
	       peer->registrant != mm) {
		if (++batch % ROLL_BATCH)
			continue;
		xa_unlock(&roll);
		cond_resched();
		xa_lock(&roll);
	}
	if (peer)
		refcount_inc(&peer->regions_left);
	xa_unlock(&roll);
	return peer;
}

/* How many regions there are, and whose the first is. */
static void roll_look_at_regions(struct ib_umem_peer *peer,
				 struct peer_mem_mr *user)
{
	struct interval_tree_node *node;

	BUILD_BUG_ON(sizeof(user->client) != IB_PEER_MEMORY_NAME_MAX);
	xa_lock(&peer->pages);
	for (node = interval_tree_iter_first(&peer->regions, 0, ULONG_MAX);
	     node; node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		const struct ib_peer_region *region =
			container_of(node, struct ib_peer_region, span);

		/* Of a dead one the client may be gone. */
		if (region->dead)
			continue;
		if (!user->regions++)
			strscpy(user->client, region->client->name,
				sizeof(user->client));
	}
	xa_unlock(&peer->pages);
}

static void roll_describe(struct ib_umem_peer *peer, struct peer_mem_mr *user)
{
	bool revoked = READ_ONCE(peer->revoked);
	bool on_demand = peer->bridge ? ib_peer_bridge_is_on_demand(peer) :
					peer->on_demand;

	user->flags = (on_demand ? PEER_MEM_MR_ON_DEMAND : 0) |
		      (peer->dmabuf || peer->export ? PEER_MEM_MR_DMABUF : 0) |
		      (READ_ONCE(peer->writable) ? PEER_MEM_MR_WRITABLE : 0) |
		      (revoked ? PEER_MEM_MR_REVOKED : 0);
	user->addr = peer->umem.address;
	if (peer->export)
		user->addr -= peer->export->start;
	user->length = peer->umem.length;
	user->page_size = PAGE_SIZE;
	/* Entries of a revoked one are there, but not for accesses. */
	if (!revoked)
		user->resident = peer->bridge ? ib_peer_bridge_resident(peer) :
				 (u64)ib_umem_peer_resident(peer) << PAGE_SHIFT;
	user->faults = atomic64_read(&peer->stats.faults);
	user->invalidations = atomic64_read(&peer->stats.invalidations);
	user->prefetched = atomic64_read(&peer->stats.prefetched);
	strscpy(user->device, dev_name(&peer->umem.ibdev->dev),
		sizeof(user->device));
	roll_look_at_regions(peer, user);
}

/* Return: 0, -EINVAL, -ENOENT, -ESRCH, -EPERM as in uapi/rdma/peer_mem.h. */
int ib_peer_next_mr(struct peer_mem_mr *user)
{
	unsigned long number = user->number;
	struct ib_peer_whose whose;
	struct ib_umem_peer *peer;
	int ret;

	if (memchr_inv(&user->flags, 0, sizeof(*user) -
		       offsetof(struct peer_mem_mr, flags)))
		return -EINVAL;
	ret = ib_peer_whose_get(&whose, user->pid);
	if (ret)
		return ret;
	peer = roll_next(whose.mm, &number);
	ib_peer_whose_put(&whose);
	if (!peer)
		return -ENOENT;
	user->number = number;
	roll_describe(peer, user);
	ib_umem_peer_region_gone(peer);
	return 0;
}
