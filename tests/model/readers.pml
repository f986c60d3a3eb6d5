/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * kernel/core/readers.c, and the revocation of a umem: what all models share.
 *
 * The model that includes this file defines
 *   CPUS      processors, each with one record
 *   PAGES     pages of the page table
 *   READERS   processes that are readers; number n has using[n], page[n], cpu[n]
 *   WAITERS   processes that wait for readers; number n has seen[n]
 *   MAKES_HINT(pte)  whether a hint is made of an entry
 *   TOUCH_UMEM       what is done where the umem is used last
 *
 * A process that calls ib_umem_peer_unlock_and_wait() has the local variables
 * me (its number as a waiter), at and is_quiet.
 */

/* struct ib_umem_peer, under xa_lock; revoked and pte are read without it. */
bool xa_lock;
byte changes;
byte quiet;
bool revoked;
byte pte[PAGES];		/* entries; 0: none */

/* struct peer_reader; one hint for each page, as the slots of two pages differ. */
bool reader_lock[CPUS];
byte hints[CPUS * PAGES];
#define HINT(cpu, page) hints[(cpu) * PAGES + (page)]

/* What reader n is at: the record that it holds, the page, the entry that it uses. */
byte cpu[READERS];
byte page[READERS];
byte using[READERS];

/* The local variable "changes" of ib_umem_peer_unlock_and_wait(); NONE: not in it. */
#define NONE 255
byte seen[WAITERS] = NONE;

/* The properties: false only where one is violated. */
bool no_stale_access = true;
bool quiet_is_true = true;

/* Scratch, within one step; 0 between steps. */
byte k, rank, value;

#ifdef GHOST
/*
 * The number of changes when a record was locked, and when the reader locked that
 * made a hint. Only quiet_is_true reads them.
 */
byte locked_at[CPUS] = NONE;
byte hint_since[CPUS * PAGES] = NONE;
byte ghost;
#endif

/* ---- quiet_is_true ---- */

/*
 * With quiet == changes the page table is all that anybody believes: each hint, and
 * each entry in use, is in it; and there is neither once the umem was revoked.
 */
inline check_quiet_table()
{
	k = 0;
	do
	:: k < CPUS * PAGES ->
		quiet_is_true = quiet_is_true &&
			(!hints[k] || (hints[k] == pte[k % PAGES] && !revoked));
		k++
	:: else -> break
	od;
	k = 0;
	do
	:: k < READERS ->
		quiet_is_true = quiet_is_true &&
			(!using[k] || (using[k] == pte[page[k]] && !revoked));
		k++
	:: else -> break
	od
}

/* Word by word: no reader and no hint is of a state before change number quiet. */
inline check_quiet_numbers()
{
	k = 0;
#ifdef GHOST
	do
	:: k < CPUS * PAGES ->
		quiet_is_true = quiet_is_true &&
			hint_since[k] >= quiet && locked_at[k / PAGES] >= quiet;
		k++
	:: else -> break
	od
#endif
}

inline check_quiet()
{
#ifndef ACCESS_ONLY
	if
	:: quiet == changes -> check_quiet_table()
	:: else
	fi;
	check_quiet_numbers();
	k = 0;
#endif
	assert(quiet_is_true)
}

/*
 * The numbers of changes are only compared, so they may be replaced by others that
 * are in the same order. That keeps them small, however often actors take turns.
 */
inline is_number_used()
{
	k = 0;
	do
	:: k < WAITERS && seen[k] != value -> k++
	:: else -> break
	od;
	if
	:: k < WAITERS || quiet == value || changes == value -> k = 1
	:: else -> k = 0
	fi
#ifdef GHOST
	;
	ghost = 0;
	do
	:: ghost < CPUS * PAGES ->
		if
		:: hint_since[ghost] == value ||
		   locked_at[ghost / PAGES] == value -> k = 1
		:: else
		fi;
		ghost++
	:: else -> break
	od;
	ghost = 0
#endif
}

inline replace_number()
{
	k = 0;
	do
	:: k < WAITERS ->
		if
		:: seen[k] == value -> seen[k] = rank
		:: else
		fi;
		k++
	:: else -> break
	od;
#ifdef GHOST
	k = 0;
	do
	:: k < CPUS * PAGES ->
		if
		:: hint_since[k] == value -> hint_since[k] = rank
		:: else
		fi;
		if
		:: k % PAGES == 0 && locked_at[k / PAGES] == value ->
			locked_at[k / PAGES] = rank
		:: else
		fi;
		k++
	:: else -> break
	od;
#endif
	if
	:: quiet == value -> quiet = rank
	:: else
	fi
}

inline renumber()
{
	do
	:: value < changes ->
		is_number_used();
		if
		:: k == 1 -> replace_number(); rank++
		:: else
		fi;
		value++
	:: else -> break
	od;
	replace_number();
	changes = rank;
	k = 0;
	rank = 0;
	value = 0
}

/* ---- readers.c ---- */

/* peer_reader_lock(): any record serves. */
inline peer_reader_lock(me)
{
	!reader_lock[cpu[me]];
	reader_lock[cpu[me]] = true;
#ifdef GHOST
	locked_at[cpu[me]] = changes
#endif
}

inline peer_reader_unlock(me)
{
	reader_lock[cpu[me]] = false;
#ifdef GHOST
	locked_at[cpu[me]] = NONE;
#endif
	using[me] = 0;
	page[me] = 0;
	cpu[me] = 0
}

/* peer_table_load(); flush_read_batch() uses no hint, and makes none. */
inline peer_table_load(me)
{
	using[me] = pte[page[me]]
}

/* peer_reader_pte(): a hint, or the page table, which makes a hint. */
inline peer_reader_pte(me)
{
	if
	:: HINT(cpu[me], page[me]) -> using[me] = HINT(cpu[me], page[me])
	:: else ->
		peer_table_load(me);
		if
		:: MAKES_HINT(using[me]) ->
			HINT(cpu[me], page[me]) = using[me];
#ifdef GHOST
			hint_since[cpu[me] * PAGES + page[me]] =
				locked_at[cpu[me]]
#endif
		:: else
		fi
	fi
}

inline ib_umem_peer_change()
{
	changes++
}

/* reader_drop_hints() of record number at. */
inline reader_drop_hints()
{
	k = 0;
	do
	:: k < PAGES ->
#ifndef BUG_HINTS_KEPT
		HINT(at, k) = 0;
#endif
#ifdef GHOST
		hint_since[at * PAGES + k] = NONE;
#endif
		k++
	:: else -> break
	od;
	k = 0
}

/*
 * ib_umem_peer_unlock_and_wait() is two inlines: unlock(), which is part of the
 * caller's last step under xa_lock, and and_wait(), which follows that step.
 */
inline unlock()
{
	seen[me] = changes;
	is_quiet = quiet == changes;
#ifdef BUG_WAIT_IF_REMOVED
	is_quiet = !removed;
	removed = false;
#endif
#ifdef BUG_QUIET_UNWALKED
	quiet = changes;
#endif
	if
	:: is_quiet -> check_quiet(); seen[me] = NONE
	:: else
	fi;
	renumber();
	xa_lock = false
}

/* hold: erased */
inline and_wait()
{
	if
	:: is_quiet -> is_quiet = false
	:: else ->
		/* wait_for_readers(); hold: waiting */
		do
		:: d_step {
#ifdef BUG_NO_WAIT
			at < CPUS ->
#else
			at < CPUS && !reader_lock[at] ->
#endif
			reader_drop_hints();
			at++
		   }
		/* hold: waited */
		:: atomic {
			at == CPUS && !xa_lock ->
			at = 0;
#ifdef BUG_QUIET_CURRENT
			quiet = changes;
#else
			if
			:: seen[me] > quiet -> quiet = seen[me]
			:: else
			fi;
#endif
			seen[me] = NONE;
			TOUCH_UMEM;
			check_quiet();
			renumber();
			break
		   }
		od
	fi
}

/* ---- umem_regions.c ---- */

/* umem_set_revoked(): xa_lock is held. */
inline umem_set_revoked()
{
#ifndef BUG_REVOKE_UNCHANGED
	if
	:: !revoked -> ib_umem_peer_change()
	:: else
	fi;
#endif
	revoked = true
}
