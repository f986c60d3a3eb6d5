/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page table: readers, faults that publish, invalidations by both roads, and
 * what ends accesses for ever. See README.md for the defines.
 *
 * The owner of the memory (an exporter; with SYSTEM the mm) keeps each page at
 * place 1 or 2. When an invalidation has returned, the owner gives the old place to
 * somebody else and takes the other one. With the end of the region or the umem the
 * page is at no place (0).
 *
 * All actors take turns without end, and each may stop between two turns.
 */
#define PAGES 2
#ifndef CPUS
#define CPUS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef MMU
#define MMU 0		/* processes that are mmu notifiers' callers */
#endif
#ifndef EXPORTERS
#define EXPORTERS 0	/* processes that call ib_peer_invalidate() */
#endif
#ifndef ENDERS
#define ENDERS 0	/* processes that revoke the region or the umem */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define WAITERS (MMU + EXPORTERS + ENDERS + FAULTS)

/* Between two turns an actor may stop; else it is no wonder if others wait for ever. */
#ifdef FOREVER
#define STOP
#else
#define STOP :: break
#endif

/* An entry, as the answer of an owner: a place, and PEER_PTE_WRITE. */
#define PLACE(pte) ((pte) & 3)
#define WRITE 4
#ifdef RUNS
#define MAKES_HINT(pte) ((pte) & WRITE)
#else
#define MAKES_HINT(pte) (pte)
#endif
#define TOUCH_UMEM skip

#include "readers.pml"

/* The owner. */
byte place[PAGES] = 1;
bool owner_lock[PAGES];
#ifdef WRITES
bool written[PAGES];		/* bytes of a write are at the place */
bool dirty[PAGES];		/* and PageDirty() says so */
bool no_lost_write = true;
#endif

#ifdef BUG_DEAD_LATE
bool to_die;
#endif

/* The region; seq and rs are only compared, see renumber_seq(). */
bool dead;
byte seq = 1;
byte rs[FAULTS];

/* The page table: one entry stands for both pages. */
bool is_run;

/*
 * Linux: sequences of the mmu notifier. An odd one of the mm says that at least one
 * invalidation is under way; ms is answer->mmu_seq. See renumber_mmu_seq().
 */
byte mm_seq = 2;
byte mm_active;
byte mmu_seq = 1;
byte ms[FAULTS];

#define EAGAIN 1
#define ENOMEM 2

/* Sequences are compared for equality: who has an old one has 0. */
inline renumber_seq()
{
	k = 0;
	do
	:: k < FAULTS ->
		rs[k] = (rs[k] == seq -> 1 : 0);
		k++
	:: else -> break
	od;
	k = 0;
	seq = 1
}

/* The same, with what is even or odd kept. */
inline renumber_mmu_seq()
{
	k = 0;
	do
	:: k < FAULTS ->
		ms[k] = (ms[k] == mmu_seq -> 1 : 0);
		k++
	:: else -> break
	od;
	k = 0;
	mm_seq = mm_seq - mmu_seq + 1;
	mmu_seq = 1
}

/* ---- readers ---- */

inline use_place(me)
{
	no_stale_access = place[page[me]] == PLACE(using[me]);
	assert(no_stale_access)
}

/*
 * peer_copy_span(), peer_word(), or ib_umem_peer_present(), which uses nothing; and
 * flush_region(), which does not look for hints.
 */
proctype reader(byte me)
{
#ifdef BUG_LOOKUP_UNLOCKED
	byte early;
#endif
#ifdef WRITES
	bool landed;
#endif

end:	do
	:: atomic {
		if
		:: !reader_lock[me] -> cpu[me] = me
#ifdef MIGRATE
		:: !reader_lock[1 - me] -> cpu[me] = 1 - me
#endif
		fi;
		if
		:: page[me] = 0
		:: page[me] = 1
		fi;
#ifdef BUG_LOOKUP_UNLOCKED
		early = pte[page[me]]
	   };
	   atomic {
#endif
		peer_reader_lock(me);
#if ENDERS > 0 && !defined(BUG_REVOKED_UNREAD)
		/* peer_lookup() */
		if
		:: revoked -> peer_reader_unlock(me); goto end
		:: else
		fi
	   };
	   atomic {
#endif
		if
		:: peer_reader_pte(me)
#ifdef FLUSH
		:: peer_table_load(me)
#endif
		fi;
#ifdef BUG_LOOKUP_UNLOCKED
		if
		:: early -> using[me] = early; early = 0
		:: else
		fi;
#endif
		if
		:: !using[me] -> peer_reader_unlock(me); goto end
		:: else
		fi
	   };
	   /* hold: copy */
#ifdef WRITES
	   atomic {
		landed = place[page[me]] == PLACE(using[me]);
		written[page[me]] = written[page[me]] || landed
	   };
	   /* peer_unmap() */
	   atomic {
		no_lost_write = landed;
		assert(no_lost_write);
		landed = false;
#ifdef BUG_DIRTY_LATE
		reader_lock[cpu[me]] = false
	   };
	   atomic {
#endif
#ifndef BUG_NOT_DIRTY
		dirty[page[me]] = true;
#endif
		peer_reader_unlock(me)
	   }
#else
	   atomic {
		if
		:: use_place(me)
		:: skip
		fi;
		peer_reader_unlock(me)
	   }
#endif
	STOP
	od
}

/* ---- page_table.c ---- */

/* xas_for_each(): the next entry. */
inline next_entry()
{
	do
	:: page_at <= last && !pte[page_at] -> page_at++
	:: else -> break
	od
}

/*
 * From page_at to last, with batches of one; then unlock(). xa_lock is held, and
 * next_entry() was called.
 */
inline ib_umem_peer_erase()
{
	do
	:: atomic {
		page_at <= last ->
#ifndef BUG_CHANGE_AT_END
		ib_umem_peer_change();
#endif
#if defined(BUG_CHANGE_AT_END) || defined(BUG_WAIT_IF_REMOVED)
		removed = true;
#endif
		pte[page_at] = 0;
		if
		:: is_run -> pte[0] = 0; pte[1] = 0; is_run = false
		:: else
		fi;
		page_at++;
		renumber();
		xa_lock = false
	   };
	   /* hold: erase */
	   atomic {
		!xa_lock -> xa_lock = true;
		next_entry()
	   }
	:: atomic {
		page_at > last ->
		page_at = 0;
		last = 0;
#ifdef BUG_CHANGE_AT_END
		if
		:: removed -> ib_umem_peer_change(); removed = false
		:: else
		fi;
#endif
#ifdef BUG_SEQ_LATE
		seq++;
		renumber_seq();
#endif
#ifdef BUG_DEAD_LATE
		dead = dead || to_die;
#endif
		unlock();
		break
	   }
	od
}

#ifdef BUG_MMU_SEQ
#define MMU_SEQ_MOVED false
#else
#define MMU_SEQ_MOVED (ms[f] != mmu_seq)
#endif
#ifdef BUG_REGION_SEQ
#define SEQ_MOVED false
#else
#define SEQ_MOVED (rs[f] != seq)
#endif
#ifdef SYSTEM
#define REGION_IS_OLD false
#else
#define REGION_IS_OLD (dead || SEQ_MOVED)
#endif

inline answer_is_old()
{
	old = revoked || MMU_SEQ_MOVED || REGION_IS_OLD
}

#define SERVES(old_pte, pte) (old_pte == pte || old_pte == (pte | WRITE))

/* publish_prepare() and xas_store() of one page, number done. */
inline publish_page()
{
	if
	:: !answer[done] ||
	   (pte[done] && SERVES(pte[done], answer[done])) -> done++
	:: else ->
		if
		:: pte[done] -> ib_umem_peer_change()
		:: else
		fi;
#ifdef NOMEM
		if
		:: ret = ENOMEM
		:: pte[done] = answer[done]; done++
		fi
#else
		pte[done] = answer[done];
		done++
#endif
	fi
}

/* The same of page number done, where entries may stand for both pages. */
#define ANSWER_IS_RUN (done == 0 && answer[0] && answer[0] == answer[1])

inline publish_prepare()
{
	store = true;
	if
	:: !answer[done] -> store = false; done++
#ifdef BUG_STORED_ANEW
	:: answer[done] && pte[done] ->
		if
		:: is_run -> pte[0] = 0; pte[1] = 0; is_run = false
		:: else -> pte[done] = 0
		fi;
		made_room = true
#else
	:: answer[done] && ANSWER_IS_RUN && is_run && SERVES(pte[0], answer[0]) ->
		store = false; done = 2
	:: answer[done] && !ANSWER_IS_RUN && pte[done] &&
	   SERVES(pte[done], answer[done]) ->
		store = false; done++
#endif
	:: else ->
		if
		:: is_run && !ANSWER_IS_RUN ->
			/* A larger entry cannot be replaced in part. */
#ifndef BUG_TAKEN_OUT_UNCHANGED
			ib_umem_peer_change();
#endif
			pte[0] = 0;
			pte[1] = 0;
			is_run = false;
			made_room = true
		:: !(is_run && !ANSWER_IS_RUN) && (pte[done] ||
		   (ANSWER_IS_RUN && pte[1])) -> ib_umem_peer_change()
		:: else
		fi
	fi
}

/* xas_store(): with no node to be had, hold: nomem. */
inline xas_store()
{
	if
	:: ret = ENOMEM
	:: ANSWER_IS_RUN ->
		pte[0] = answer[0];
		pte[1] = answer[1];
		is_run = true;
		done = 2
	:: !ANSWER_IS_RUN ->
		pte[done] = answer[done];
		done++
	fi
}

/*
 * hold: publish. With an entry taken out to make room, the store is a step of its
 * own: readers see the page missing.
 */
inline publish_checked()
{
	do
	:: atomic {
		!ret && done < PAGES ->
#ifdef RUNS
		if
		:: store -> xas_store(); store = false
		:: else ->
			publish_prepare();
			if
			:: store && !made_room -> xas_store(); store = false
			:: else
			fi;
			made_room = false
		fi
#else
		publish_page()
#endif
	   }
	:: atomic { ret || done == PAGES -> unlock(); break }
	od
}

inline ib_umem_peer_publish()
{
	do
	:: atomic {
		!xa_lock -> xa_lock = true;
		answer_is_old();
#ifdef BUG_NOMEM_UNCHECKED
		old = old && ret != ENOMEM;
#endif
		ret = (old -> EAGAIN : 0);
		old = false
	   };
	   publish_checked();
	   and_wait();
	   /* xas_nomem(): memory was found, or not. */
	   if
	   :: ret == ENOMEM
	   :: atomic {
		done = 0;
		ret = 0;
		ms[f] = 0;
		rs[f] = 0;
		answer[0] = 0;
		answer[1] = 0;
		break
	   }
	   fi
	od
}

/* ---- faults ---- */

/* The owner says where a page is; for writing only that one. */
#ifdef RUNS
#define STEP_FOR_THE_NEXT
#else
#define STEP_FOR_THE_NEXT }; atomic {
#endif

inline ask_owner(n)
{
	answer[n] = place[n];
#ifdef RUNS
	if
	:: answer[n] && for_writing == n + 1 -> answer[n] = answer[n] | WRITE
	:: else
	fi
#endif
}

/* fault_mm(), and what it calls, for a window of all pages. */
proctype ib_umem_peer_fault(byte me; byte f)
{
	byte answer[PAGES];
	byte at, done, ret;
	bool is_quiet, old;
#ifdef RUNS
	byte for_writing;
	bool store, made_room;
#endif
#ifdef BUG_WAIT_IF_REMOVED
	bool removed;
#endif

end:	do
	:: /* mmu_interval_read_begin() */
	   atomic {
#ifdef RUNS
		if
		:: for_writing = 0
		:: for_writing = 1
		:: for_writing = 2
		fi;
#endif
		ms[f] = mmu_seq
	   };
	   ms[f] != mm_seq;
#ifdef SYSTEM
	   /* ib_peer_ask_system(): hmm_range_fault(), page by page. hold: ask */
	   atomic {
		ask_owner(0);
		STEP_FOR_THE_NEXT
		ask_owner(1)
	   };
#else
	   /* fault_find_region(), ib_peer_ask_exporter() */
	   atomic {
		!xa_lock;
		if
		:: revoked || dead -> break
		:: else -> rs[f] = seq
		fi
	   };
	   /* hold: ask */
	   atomic {
		!owner_lock[0]; ask_owner(0);
		STEP_FOR_THE_NEXT
		!owner_lock[1]; ask_owner(1)
	   };
#endif
	   /* hold: answered */
#ifdef RUNS
	   for_writing = 0;
#endif
	   ib_umem_peer_publish()
#ifdef ONE_FAULT
	   ;
	   break
#endif
	STOP
	od
}

/* ---- the owner takes pages away ---- */

/* With RUNS all pages are one block of memory, which moves as a whole. */
inline choose_pages()
{
#ifdef RUNS
	last = 1
#else
	if
	:: last = 0
	:: last = 1
	:: first = 1; last = 1
	fi
#endif
}

inline give_away()
{
	do
	:: page_at <= last ->
#ifdef WRITES
		no_lost_write = !written[page_at] || dirty[page_at];
		assert(no_lost_write);
		written[page_at] = false;
		dirty[page_at] = false;
#endif
		place[page_at] = (place[page_at] -> 3 - place[page_at] : 0);
		page_at++
	:: else -> break
	od;
	page_at = 0;
	last = 0
}

#if MMU > 0
/*
 * An event of the mm, of any pages. Of SYSTEM memory it takes the pages away; an
 * exporter's stay where they are, until it moves them itself.
 */
proctype umem_mn_on_demand(byte me)
{
	byte page_at, last, at, first;
	bool is_quiet;
#if defined(BUG_CHANGE_AT_END) || defined(BUG_WAIT_IF_REMOVED)
	bool removed;
#endif

end:	do
	:: atomic {
		choose_pages();
		page_at = first;
		mm_active++;
		mm_seq = mm_seq | 1
	   };
	   atomic {
		!xa_lock -> xa_lock = true;
		mmu_seq = mm_seq;
		renumber_mmu_seq();
		next_entry();
#ifdef SYSTEM
		first = first + 2 * last
#else
		first = 0
#endif
	   };
	   ib_umem_peer_erase();
	   and_wait();
	   /* hold: drop */
#ifdef SYSTEM
	   atomic {
		page_at = first % 2;
		last = first / 2;
		first = 0;
		give_away()
	   };
#endif
	   atomic {
		mm_active--;
		if
		:: mm_active == 0 -> mm_seq++
		:: else
		fi
	   }
	STOP
	od
}
#endif

#if EXPORTERS > 0
/* An exporter moves some pages, with their locks held. */
proctype ib_peer_invalidate(byte me)
{
	byte page_at, last, at, first;
	bool is_quiet;
#if defined(BUG_CHANGE_AT_END) || defined(BUG_WAIT_IF_REMOVED)
	bool removed;
#endif

end:	do
	:: atomic {
		choose_pages();
		(first || !owner_lock[0]) && (!last || !owner_lock[1]);
		owner_lock[0] = owner_lock[0] || !first;
		owner_lock[1] = owner_lock[1] || last;
		page_at = first;
		first = first + 2 * last
	   };
	   atomic {
		!xa_lock -> xa_lock = true;
#ifndef BUG_SEQ_LATE
		seq++;
		renumber_seq();
#endif
		next_entry()
	   };
	   ib_umem_peer_erase();
	   and_wait();
	   atomic {
		page_at = first % 2;
		last = first / 2;
		give_away();
		owner_lock[0] = owner_lock[0] && (first % 2);
		owner_lock[1] = owner_lock[1] && !(first / 2);
		first = 0
	   }
	STOP
	od
}
#endif

/* ---- the end ---- */

#if ENDERS > 0
inline ib_umem_peer_mark_dead()
{
	atomic {
		!xa_lock -> xa_lock = true;
#ifdef BUG_SECOND_CALLER
		was_dead = dead;
#endif
#ifdef BUG_DEAD_LATE
		to_die = true;
#else
		dead = true;
#endif
		page_at = (revoked -> PAGES : 0);
		last = PAGES - 1;
		next_entry();
#ifdef BUG_SECOND_CALLER
		if
		:: was_dead -> is_quiet = true; page_at = 0; last = 0; xa_lock = false
		:: else
		fi
#endif
	};
#ifdef BUG_SECOND_CALLER
	if
	:: was_dead -> atomic { is_quiet = false; was_dead = false }
	:: else -> ib_umem_peer_erase(); and_wait()
	fi
#else
	ib_umem_peer_erase();
	and_wait()
#endif
}

inline ib_umem_peer_kill()
{
	atomic {
		!xa_lock -> xa_lock = true;
		umem_set_revoked();
		unlock()
	};
	and_wait()
}

/*
 * Whoever ends accesses for ever: the exporter by ib_peer_revoke(), of a region on
 * demand or pinned (ib_peer_region_stop()); deregistration by ib_umem_peer_stop().
 */
proctype ender(byte me)
{
	byte page_at, last, at;
	bool is_quiet;
#if defined(BUG_CHANGE_AT_END) || defined(BUG_WAIT_IF_REMOVED)
	bool removed;
#endif
#ifdef BUG_SECOND_CALLER
	bool was_dead;
#endif

	if
	:: ib_umem_peer_mark_dead()
	:: ib_umem_peer_kill();
	   /* hold: stop */
	   if
	   :: ib_umem_peer_mark_dead()
	   :: skip
	   fi
	fi;
	atomic { place[0] = 0; place[1] = 0 }
}
#endif

init {
	atomic {
		run reader(0);
#if READERS > 1
		run reader(1);
#endif
		run ib_umem_peer_fault(0, 0);
#if FAULTS > 1
		run ib_umem_peer_fault(1, 1);
#endif
#if MMU > 0
		run umem_mn_on_demand(FAULTS);
#endif
#if MMU > 1
		run umem_mn_on_demand(FAULTS + 1);
#endif
#if EXPORTERS > 0
		run ib_peer_invalidate(FAULTS + MMU);
#endif
#if EXPORTERS > 1
		run ib_peer_invalidate(FAULTS + MMU + 1);
#endif
#if ENDERS > 0
		run ender(FAULTS + MMU + EXPORTERS);
#endif
#if ENDERS > 1
		run ender(FAULTS + MMU + EXPORTERS + 1);
#endif
		skip
	}
}
