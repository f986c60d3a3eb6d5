// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Changes of the page table: publishes windows and erases ranges.
 *
 * A window is stored under xa_lock, after a check under the same critical
 * section that no sequence has changed since resolving began. Whoever erases
 * a range has changed such a sequence before, under the lock, so a window
 * from before cannot be stored in a gap in which the lock is dropped.
 *
 * An entry is never removed and stored again, except where a larger entry has
 * to make room. Readers see the old entry or the new one.
 */
#include <linux/mm.h>
#include <linux/rcupdate_wait.h>

#include "exporters/exporters.h"
#include "hold_point.h"
#include "trace.h"
#include "umem/page_table.h"
#include "umem/readers.h"
#include "umem/umem.h"

/* Entries to erase before the lock is dropped for a moment. */
#ifdef PEERMEM_HOLD
#define ERASE_BATCH 2
#else
#define ERASE_BATCH 1024
#endif

/* Return: the number of pages that an access finds present. */
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
 * ib_umem_peer_erase() - erase the entries that overlap a range
 * @peer:  its xa_lock is held; dropped and taken again in between
 * @first: first address
 * @last:  last address
 *
 * Erases a huge entry as a whole. The caller ends with
 * ib_umem_peer_unlock_and_wait().
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
		 * Not xas_pause(): after the last entry of a node the state
		 * is at the parent, and it would skip entries of the next
		 * node.
		 */
		xas_set(&xas, next);
		xas_unlock(&xas);
		cpu_relax();
		ib_peer_hold(IB_PEER_HOLD_ERASE);
		xas_lock(&xas);
	}
	atomic64_add(n, &peer->stats.invalidations);
}

static bool window_is_stale(struct ib_umem_peer *peer,
			    const struct peer_window *window)
{
	const struct ib_peer_region *region = window->region;

	return mmu_interval_read_retry(&peer->notifier, window->mmu_seq) ||
	       READ_ONCE(peer->revoked) ||
	       (region && (region->dead || region->seq != window->seq));
}

/*
 * True if the pages from number @i on are contiguous and have the same flags.
 */
static bool window_is_run(const struct ib_umem_peer *peer,
			  const struct peer_window *window, unsigned long i,
			  unsigned long pages)
{
	const unsigned long *ptes = window->ptes + i;
	unsigned long n;

	if (pages > window->pages - i || !ptes[0] ||
	    (peer_table_index(peer, window->start) + i) % pages)
		return false;
	for (n = 1; n < pages; n++)
		if (ptes[n] != ptes[0] + (n << PAGE_SHIFT))
			return false;
	return true;
}

/* Return: the order of the largest entry for the pages from number @i on. */
static unsigned int window_order(const struct ib_umem_peer *peer,
				 const struct peer_window *window,
				 unsigned long i)
{
	if (window_is_run(peer, window, i, PEER_HUGE_PAGES))
		return PEER_HUGE_ORDER;
	/*
	 * System pages are invalidated one by one. An entry that already
	 * exists and allows more is compared page by page.
	 */
	if (window->region && window->ptes[i] & PEER_PTE_WRITE &&
	    window_is_run(peer, window, i, PEER_RUN_PAGES))
		return PEER_RUN_ORDER;
	return 0;
}

/*
 * True if the existing entry has the same address as @pte and allows as much.
 */
static bool entry_serves(const void *entry, unsigned long index,
			 unsigned long pte)
{
	unsigned long old = peer_table_pte(entry, index);

	return old == pte || old == (pte | PEER_PTE_WRITE);
}

/*
 * Prepares @xas to store an entry of 2^@order pages. Return: false if the
 * existing entry is sufficient.
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
		/* Part of a larger entry cannot be replaced. */
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

/* Stores the window from page number *@done on. */
static int publish_window(struct ib_umem_peer *peer, struct xa_state *xas,
			  const struct peer_window *window,
			   unsigned long *done)
{
	unsigned long index, pte;
	unsigned int order;

	ib_peer_hold(IB_PEER_HOLD_PUBLISH);
	for (; *done < window->pages; *done += BIT(order)) {
		order = 0;
		pte = window->ptes[*done];
		if (!pte)
			continue;
		order = window_order(peer, window, *done);
		index = peer_table_index(peer, window->start) + *done;
		if (publish_prepare(peer, xas, index, order, pte))
			xas_store(xas, peer_table_entry(pte, index));
		if (xas_error(xas))
			return xas_error(xas);
	}
	return 0;
}

/**
 * ib_umem_peer_publish() - store a window in the page table
 * @peer:   the umem
 * @window: the window
 *
 * Context: may sleep.
 * Return: 0; -EAGAIN the window is stale, resolve it
 * again; -ENOMEM.
 */
int ib_umem_peer_publish(struct ib_umem_peer *peer,
			 const struct peer_window *window)
{
	XA_STATE(xas, &peer->pages, 0);
	unsigned long done = 0;
	bool counted = false;
	int ret;

	do {
		xas_lock(&xas);
		if (window_is_stale(peer, window)) {
			ret = -EAGAIN;
		} else {
			/*
			 * Before the pages can be used, so that whoever uses
			 * them sees the count.
			 */
			if (window->region && !counted)
				ib_peer_count(window->region->exporter,
					      IB_PEER_FAULTS, 1);
			counted = true;
			ret = publish_window(peer, &xas, window, &done);
		}
		ib_umem_peer_unlock_and_wait(peer);
		if (ret == -ENOMEM)
			ib_peer_hold(IB_PEER_HOLD_NOMEM);
	} while (xas_nomem(&xas, GFP_KERNEL));
	if (!ret)
		ib_peer_hold(IB_PEER_HOLD_PUBLISHED);
	trace_ib_peer_publish(peer, window->start, window->pages,
			      window->region, ret);
	return ret;
}
