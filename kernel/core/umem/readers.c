// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See readers.h for the invariants. */
#include <linux/lockdep.h>
#include <linux/xarray.h>

#include "hold_point.h"
#include "umem/page_entry.h"
#include "umem/readers.h"

DEFINE_PER_CPU_ALIGNED(struct peer_reader, peer_readers);

unsigned long peer_reader_pte(struct peer_reader *reader,
			      struct ib_umem_peer *peer, unsigned long addr)
{
	unsigned long index = peer_table_index(peer, addr);
	unsigned long pte;
	struct peer_hint *hint;

	lockdep_assert_held(&reader->lock);

	hint = &reader->hints[(index + peer->first_hint) % PEER_HINTS];
	if (hint->index == index && hint->peer == peer)
		return hint->pte;
	pte = peer_table_load(peer, index);
	if (pte & PEER_PTE_WRITE)
		*hint = (struct peer_hint){ peer, index, pte };
	return pte;
}

/*
 * A state that readers may have seen has ended: an entry was erased or
 * replaced, or the umem was revoked.
 */
void ib_umem_peer_change(struct ib_umem_peer *peer)
{
	lockdep_assert_held(&peer->pages.xa_lock);

	peer->changes++;
}

static void reader_drop_hints(struct peer_reader *reader,
			      const struct ib_umem_peer *peer)
{
	struct peer_hint *hint;

	for (hint = reader->hints; hint < reader->hints + PEER_HINTS; hint++)
		if (hint->peer == peer)
			hint->peer = NULL;
}

/*
 * Waits until every present reader has unlocked, and drops the hints of the
 * umem.
 */
static void wait_for_readers(const struct ib_umem_peer *peer)
{
	struct peer_reader *reader;
	int cpu;

	for_each_possible_cpu(cpu) {
		reader = per_cpu_ptr(&peer_readers, cpu);
		spin_lock(&reader->lock);
		reader_drop_hints(reader, peer);
		spin_unlock(&reader->lock);
		ib_peer_hold(IB_PEER_HOLD_WAITING);
	}
}

/**
 * ib_umem_peer_unlock_and_wait() - finish an invalidation
 * @peer: its xa_lock is held
 *
 * Drops xa_lock. When it returns, no access uses anything that a change
 * before it has ended, whoever made the change. Does not sleep. Waits for
 * accesses in progress, less than a page each.
 */
void ib_umem_peer_unlock_and_wait(struct ib_umem_peer *peer)
	__releases(&peer->pages.xa_lock)
{
	u64 changes = peer->changes;
	bool quiesced = peer->quiesced == changes;

	xa_unlock(&peer->pages);
	if (quiesced)
		return;
	ib_peer_hold(IB_PEER_HOLD_ERASED);
	wait_for_readers(peer);
	ib_peer_hold(IB_PEER_HOLD_WAITED);
	xa_lock(&peer->pages);
	peer->quiesced = max(peer->quiesced, changes);
	xa_unlock(&peer->pages);
}

void ib_peer_readers_init(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		spin_lock_init(&per_cpu_ptr(&peer_readers, cpu)->lock);
}
