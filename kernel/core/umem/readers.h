/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Readers: the accesses of CPU importers, and how an invalidation waits for
 * them.
 *
 * Each CPU has one record: a lock, and hints, which are page table entries
 * that accesses on this CPU looked up last. A reader is between
 * peer_reader_lock() and peer_reader_unlock(). It holds the lock of one
 * record, writes to no other memory that CPUs share, and does not sleep.
 *
 * Invariants, each with its test (of tests/races) and its property (of
 * tests/model):
 *
 *  1. A reader uses an entry only before it unlocks. It has found the entry
 *     after it locked: in the page table, or in a hint of the record that it
 *     holds. (races_test copy_against_*, gaps_test reader.*; model:
 *     no_stale_access)
 *  2. A hint is copied from the page table by a reader that holds the record.
 *     ib_umem_peer_unlock_and_wait() drops it. (gaps_test system.*; model:
 *     no_stale_access)
 *  3. Whoever erases or replaces an entry, or revokes the umem, increments
 *     umem->changes before dropping xa_lock. (gaps_test *.erase*, nomem.*,
 *     pinned.*; model: no_stale_access)
 *  4. umem->quiesced >= n means that every reader that saw the state before
 *     change number n has unlocked, and that no hint of that state is left.
 *     (gaps_test *.waiting*, *.waited*; model: quiesced_is_true)
 *  5. An invalidation returns when the page table has no entry of its range
 *     and umem->quiesced >= the umem->changes that it saw when it dropped
 *     xa_lock, also if another caller erased the entries. (gaps_test
 *     system.*, vram.*, region.*; model: no_stale_access)
 *
 * Why this is sufficient: when an invalidation drops xa_lock (5), each entry
 * that the range ever had was erased by a change that it knows (3). It then
 * takes and drops the lock of every record, or another caller did so after
 * that change (4). A reader that held a record before has unlocked. One that
 * locks it afterwards sees everything that happened before, because of the
 * lock, so it finds neither the entry nor a hint (1, 2). No barriers are
 * needed except those of the two kinds of locks. tests/model/litmus has this
 * as litmus tests.
 *
 * On PREEMPT_RT the lock sleeps and a reader may be preempted. Other readers
 * of its CPU and the invalidation then wait for it, and lend it their
 * priority.
 */
#ifndef IB_PEER_READERS_H
#define IB_PEER_READERS_H

#include <linux/cache.h>
#include <linux/percpu.h>
#include <linux/spinlock.h>

struct ib_umem_peer;

/**
 * struct peer_hint - an entry that was looked up
 * @peer:  the umem; NULL: none
 * @index: index in its page table
 * @pte:   see page_entry.h; always with PEER_PTE_WRITE
 */
struct peer_hint {
	const struct ib_umem_peer *peer;
	unsigned long index;
	unsigned long pte;
};

/* A power of two: both sides of a transfer, with a page boundary in each. */
#define PEER_HINTS 4

/**
 * struct peer_reader - the record of one CPU
 * @lock:  held by a reader. Lock order: neither umem->pages.xa_lock nor the
 *         lock of another record is taken inside
 * @hints: protected by @lock
 */
struct peer_reader {
	spinlock_t lock; /* see above */
	struct peer_hint hints[PEER_HINTS];
} ____cacheline_aligned_in_smp;

DECLARE_PER_CPU_ALIGNED(struct peer_reader, peer_readers);

/*
 * Becomes a reader. Any record serves, since an invalidation takes all of
 * them; the record of this CPU is rarely contended.
 */
static inline struct peer_reader *peer_reader_lock(void)
	__acquires(reader)
{
	struct peer_reader *reader = raw_cpu_ptr(&peer_readers);

	spin_lock(&reader->lock);
	return reader;
}

static inline void peer_reader_unlock(struct peer_reader *reader)
	__releases(reader)
{
	spin_unlock(&reader->lock);
}

/* Return: the pte of an address (page_entry.h); 0: none. */
unsigned long peer_reader_pte(struct peer_reader *reader,
			      struct ib_umem_peer *peer, unsigned long addr);

void ib_umem_peer_change(struct ib_umem_peer *peer);
void ib_umem_peer_unlock_and_wait(struct ib_umem_peer *peer)
	__releases(&peer->pages.xa_lock);

void ib_peer_readers_init(void);

#endif
