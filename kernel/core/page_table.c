// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Changes of the page table: an answer is published, a range is erased.
 *
 * An answer is stored under xa_lock, after the check under the same hold of the
 * lock that no sequence moved since the question was asked. Who erases a range
 * has moved such a sequence before, under the lock, so that an answer from before
 * cannot come back in a gap in which the lock is dropped.
 *
 * An entry is never taken out to be stored anew, but where one that covers more
 * pages has to make room. Readers see the old entry or the new one.
 */
#include <linux/mm.h>
#include <linux/rcupdate_wait.h>

#include "ib_peer.h"
#include "page_table.h"
#include "readers.h"
#include "trace.h"

/* Entries that are taken out before the lock is dropped for a moment. */
#ifdef PEERMEM_HOLD
#define ERASE_BATCH 2
#else
#define ERASE_BATCH 1024
#endif

/* Pages that an access finds. */
unsigned long ib_umem_peer_resident(struct ib_umem_peer *peer)
{
	XA_STATE(xas, &peer->pages, 0);
	unsigned long n = 0;
	void *entry;

	rcu_read_lock();
	xas_for_each(&xas, entry, ULONG_MAX) {
		if (xas_retry(&xas, entry))
			continue;
		n += BIT(xas_get_order(&xas));
		if (need_resched()) {
			xas_pause(&xas);
			cond_resched_rcu();
		}
	}
	rcu_read_unlock();
	return n;
}

/**
 * ib_umem_peer_erase() - take out the entries that overlap a range
 * @peer:  its xa_lock is held; dropped and taken again now and then
 * @first: first address
 * @last:  last address
 *
 * A huge entry goes as a whole. The caller ends by ib_umem_peer_unlock_and_wait().
 */
void ib_umem_peer_erase(struct ib_umem_peer *peer, unsigned long first,
			unsigned long last)
{
	XA_STATE(xas, &peer->pages, 0);
	unsigned long pages, next;
	unsigned int batch = 0;
	void *entry;
	u64 n = 0;

	lockdep_assert_held(&peer->pages.xa_lock);

	first = max(first, ib_umem_peer_first(peer));
	last = min(last, ib_umem_peer_last(peer));
	if (first > last)
		return;
	xas_set(&xas, peer_table_index(peer, first));
	xas_for_each(&xas, entry, peer_table_index(peer, last)) {
		pages = BIT(xas_get_order(&xas));
		next = (xas.xa_index | (pages - 1)) + 1;
		n += pages;
		ib_umem_peer_change(peer);
		xas_store(&xas, NULL);
		if (++batch % ERASE_BATCH)
			continue;
		/*
		 * Not xas_pause(): if that was the last entry of a node, the state is
		 * at the parent, and it would skip entries of the next node.
		 */
		xas_set(&xas, next);
		xas_unlock(&xas);
		cpu_relax();
		ib_peer_hold(IB_PEER_HOLD_ERASE);
		xas_lock(&xas);
	}
	atomic64_add(n, &peer->stats.invalidations);
}

static bool answer_is_old(struct ib_umem_peer *peer,
			  const struct peer_answer *answer)
{
	const struct ib_peer_region *region = answer->region;

	return mmu_interval_read_retry(&peer->notifier, answer->mmu_seq) ||
	       READ_ONCE(peer->revoked) ||
	       (region && (region->dead || region->seq != answer->seq));
}

/* Do as many pages, from number @i on, lie side by side, under the same rules? */
static bool answer_is_run(const struct ib_umem_peer *peer,
			  const struct peer_answer *answer, unsigned long i,
			  unsigned long pages)
{
	const unsigned long *ptes = answer->ptes + i;
	unsigned long n;

	if (pages > answer->pages - i || !ptes[0] ||
	    (peer_table_index(peer, answer->start) + i) % pages)
		return false;
	for (n = 1; n < pages; n++)
		if (ptes[n] != ptes[0] + (n << PAGE_SHIFT))
			return false;
	return true;
}

/* Of the largest entry that can stand for the pages from number @i on. */
static unsigned int answer_order(const struct ib_umem_peer *peer,
				 const struct peer_answer *answer,
				 unsigned long i)
{
	if (answer_is_run(peer, answer, i, PEER_HUGE_PAGES))
		return PEER_HUGE_ORDER;
	/*
	 * Pages of the system come and go one by one; and what may be there
	 * already, and permit more, is looked at one by one.
	 */
	if (answer->region && answer->ptes[i] & PEER_PTE_WRITE &&
	    answer_is_run(peer, answer, i, PEER_RUN_PAGES))
		return PEER_RUN_ORDER;
	return 0;
}

/* Does the entry that is there lie where @pte does, and permit as much? */
static bool entry_serves(const void *entry, unsigned long index,
			 unsigned long pte)
{
	unsigned long old = peer_table_pte(entry, index);

	return old == pte || old == (pte | PEER_PTE_WRITE);
}

/*
 * Makes room for an entry of 2^@order pages, and @xas ready to store it.
 * Return: whether it has to be stored.
 */
static bool publish_prepare(struct ib_umem_peer *peer, struct xa_state *xas,
			    unsigned long index, unsigned int order,
			    unsigned long pte)
{
	unsigned int old_order = 0;
	void *old;

	xas_set_order(xas, index, 0);
	old = xas_load(xas);
	if (old)
		old_order = xas_get_order(xas);
	if (old && old_order >= order && entry_serves(old, index, pte))
		return false;
	if (old_order > order) {
		/* A larger entry cannot be replaced in part. */
		ib_umem_peer_change(peer);
		xas_store(xas, NULL);
		xas_set(xas, index);
	} else if (old) {
		ib_umem_peer_change(peer);
	}
	if (order) {
		xas_set_order(xas, index, order);
		if (!old && xas_find_conflict(xas))
			ib_umem_peer_change(peer);
		xas_set_order(xas, index, order);
	}
	if (ib_peer_hold_armed(IB_PEER_HOLD_NOMEM))
		xas_set_err(xas, -ENOMEM);
	return true;
}

/* Stores what is left of an answer, from page number *@done on. */
static int publish_checked(struct ib_umem_peer *peer, struct xa_state *xas,
			   const struct peer_answer *answer,
			   unsigned long *done)
{
	unsigned long index, pte;
	unsigned int order;

	ib_peer_hold(IB_PEER_HOLD_PUBLISH);
	for (; *done < answer->pages; *done += BIT(order)) {
		order = 0;
		pte = answer->ptes[*done];
		if (!pte)
			continue;
		order = answer_order(peer, answer, *done);
		index = peer_table_index(peer, answer->start) + *done;
		if (publish_prepare(peer, xas, index, order, pte))
			xas_store(xas, peer_table_entry(pte, index));
		if (xas_error(xas))
			return xas_error(xas);
	}
	return 0;
}

/**
 * ib_umem_peer_publish() - make an answer the page table's
 *
 * Context: may sleep. Return: 0, -EAGAIN the answer is old, ask again; -ENOMEM.
 */
int ib_umem_peer_publish(struct ib_umem_peer *peer,
			 const struct peer_answer *answer)
{
	XA_STATE(xas, &peer->pages, 0);
	unsigned long done = 0;
	bool counted = false;
	int ret;

	do {
		xas_lock(&xas);
		if (answer_is_old(peer, answer)) {
			ret = -EAGAIN;
		} else {
			/* Who uses what it publishes finds it counted. */
			if (answer->region && !counted)
				ib_peer_count(answer->region->client,
					      IB_PEER_FAULTS, 1);
			counted = true;
			ret = publish_checked(peer, &xas, answer, &done);
		}
		ib_umem_peer_unlock_and_wait(peer);
		if (ret == -ENOMEM)
			ib_peer_hold(IB_PEER_HOLD_NOMEM);
	} while (xas_nomem(&xas, GFP_KERNEL));
	if (!ret)
		ib_peer_hold(IB_PEER_HOLD_BROUGHT);
	trace_ib_peer_publish(peer, answer->start, answer->pages,
			      answer->region, ret);
	return ret;
}
