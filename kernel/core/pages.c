// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The page table of a registration, and the guards.
 *
 * The table is an xarray by page, counted from umem->base, so that 2 MiB of the
 * address space are an aligned run of it. It is sparse: pages never touched cost
 * nothing. It is the only record of what may be accessed. An entry is published
 * under the xarray's lock, after the check that nothing was invalidated since
 * the question was asked, and is used under a guard.
 *
 * An entry holds the address that page 0 of the table would have if the whole
 * table lay where this page lies; so one entry can stand for any number of
 * contiguous pages, and finding the address of one takes an addition.
 *
 * Guards make "nobody touches the old place any more" true without a lock per
 * MR on the data path: an access looks its entry up and uses it with the guard
 * of its page held for reading; who took entries away then passes through the
 * guards for writing, and knows that no access that saw an old entry is still
 * under way. Accesses hold a guard for less than a page at a time and do not
 * sleep, so the wait is short and depends on no user and no network peer.
 *
 * Walking the table costs more than the rest of a small access, so each
 * processor keeps hints: what it has looked up last. A hint is of one generation
 * of one table. Taking entries away begins a new generation before it passes
 * through the guards, so who holds a guard and finds the generation unchanged may
 * believe the hint. Only entries that may be written are kept: these never change
 * but by being taken away.
 */
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate_wait.h>

#include "ib_peer.h"
#include "trace.h"

/* Entries taken away before the lock is dropped for a moment. */
#define ERASE_BATCH 1024

static unsigned long addr_to_index(const struct ib_umem_peer *peer,
				   unsigned long addr)
{
	return (addr >> PAGE_SHIFT) - peer->base;
}

static void *pte_to_entry(unsigned long pte, unsigned long index)
{
	return xa_mk_value((pte - (index << PAGE_SHIFT)) >> 1);
}

static unsigned long entry_to_pte(const void *entry, unsigned long index)
{
	return (xa_to_value(entry) << 1) + (index << PAGE_SHIFT);
}

struct peer_hint {
	u64 generation;
	unsigned long index;
	unsigned long pte;
};

/* A power of two. Both sides of a transfer, and a page border in each. */
#define PEER_HINTS 4

static DEFINE_PER_CPU(struct peer_hint, peer_hints[PEER_HINTS]);
static atomic64_t last_generation;

/* Never one that any table had before. */
void ib_umem_peer_new_generation(struct ib_umem_peer *peer)
{
	/* Whoever sees it, in ib_umem_peer_pte(), sees what went before. */
	smp_store_release(&peer->generation,
			  (u64)atomic64_inc_return(&last_generation));
}

/* The entry for an address; 0: none. */
unsigned long ib_umem_peer_pte(struct ib_umem_peer *peer, unsigned long addr)
{
	unsigned long index = addr_to_index(peer, addr);
	/* First: what the table says afterwards is no older than that. */
	u64 generation = smp_load_acquire(&peer->generation);
	unsigned long pte = 0;
	struct peer_hint *hint;
	const void *entry;

	hint = &get_cpu_var(peer_hints[(index + generation) % PEER_HINTS]);
	if (hint->generation == generation && hint->index == index) {
		pte = hint->pte;
	} else {
		entry = xa_load(&peer->pages, index);
		if (entry)
			pte = entry_to_pte(entry, index);
		if (pte & PEER_PTE_WRITE)
			*hint = (struct peer_hint){ generation, index, pte };
	}
	put_cpu_var(peer_hints);
	return pte;
}

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

void ib_umem_peer_pass_guards(struct ib_umem_peer *peer)
{
	int i;

	for (i = 0; i < IB_UMEM_PEER_GUARDS; i++) {
		write_lock(&peer->guard[i]);
		write_unlock(&peer->guard[i]);
	}
}

/*
 * Takes away what overlaps [first, last]; a huge entry goes as a whole. The
 * caller then passes through the guards. Before, under the same lock, it has
 * moved the sequence that answers about the range are checked against: the lock
 * is dropped now and then, for it may take long.
 */
void ib_umem_peer_erase(struct ib_umem_peer *peer, unsigned long first,
			unsigned long last)
{
	XA_STATE(xas, &peer->pages, 0);
	unsigned int batch = 0;
	void *entry;
	u64 n = 0;

	lockdep_assert_held(&peer->pages.xa_lock);

	first = max(first, ib_umem_peer_first(peer));
	last = min(last, ib_umem_peer_last(peer));
	if (first > last)
		return;
	xas_set(&xas, addr_to_index(peer, first));
	xas_for_each(&xas, entry, addr_to_index(peer, last)) {
		n += BIT(xas_get_order(&xas));
		xas_store(&xas, NULL);
		if (++batch % ERASE_BATCH)
			continue;
		xas_pause(&xas);
		xas_unlock(&xas);
		cpu_relax();
		xas_lock(&xas);
	}
	if (n)
		ib_umem_peer_new_generation(peer);
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
	    (addr_to_index(peer, answer->start) + i) % pages)
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

/* Stores one entry; what is there already and permits as much stays. */
static void publish_one(struct xa_state *xas, unsigned long index,
			unsigned int order, unsigned long pte)
{
	void *old;

	xas_set_order(xas, index, 0);
	old = xas_load(xas);
	if (old && !order &&
	    (entry_to_pte(old, index) & ~pte & PEER_PTE_WRITE ||
	     entry_to_pte(old, index) == pte))
		return;
	if (old && order < PEER_HUGE_ORDER) {
		/* It may be a larger one, which cannot be replaced in part. */
		xas_store(xas, NULL);
		xas_set(xas, index);
	}
	/* Else the store goes on from where the load has ended. */
	if (order)
		xas_set_order(xas, index, order);
	xas_store(xas, pte_to_entry(pte, index));
}

static int publish_checked(struct ib_umem_peer *peer, struct xa_state *xas,
			   const struct peer_answer *answer,
			   unsigned long *done)
{
	unsigned long first = addr_to_index(peer, answer->start);
	unsigned int order;

	ib_peer_hold(IB_PEER_HOLD_PUBLISH);
	for (; *done < answer->pages; *done += BIT(order)) {
		order = 0;
		if (!answer->ptes[*done])
			continue;
		order = answer_order(peer, answer, *done);
		publish_one(xas, first + *done, order, answer->ptes[*done]);
		if (xas_error(xas))
			return xas_error(xas);
	}
	return 0;
}

/*
 * Makes an answer the table's.
 * Return: 0, -EAGAIN the answer is old, ask again; -ENOMEM.
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
			/* Who uses what it brings finds it counted. */
			if (answer->region && !counted)
				ib_peer_count(answer->region->client,
					      IB_PEER_FAULTS, 1);
			counted = true;
			ret = publish_checked(peer, &xas, answer, &done);
		}
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	if (!ret)
		ib_peer_hold(IB_PEER_HOLD_BROUGHT);
	trace_ib_peer_publish(peer, answer->start, answer->pages,
			      answer->region, ret);
	return ret;
}
