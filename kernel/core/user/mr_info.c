// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_NEXT_MR: describes the MRs of a process.
 *
 * A reader of the registry holds a region_refs reference, so release waits for it.
 * It walks the page table of the MR once, at most.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>
#include <uapi/rdma/peer_mem.h>

#include "exporters/exporters.h"
#include "umem/export.h"
#include "umem/mr_registry.h"
#include "umem/page_table.h"
#include "umem/revoke.h"
#include "umem/umem.h"
#include "user/process.h"
#include "user/user.h"

/* Counts the regions that are alive, and names the exporter of the first. */
static void mr_info_fill_regions(struct ib_umem_peer *peer,
				 struct peer_mem_mr *user)
{
	struct interval_tree_node *node;

	BUILD_BUG_ON(sizeof(user->exporter) != IB_PEER_MEMORY_NAME_MAX);
	xa_lock(&peer->pages);
	for (node = interval_tree_iter_first(&peer->regions, 0, ULONG_MAX);
	     node; node = interval_tree_iter_next(node, 0, ULONG_MAX)) {
		const struct ib_peer_region *region =
			container_of(node, struct ib_peer_region, span);

		/* The exporter of a dead region may be gone. */
		if (region->dead)
			continue;
		if (!user->regions++)
			strscpy(user->exporter, region->exporter->name,
				sizeof(user->exporter));
	}
	xa_unlock(&peer->pages);
}

static void mr_info_fill(struct ib_umem_peer *peer, struct peer_mem_mr *user)
{
	bool revoked = READ_ONCE(peer->revoked);
	bool on_demand = peer->attachment ? peer->dma_ops->is_on_demand(peer) :
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
	/* A revoked umem may have entries, but accesses do not use them. */
	if (!revoked)
		user->resident = peer->attachment ? peer->dma_ops->resident(peer) :
				 (u64)ib_umem_peer_resident(peer) << PAGE_SHIFT;
	user->faults = atomic64_read(&peer->stats.faults);
	user->invalidations = atomic64_read(&peer->stats.invalidations);
	user->prefetched = atomic64_read(&peer->stats.prefetched);
	strscpy(user->device, dev_name(&peer->umem.ibdev->dev),
		sizeof(user->device));
	mr_info_fill_regions(peer, user);
}

/*
 * Return: 0; -EINVAL, -ENOENT, -ESRCH, -EPERM; see
 * include/uapi/rdma/peer_mem.h.
 */
int ib_peer_next_mr(struct peer_mem_mr *user)
{
	unsigned long number = user->number;
	struct ib_peer_process process;
	struct ib_umem_peer *peer;
	int ret;

	if (memchr_inv(&user->flags, 0, sizeof(*user) -
		       offsetof(struct peer_mem_mr, flags)))
		return -EINVAL;
	ret = ib_peer_process_get(&process, user->pid);
	if (ret)
		return ret;
	peer = ib_umem_peer_registry_next(process.mm, &number);
	ib_peer_process_put(&process);
	if (!peer)
		return -ENOENT;
	user->number = number;
	mr_info_fill(peer, user);
	ib_umem_peer_put_region_ref(peer);
	return 0;
}
