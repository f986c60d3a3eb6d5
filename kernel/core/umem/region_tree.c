// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The interval tree of a umem's regions. umem->pages.xa_lock protects it.
 *
 * A region that was killed stays in the tree: it answers "revoked" for its
 * range until that range is unmapped. The tree holds a reference to the
 * struct.
 */
#include <linux/lockdep.h>

#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/revoke.h"

/* Moves the regions of [first, last] from the tree to a list, by ->drop. */
void ib_umem_peer_unlink_regions(struct ib_umem_peer *peer, unsigned long first,
				 unsigned long last, struct list_head *list)
{
	struct interval_tree_node *node;
	struct ib_peer_region *region;

	lockdep_assert_held(&peer->pages.xa_lock);

	while ((node = interval_tree_iter_first(&peer->regions, first, last))) {
		interval_tree_remove(node, &peer->regions);
		region = container_of(node, struct ib_peer_region, span);
		region->in_tree = false;
		list_add(&region->drop, list);
	}
}

/* Removes a region, so that its range can be claimed again. */
void ib_umem_peer_remove_region(struct ib_peer_region *region)
{
	struct ib_umem_peer *peer = region->umem;
	bool taken;

	xa_lock(&peer->pages);
	taken = region->in_tree;
	if (taken)
		interval_tree_remove(&region->span, &peer->regions);
	region->in_tree = false;
	xa_unlock(&peer->pages);
	if (taken)
		ib_peer_region_put(region);
}

void ib_umem_peer_insert_region(struct ib_peer_region *region)
{
	struct ib_umem_peer *peer = region->umem;

	lockdep_assert_held(&peer->pages.xa_lock);

	interval_tree_insert(&region->span, &peer->regions);
	region->in_tree = true;
}

void ib_umem_peer_put_regions(struct list_head *list,
			      void (*end)(struct ib_peer_region *region))
{
	struct ib_peer_region *region, *next;

	list_for_each_entry_safe(region, next, list, drop) {
		end(region);
		ib_peer_region_put(region);
	}
}

/* Kills and detaches all regions, and waits until all have been released. */
void ib_umem_peer_release_regions(struct ib_umem_peer *peer)
{
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	ib_umem_peer_unlink_regions(peer, 0, ULONG_MAX, &ended);
	xa_unlock(&peer->pages);
	ib_umem_peer_put_regions(&ended, ib_peer_region_kill_sync);
	ib_umem_peer_put_region_ref(peer);
	wait_for_completion(&peer->regions_released);
}

