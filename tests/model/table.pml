/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page table: readers, faults that publish, invalidations by mmu notifiers
 * and by exporters, and revocation. See README.md for the defines.
 *
 * The owner of the memory (an exporter; with SYSTEM the mm) keeps each page at
 * location 1 or 2. After an invalidation, the owner gives the old location to
 * someone else and uses the other one. After revocation of the region or the
 * umem, the page has no location (0).
 *
 * All actors take turns without end. Each may stop between two turns.
 */
#define PAGES 2
#ifndef CPUS
#define CPUS 2
#endif
#ifndef READERS
#define READERS 2
#endif
#ifndef MMU
#define MMU 0		/* processes that call mmu notifiers */
#endif
#ifndef EXPORTERS
#define EXPORTERS 0	/* processes that call ib_peer_invalidate() */
#endif
#ifndef REVOKERS
#define REVOKERS 0	/* processes that revoke the region or the umem */
#endif
#ifndef FAULTS
#define FAULTS 1
#endif
#define WAITERS (MMU + EXPORTERS + REVOKERS + FAULTS)

/*
 * An actor may stop between two turns. Otherwise endless waits would be normal.
 */
#ifdef FOREVER
#define STOP
#else
#define STOP :: break
#endif

/* An entry, and the result of resolve: a location, and PEER_PTE_WRITE. */
#define LOCATION(pte) ((pte) & 3)
#define WRITE 4
#ifdef RUNS
#define MAKES_HINT(pte) ((pte) & WRITE)
#else
#define MAKES_HINT(pte) (pte)
#endif
#define TOUCH_UMEM skip

#include "readers.pml"

/* The owner. */
byte location[PAGES] = 1;
bool owner_lock[PAGES];
#ifdef WRITES
bool written[PAGES];		/* the location has data of a write */
bool dirty[PAGES];		/* PageDirty() is true */
bool no_lost_write = true;
#endif

#ifdef BUG_DEAD_LATE
bool marking_dead;
#endif

/* The region. seq and rs are only compared, see renumber_seq(). */
bool dead;
byte seq = 1;
byte rs[FAULTS];

/* The page table: one entry covers both pages. */
bool is_run;

/*
 * Linux: sequences of the mmu notifier. An odd mm_seq means that at least one
 * invalidation is in progress. ms is window->mmu_seq. See renumber_mmu_seq().
 */
byte mm_seq = 2;
byte mm_active;
byte mmu_seq = 1;
byte ms[FAULTS];

#define EAGAIN 1
#define ENOMEM 2

/* Sequences are compared for equality: an old one is replaced by 0. */
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

/* The same, but even and odd numbers stay even and odd. */
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

inline use_location(me)
{
	no_stale_access = location[page[me]] == LOCATION(using[me]);
	assert(no_stale_access)
}

/*
 * peer_copy_span(), peer_word(), or ib_umem_peer_present(), which uses nothing.
 * Also flush_region(), which does not look for hints.
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
#if REVOKERS > 0 && !defined(BUG_REVOKED_UNREAD)
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
		landed = location[page[me]] == LOCATION(using[me]);
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
		:: use_location(me)
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
 * Erases from page_at to last, in batches of one; then unlock(). The caller
 * holds xa_lock and has called next_entry().
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
		dead = dead || marking_dead;
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
#define REGION_IS_STALE false
#else
#define REGION_IS_STALE (dead || SEQ_MOVED)
#endif

inline window_is_stale()
{
	is_stale = revoked || MMU_SEQ_MOVED || REGION_IS_STALE
}

#define SERVES(old_pte, pte) (old_pte == pte || old_pte == (pte | WRITE))

/* publish_prepare() and xas_store() of one page, number done. */
inline publish_page()
{
	if
	:: !window[done] ||
	   (pte[done] && SERVES(pte[done], window[done])) -> done++
	:: else ->
		if
		:: pte[done] -> ib_umem_peer_change()
		:: else
		fi;
#ifdef NOMEM
		if
		:: ret = ENOMEM
		:: pte[done] = window[done]; done++
		fi
#else
		pte[done] = window[done];
		done++
#endif
	fi
}

/* The same for page number done, where an entry may cover both pages. */
#define WINDOW_IS_RUN (done == 0 && window[0] && window[0] == window[1])

inline publish_prepare()
{
	store = true;
	if
	:: !window[done] -> store = false; done++
#ifdef BUG_ERASED_FOR_STORE
	:: window[done] && pte[done] ->
		if
		:: is_run -> pte[0] = 0; pte[1] = 0; is_run = false
		:: else -> pte[done] = 0
		fi;
		erased_run = true
#else
	:: window[done] && WINDOW_IS_RUN && is_run && SERVES(pte[0], window[0]) ->
		store = false; done = 2
	:: window[done] && !WINDOW_IS_RUN && pte[done] &&
	   SERVES(pte[done], window[done]) ->
		store = false; done++
#endif
	:: else ->
		if
		:: is_run && !WINDOW_IS_RUN ->
			/* A larger entry cannot be replaced in part. */
#ifndef BUG_ERASED_UNCHANGED
			ib_umem_peer_change();
#endif
			pte[0] = 0;
			pte[1] = 0;
			is_run = false;
			erased_run = true
		:: !(is_run && !WINDOW_IS_RUN) && (pte[done] ||
		   (WINDOW_IS_RUN && pte[1])) -> ib_umem_peer_change()
		:: else
		fi
	fi
}

/* xas_store(): without memory for a node, hold: nomem. */
inline xas_store()
{
	if
	:: ret = ENOMEM
	:: WINDOW_IS_RUN ->
		pte[0] = window[0];
		pte[1] = window[1];
		is_run = true;
		done = 2
	:: !WINDOW_IS_RUN ->
		pte[done] = window[done];
		done++
	fi
}

/*
 * hold: publish. If an entry was erased to make room, the store is a step of
 * its own: readers find the page missing in between.
 */
inline publish_window()
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
			:: store && !erased_run -> xas_store(); store = false
			:: else
			fi;
			erased_run = false
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
		window_is_stale();
#ifdef BUG_NOMEM_UNCHECKED
		is_stale = is_stale && ret != ENOMEM;
#endif
		ret = (is_stale -> EAGAIN : 0);
		is_stale = false
	   };
	   publish_window();
	   and_wait();
	   /* xas_nomem(): memory was allocated, or not. */
	   if
	   :: ret == ENOMEM
	   :: atomic {
		done = 0;
		ret = 0;
		ms[f] = 0;
		rs[f] = 0;
		window[0] = 0;
		window[1] = 0;
		break
	   }
	   fi
	od
}

/* ---- faults ---- */

/*
 * The owner resolves a page. Only the page of a write fault gets
 * PEER_PTE_WRITE.
 */
#ifdef RUNS
#define NEXT_STEP
#else
#define NEXT_STEP }; atomic {
#endif

inline resolve_page(n)
{
	window[n] = location[n];
#ifdef RUNS
	if
	:: window[n] && for_writing == n + 1 -> window[n] = window[n] | WRITE
	:: else
	fi
#endif
}

/* fault_mm(), and what it calls, for a window of all pages. */
proctype ib_umem_peer_fault(byte me; byte f)
{
	byte window[PAGES];
	byte at, done, ret;
	bool is_quiesced, is_stale;
#ifdef RUNS
	byte for_writing;
	bool store, erased_run;
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
	   /*
	    * ib_peer_resolve_system(): hmm_range_fault(), page by page. hold:
	    * resolve
	    */
	   atomic {
		resolve_page(0);
		NEXT_STEP
		resolve_page(1)
	   };
#else
	   /* fault_find_region(), ib_peer_resolve_exporter() */
	   atomic {
		!xa_lock;
		if
		:: revoked || dead -> break
		:: else -> rs[f] = seq
		fi
	   };
	   /* hold: resolve */
	   atomic {
		!owner_lock[0]; resolve_page(0);
		NEXT_STEP
		!owner_lock[1]; resolve_page(1)
	   };
#endif
	   /* hold: resolved */
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

/* ---- the owner invalidates pages ---- */

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

inline reuse_location()
{
	do
	:: page_at <= last ->
#ifdef WRITES
		no_lost_write = !written[page_at] || dirty[page_at];
		assert(no_lost_write);
		written[page_at] = false;
		dirty[page_at] = false;
#endif
		location[page_at] = (location[page_at] -> 3 - location[page_at] : 0);
		page_at++
	:: else -> break
	od;
	page_at = 0;
	last = 0
}

#if MMU > 0
/*
 * An event of the mm, for any pages. It removes pages of SYSTEM memory. Pages
 * of an exporter stay where they are until the exporter moves them.
 */
proctype umem_mn_on_demand(byte me)
{
	byte page_at, last, at, first;
	bool is_quiesced;
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
		reuse_location()
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
/* An exporter moves some pages while it holds their locks. */
proctype ib_peer_invalidate(byte me)
{
	byte page_at, last, at, first;
	bool is_quiesced;
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
		reuse_location();
		owner_lock[0] = owner_lock[0] && (first % 2);
		owner_lock[1] = owner_lock[1] && !(first / 2);
		first = 0
	   }
	STOP
	od
}
#endif

/* ---- revocation ---- */

#if REVOKERS > 0
inline ib_umem_peer_mark_dead()
{
	atomic {
		!xa_lock -> xa_lock = true;
#ifdef BUG_SECOND_CALLER
		was_dead = dead;
#endif
#ifdef BUG_DEAD_LATE
		marking_dead = true;
#else
		dead = true;
#endif
		page_at = (revoked -> PAGES : 0);
		last = PAGES - 1;
		next_entry();
#ifdef BUG_SECOND_CALLER
		if
		:: was_dead -> is_quiesced = true; page_at = 0; last = 0; xa_lock = false
		:: else
		fi
#endif
	};
#ifdef BUG_SECOND_CALLER
	if
	:: was_dead -> atomic { is_quiesced = false; was_dead = false }
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
		ib_umem_peer_set_revoked();
		unlock()
	};
	and_wait()
}

/*
 * Ends access for ever: the exporter by ib_peer_revoke(), for an on-demand or
 * pinned region (region_mark_dead()); deregistration by ib_umem_peer_stop().
 */
proctype revoker(byte me)
{
	byte page_at, last, at;
	bool is_quiesced;
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
	atomic { location[0] = 0; location[1] = 0 }
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
#if REVOKERS > 0
		run revoker(FAULTS + MMU + EXPORTERS);
#endif
#if REVOKERS > 1
		run revoker(FAULTS + MMU + EXPORTERS + 1);
#endif
		skip
	}
}
