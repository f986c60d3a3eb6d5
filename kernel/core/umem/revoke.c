// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Ends accesses for ever: those of a whole umem (revoked), or to one region (dead).
 *
 * A umem is revoked when it is released, when a pinned region is revoked, and when
 * the process unmaps part of a pinned or exported range (see also
 * IB_PEER_MMU_TRACKED). Nothing clears the state. ib_umem_peer_kill() and
 * ib_umem_peer_mark_dead() return only when no access that began before is in
 * progress.
 */
#include <linux/lockdep.h>

#include "trace.h"
#include "umem/page_table.h"
#include "umem/readers.h"
#include "umem/revoke.h"

/*
 * Revokes the umem. Readers check the flag, so the page table may stay.
 * xa_lock is held.
 */
void ib_umem_peer_set_revoked(struct ib_umem_peer *peer)
{
	lockdep_assert_held(&peer->pages.xa_lock);

	if (!peer->revoked)
		ib_umem_peer_change(peer);
	WRITE_ONCE(peer->revoked, true);
	wake_up_all(&peer->waiters);
}

/* Revokes the umem. When it returns, no access is in progress or will begin. */
void ib_umem_peer_kill(struct ib_umem_peer *peer)
{
	xa_lock(&peer->pages);
	ib_umem_peer_set_revoked(peer);
	ib_umem_peer_unlock_and_wait(peer);
}

/*
 * Ends the accesses to a region for ever. A second caller waits as the first
 * one does. Return: the region was alive until now.
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
	if (alive && !peer->probe)
		trace_ib_peer_region_dead(region);
	return alive;
}

void ib_umem_peer_put_region_ref(struct ib_umem_peer *peer)
{
	if (refcount_dec_and_test(&peer->region_refs))
		complete(&peer->regions_released);
}
