/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The common part of the models: kernel/core/umem/readers.c, and the revocation
 * of a umem.
 *
 * The model that includes this file defines
 *   CPUS      processors, each with one record
 *   PAGES     pages of the page table
 *   READERS   processes that are readers; number n has using[n], page[n], cpu[n]
 *   WAITERS   processes that wait for readers; number n has seen[n]
 *   MAKES_HINT(pte)  true if a reader makes a hint of this entry
 *   TOUCH_UMEM       check at the last use of the umem
 *
 * A process that calls ib_umem_peer_unlock_and_wait() has the local variables
 * me (its number as a waiter), at and is_quiesced.
 */

/*
 * struct ib_umem_peer, under xa_lock. Readers read revoked and pte without it.
 */
bool xa_lock;
byte changes;
byte quiesced;
bool revoked;
byte pte[PAGES];		/* entries; 0: none */

/* struct peer_reader. One hint for each page: two pages use different slots. */
bool reader_lock[CPUS];
byte hints[CPUS * PAGES];
#define HINT(cpu, page) hints[(cpu) * PAGES + (page)]

/* State of reader n: the record it holds, the page, and the entry it uses. */
byte cpu[READERS];
byte page[READERS];
byte using[READERS];

/*
 * Local variable "changes" of ib_umem_peer_unlock_and_wait(). NONE: not in it.
 */
#define NONE 255
byte seen[WAITERS] = NONE;

/* The properties. A false value is a violation. */
bool no_stale_access = true;
bool quiesced_is_true = true;

/* Scratch variables within one step; 0 between steps. */
byte k, rank, value;

#ifdef GHOST
/*
 * The number of changes when a record was locked, and when the reader that made
 * a hint locked. Only quiesced_is_true reads them.
 */
byte locked_at[CPUS] = NONE;
byte hint_since[CPUS * PAGES] = NONE;
byte ghost;
#endif

/* ---- quiesced_is_true ---- */

/*
 * If quiesced == changes, every hint and every entry in use is in the page
 * table. If the umem is also revoked, there is neither.
 */
inline check_quiesced_table()
{
	k = 0;
	do
	:: k < CPUS * PAGES ->
		quiesced_is_true = quiesced_is_true &&
			(!hints[k] || (hints[k] == pte[k % PAGES] && !revoked));
		k++
	:: else -> break
	od;
	k = 0;
	do
	:: k < READERS ->
		quiesced_is_true = quiesced_is_true &&
			(!using[k] || (using[k] == pte[page[k]] && !revoked));
		k++
	:: else -> break
	od
}

/*
 * Literally: no reader and no hint has seen a state before change number
 * quiesced.
 */
inline check_quiesced_numbers()
{
	k = 0;
#ifdef GHOST
	do
	:: k < CPUS * PAGES ->
		quiesced_is_true = quiesced_is_true &&
			hint_since[k] >= quiesced && locked_at[k / PAGES] >= quiesced;
		k++
	:: else -> break
	od
#endif
}

inline check_quiesced()
{
#ifndef ACCESS_ONLY
	if
	:: quiesced == changes -> check_quiesced_table()
	:: else
	fi;
	check_quiesced_numbers();
	k = 0;
#endif
	assert(quiesced_is_true)
}

/*
 * Numbers of changes are only compared. They can be replaced by smaller numbers
 * in the same order, which keeps them small, however many turns the actors
 * take.
 */
inline is_number_used()
{
	k = 0;
	do
	:: k < WAITERS && seen[k] != value -> k++
	:: else -> break
	od;
	if
	:: k < WAITERS || quiesced == value || changes == value -> k = 1
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
	:: quiesced == value -> quiesced = rank
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

/* peer_reader_lock(): any record can be used. */
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

/* peer_table_load(): flush_read_batch() uses no hint and makes none. */
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
	is_quiesced = quiesced == changes;
#ifdef BUG_WAIT_IF_REMOVED
	is_quiesced = !removed;
	removed = false;
#endif
#ifdef BUG_QUIESCED_EARLY
	quiesced = changes;
#endif
	if
	:: is_quiesced -> check_quiesced(); seen[me] = NONE
	:: else
	fi;
	renumber();
	xa_lock = false
}

/* hold: erased */
inline and_wait()
{
	if
	:: is_quiesced -> is_quiesced = false
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
#ifdef BUG_QUIESCED_CURRENT
			quiesced = changes;
#else
			if
			:: seen[me] > quiesced -> quiesced = seen[me]
			:: else
			fi;
#endif
			seen[me] = NONE;
			TOUCH_UMEM;
			check_quiesced();
			renumber();
			break
		   }
		od
	fi
}

/* ---- revoke.c ---- */

/* ib_umem_peer_set_revoked(): xa_lock is held. */
inline ib_umem_peer_set_revoked()
{
#ifndef BUG_REVOKE_UNCHANGED
	if
	:: !revoked -> ib_umem_peer_change()
	:: else
	fi;
#endif
	revoked = true
}
