// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The regions of a umem, and what ends them: its owner, the exporter, and what
 * the process does to its address space, which is told by the mmu notifier.
 *
 * On demand, the pages concerned go, and come again by another fault; a region goes
 * for good when its mapping was unmapped or its rights changed. A pinned
 * registration only ends: by munmap() or mremap() of any part, and by exit. Of a
 * range of another process (export.c), both: it comes and goes, and it ends.
 */
#include <linux/mm.h>

#include "ib_peer.h"
#include "page_table.h"
#include "readers.h"
#include "trace.h"

/*
 * The umem is revoked, for ever. Readers look at the flag, so the page table may
 * stay. xa_lock is held.
 */
static void umem_set_revoked(struct ib_umem_peer *peer)
{
	lockdep_assert_held(&peer->pages.xa_lock);

	if (!peer->revoked)
		ib_umem_peer_change(peer);
	WRITE_ONCE(peer->revoked, true);
	wake_up_all(&peer->waiters);
}

/* When this returns no access is under way, and none will begin. */
void ib_umem_peer_kill(struct ib_umem_peer *peer)
{
	xa_lock(&peer->pages);
	umem_set_revoked(peer);
	ib_umem_peer_unlock_and_wait(peer);
}

/*
 * Ends the accesses to a region, for ever. A second caller does the same as the
 * first, for it may not return before. Return: the region was alive until now.
 */
bool ib_umem_peer_mark_dead(struct ib_peer_region *region)
{
	struct ib_umem_peer *peer = region->umem;
	bool alive;

	xa_lock(&peer->pages);
	alive = !region->dead;
	region->dead = true;
	wake_up_all(&peer->waiters);
	if (peer->on_demand && !peer->revoked)
		ib_umem_peer_erase(peer, region->span.start,
				   region->span.last);
	ib_umem_peer_unlock_and_wait(peer);
	if (alive && !peer->trial)
		trace_ib_peer_region_dead(region);
	return alive;
}

void ib_umem_peer_region_gone(struct ib_umem_peer *peer)
{
	if (refcount_dec_and_test(&peer->regions_left))
		complete(&peer->no_regions);
}

/* Takes regions of [first, last] out of the tree, onto a list by ->drop. */
static void umem_take_regions(struct ib_umem_peer *peer, unsigned long first,
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

/* A dead region leaves no tombstone: its range may be claimed again. */
void ib_umem_peer_forget(struct ib_peer_region *region)
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

void ib_umem_peer_insert(struct ib_peer_region *region)
{
	struct ib_umem_peer *peer = region->umem;

	lockdep_assert_held(&peer->pages.xa_lock);

	interval_tree_insert(&region->span, &peer->regions);
	region->in_tree = true;
}

static void umem_drop_regions(struct list_head *list,
			      void (*end)(struct ib_peer_region *region))
{
	struct ib_peer_region *region, *next;

	list_for_each_entry_safe(region, next, list, drop) {
		end(region);
		ib_peer_region_put(region);
	}
}

/* Gives all regions back and waits until that is done. */
void ib_umem_peer_end_regions(struct ib_umem_peer *peer)
{
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	umem_take_regions(peer, 0, ULONG_MAX, &ended);
	xa_unlock(&peer->pages);
	umem_drop_regions(&ended, ib_peer_region_end);
	ib_umem_peer_region_gone(peer);
	wait_for_completion(&peer->no_regions);
}

/* ---- the mmu notifier ---- */

/* Is what lies in the range not what was claimed any more? */
static bool mn_ends_regions(const struct mmu_notifier_range *range)
{
	return ib_peer_mn_unmaps(range) ||
	       range->event == MMU_NOTIFY_PROTECTION_VMA;
}

/* Takes no lock that sleeps, so it need not care who is not blockable. */
static bool umem_mn_on_demand(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range,
			      unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	mmu_interval_set_seq(notifier, cur_seq);
	ib_umem_peer_erase(peer, range->start, range->end - 1);
	if (mn_ends_regions(range))
		umem_take_regions(peer, range->start, range->end - 1, &ended);
	ib_umem_peer_unlock_and_wait(peer);
	ib_peer_hold(IB_PEER_HOLD_DROP);
	trace_ib_peer_invalidate(peer, range->start, range->end - 1,
				 range->event);
	umem_drop_regions(&ended, ib_peer_region_kill);
	return true;
}

/*
 * Whether and how the CPU has the pages mapped says nothing about pinned ones,
 * but where nobody else has a say (IB_PEER_FOLLOWS); that the range is no longer
 * theirs does.
 */
static bool mn_ends_pinned(const struct ib_umem_peer *peer,
			   const struct mmu_notifier_range *range)
{
	if (ib_peer_mn_unmaps(range))
		return true;
	return peer->follows && range->event != MMU_NOTIFY_PROTECTION_VMA &&
	       range->event != MMU_NOTIFY_SOFT_DIRTY;
}

static bool umem_mn_pinned(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	mmu_interval_set_seq(notifier, cur_seq);
	if (mn_ends_pinned(peer, range)) {
		umem_set_revoked(peer);
		umem_take_regions(peer, 0, ULONG_MAX, &ended);
	}
	ib_umem_peer_unlock_and_wait(peer);
	ib_peer_hold(IB_PEER_HOLD_DROP);
	umem_drop_regions(&ended, ib_peer_region_kill);
	return true;
}

/* It comes and goes on demand, but what was shared is over when it is unmapped. */
static bool umem_mn_export(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	if (ib_peer_mn_unmaps(range))
		return umem_mn_pinned(notifier, range, cur_seq);
	return umem_mn_on_demand(notifier, range, cur_seq);
}

const struct mmu_interval_notifier_ops ib_umem_peer_mn_on_demand = {
	.invalidate = umem_mn_on_demand,
};

const struct mmu_interval_notifier_ops ib_umem_peer_mn_pinned = {
	.invalidate = umem_mn_pinned,
};

const struct mmu_interval_notifier_ops ib_umem_peer_mn_export = {
	.invalidate = umem_mn_export,
};
