/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Waits: for faults, which run in threads of their own; for fences within a
 * fault; and for active faults at deregistration. Each actor has one turn.
 * Time-outs would hide a lost wake-up, so there are none except with TIMEOUT.
 * See README.md for the defines.
 *
 * These end the waits for a fence: SIGNAL, the fence itself; REVOKE, the
 * exporter revokes the region; INVALIDATE, the exporter moves the page to a
 * location without a fence; DEREG, the umem is deregistered. Each must do so
 * alone. A page that never becomes present (NEVER) is waited for until DEREG
 * kills the fault. CANCEL ends the waits for the fault.
 */
#ifndef JOINERS
#define JOINERS 2	/* accesses that fault */
#endif
#define WORKS JOINERS

/* Processes that wait in peer->waiters: the workers. */
#define FAULTERS WORKS
/* The process that waits for active_faults. */
#define DRAINER FAULTERS

/* The umem. "umem_exists": the memory of the struct is allocated. */
bool umem_exists = true;
bool xa_lock;
bool revoked;
bool dead;			/* its only region is dead */
byte seq;			/* of the region */
byte window_seq[FAULTERS];
bool present;			/* its only page is in the page table */
byte active_faults;

/* The importer: the MR's key is valid; references of accesses in progress. */
bool mr = true;
byte accesses;

/* struct fault_work */
bool work_lock;
byte kref[WORKS];
bool on_list[WORKS];
bool queued[WORKS];
bool done[WORKS];
bool task[WORKS];
bool killed[WORKS];		/* a SIGKILL is pending */

/*
 * kernel/core/umem/cancel.c: all works of the importer are of one queue pair.
 */
bool cancel_lock;
bool cancel;
bool in_waits[JOINERS];
bool cancelled[JOINERS];

/*
 * Linux: a task in a wait queue, and whether it was woken since it was added.
 */
bool waits[FAULTERS + 1];
bool woken[FAULTERS + 1];

/* struct dma_fence, and the processes that have a callback in it. */
bool signaled;
bool fence_lock;
bool has_callback[FAULTERS];
bool in_fence_wait[FAULTERS];

#ifdef SIGNAL
#define SIGNALLERS 1
#else
#define SIGNALLERS 0
#endif
#ifdef REVOKE
#define REVOKERS 1
#else
#define REVOKERS 0
#endif
#ifdef INVALIDATE
#define INVALIDATORS 1
#else
#define INVALIDATORS 0
#endif
#ifdef DEREG
#define OWNERS 1
#else
#define OWNERS 0
#endif
#ifdef CANCEL
#define CANCELLERS 1
#else
#define CANCELLERS 0
#endif

/* Each actor reaches its end. */
#ifdef LIVENESS
byte ended;
#define END ended++
ltl every_wait_ends {
	<> (ended == JOINERS + SIGNALLERS + REVOKERS + INVALIDATORS + OWNERS +
	    CANCELLERS)
}
#else
#define END skip
#endif

bool no_use_after_free = true;
bool no_lost_wakeup = true;

byte k;

inline touch_umem()
{
	no_use_after_free = umem_exists;
	assert(no_use_after_free)
}

inline touch_work(w)
{
	no_use_after_free = kref[w] > 0;
	assert(no_use_after_free)
}

/* wake_up_all() of peer->waiters */
inline wake_waiters()
{
	k = 0;
	do
	:: k < FAULTERS -> woken[k] = woken[k] || waits[k]; k++
	:: else -> break
	od;
	k = 0
}

/* prepare_to_wait() */
inline prepare_to_wait(n)
{
	waits[n] = true;
	woken[n] = false
}

inline finish_wait(n)
{
	waits[n] = false;
	woken[n] = false
}

/* ---- kernel/core/umem/fault_fence.c ---- */

/* fence_wait_signaled(), fence_wait_over(), fence_wait_stale() */
#define FENCE_WAIT_ENDS(n) \
	(signaled || revoked || dead || seq != window_seq[n])

/* ib_peer_fault_wait(), by process number n */
inline ib_peer_fault_wait(n)
{
	/* dma_fence_add_callback() */
	atomic {
		!fence_lock ->
#ifndef BUG_NO_CALLBACK
		has_callback[n] = !signaled;
#endif
		in_fence_wait[n] = !signaled
	};
	/* hold: fence */
	if
	:: in_fence_wait[n] ->
		do
		:: prepare_to_wait(n);
		   if
		   :: atomic { FENCE_WAIT_ENDS(n) -> finish_wait(n); break }
		   :: atomic { !FENCE_WAIT_ENDS(n) -> touch_umem() }
		   fi;
		   atomic { woken[n] -> touch_umem() }
		od;
		/* dma_fence_remove_callback() */
#ifdef BUG_CALLBACK_STAYS
		in_fence_wait[n] = false
#else
		atomic {
			!fence_lock ->
			has_callback[n] = false;
			in_fence_wait[n] = false
		}
#endif
	:: else
	fi
}

#if SIGNALLERS > 0
/*
 * The fence is signalled: fence_wait_wake() for each callback, under its lock.
 */
proctype signaller()
{
	byte i;

	atomic { !fence_lock -> fence_lock = true; signaled = true };
	do
	:: i < FAULTERS ->
	   atomic {
		if
		:: has_callback[i] ->
			no_use_after_free = in_fence_wait[i];
			assert(no_use_after_free);
			touch_umem();
			wake_waiters()
		:: else
		fi;
		i++
	   }
	:: atomic { i == FAULTERS -> i = 0; fence_lock = false; break }
	od;
	END
}
#endif

/* ---- kernel/core/umem/fault.c ---- */

inline ib_umem_peer_fault_begin()
{
	touch_umem();
	active_faults++
}

/*
 * The umem may be freed when wake_up_var() is called: it only uses the address.
 */
inline ib_umem_peer_fault_end()
{
	atomic {
		touch_umem();
		no_use_after_free = active_faults > 0;
		assert(no_use_after_free);
		active_faults--;
		wake = active_faults == 0
	};
	atomic {
#ifndef BUG_DRAIN_NO_WAKE
		woken[DRAINER] = woken[DRAINER] || (wake && waits[DRAINER]);
#endif
		wake = false
	}
}

/* ib_umem_peer_drain_faults(): wait_var_event() */
inline ib_umem_peer_drain_faults()
{
	do
#ifdef BUG_NO_DRAIN
	:: break
#endif
	:: prepare_to_wait(DRAINER);
	   if
	   :: atomic {
		active_faults == 0 ->
		finish_wait(DRAINER);
		break
	      }
	   :: active_faults != 0
	   fi;
	   woken[DRAINER]
	od
}

/* By process number n. The exporter has added a fence for the page. */
inline ib_umem_peer_fault(n)
{
	atomic { ib_umem_peer_fault_begin() };
	do
	:: atomic { revoked -> break }
#ifdef NEVER
	/* system_fault_in() */
	:: atomic { !revoked -> skip };
endless:   killed[n];
	   break
#else
	:: atomic {
		/* ib_peer_resolve_exporter() */
		!revoked && !xa_lock ->
		if
		:: dead -> break
		:: else -> window_seq[n] = seq
		fi
	   };
	   if
	   :: atomic { !window_seq[n] -> skip };
	      ib_peer_fault_wait(n)
	   :: atomic { window_seq[n] -> skip }
	   fi;
	   /* ib_umem_peer_publish() */
	   atomic {
		!xa_lock ->
		touch_umem();
		if
		:: seq != window_seq[n] || revoked || dead
		:: else -> present = true; break
		fi
	   }
#endif
	od;
	ib_umem_peer_fault_end()
}

/* ---- kernel/core/umem/fault_work.c ---- */

/* fault_work_run() */
proctype worker(byte w)
{
	bool wake;

end:	do
	:: atomic { queued[w] -> queued[w] = false };
	   /* peer_active_fault_start() */
	   atomic { !work_lock -> touch_umem(); touch_work(w); task[w] = true };
	   /* fault_work_is_needed() */
	   if
	   :: present
	   :: else -> ib_umem_peer_fault(w)
	   fi;
	   /* hold: faulted */
#ifdef BUG_ENDED_EARLY
	   ib_umem_peer_fault_end();
#endif
	   /* fault_work_end() */
	   atomic {
		!work_lock ->
		touch_umem();
		touch_work(w);
		task[w] = false;
		on_list[w] = false
	   };
	   killed[w] = false;
	   /* smp_store_release(), then wake_up_all() */
	   atomic {
		touch_work(w);
#ifndef BUG_NO_COMPLETE
		done[w] = true
#endif
	   };
	   atomic { touch_work(w); kref[w]-- };
#ifndef BUG_ENDED_EARLY
	   ib_umem_peer_fault_end()
#endif
	od
}

/* fault_work_start(): sets w */
inline fault_work_start()
{
	/* fault_work_alloc() */
	atomic {
		w = 0;
		do
		:: kref[w] -> w++
		:: else -> break
		od;
		kref[w] = 1;
		done[w] = false
	};
	/*
	 * hold: missed. fault_work_find(): a fault of other pages cannot be
	 * joined.
	 */
	atomic {
		!work_lock ->
		touch_umem();
		found = 0;
		do
		:: found < WORKS -> found++
		:: found < WORKS && on_list[found] -> break
		:: else -> break
		od;
		if
		:: found < WORKS ->
			kref[w] = 0;
			w = found;
#ifndef BUG_FIND_NO_REF
			kref[w]++
#endif
		:: else ->
			/* fault_work_queue() */
			kref[w]++;
			on_list[w] = true;
#ifndef BUG_BEGIN_LATE
			ib_umem_peer_fault_begin();
#endif
			queued[w] = true
		fi;
		found = 0
	}
}

/* ---- kernel/core/umem/cancel.c ---- */

inline ib_peer_wait_begin(j)
{
#ifdef BUG_CANCEL_MISSED
	cancelled[j] = cancel;
	atomic { !cancel_lock -> in_waits[j] = true }
#else
	atomic {
		!cancel_lock ->
		in_waits[j] = true;
		cancelled[j] = cancel
	}
#endif
}

inline ib_peer_wait_end(j)
{
	atomic { !cancel_lock -> in_waits[j] = false }
}

#if CANCELLERS > 0
/*
 * rxe_peer_stop_waits(): ib_umem_peer_cancel(). Then rxe waits for the works.
 */
proctype canceller()
{
	atomic { !cancel_lock -> cancel_lock = true; cancel = true };
	atomic {
		k = 0;
		do
		:: k < JOINERS -> cancelled[k] = cancelled[k] || in_waits[k]; k++
		:: else -> break
		od;
		k = 0;
		cancel_lock = false
	};
	accesses == 0;
	END
}
#endif

/*
 * fault_work_run_and_wait() of ib_umem_peer_fault_wait(),
 * ib_umem_peer_fault_timeout(), or ib_umem_peer_prefetch(); fault_work_wait().
 */
proctype joiner(byte j)
{
	byte w, found;

	if
	:: !mr
	:: atomic { mr -> accesses++ };
	   fault_work_start();
#ifdef BUG_BEGIN_LATE
	   atomic { ib_umem_peer_fault_begin() };
#endif
	   ib_peer_wait_begin(j);
	   if
	   :: done[w]
	   :: cancelled[j]
#ifdef TIMEOUT
	   :: true
#endif
	   fi;
	   ib_peer_wait_end(j);
	   atomic { touch_work(w); kref[w]--; w = 0 };
	   accesses--
	fi;
	END
}

/* ---- revocation and deregistration ---- */

/* ib_umem_peer_kill(): ib_umem_peer_set_revoked() */
inline ib_umem_peer_kill()
{
	atomic { !xa_lock -> touch_umem(); xa_lock = true };
#ifdef BUG_WAKE_EARLY
	atomic { wake_waiters() };
	revoked = true;
#else
	revoked = true;
#ifndef BUG_KILL_NO_WAKE
	atomic { wake_waiters() };
#endif
#endif
	xa_lock = false
}

#if OWNERS > 0
/* send_sig() to each */
inline ib_umem_peer_kill_faults()
{
	atomic {
		!work_lock ->
		touch_umem();
		k = 0;
		do
		:: k < WORKS ->
			killed[k] = killed[k] || (on_list[k] && task[k]);
			k++
		:: else -> break
		od;
		k = 0
	}
}

/* ib_umem_peer_stop(), then ib_umem_peer_release() */
proctype owner()
{
	mr = false;
#ifdef BUG_KILL_FAULTS_EARLY
	ib_umem_peer_kill_faults();
	ib_umem_peer_kill();
#else
	ib_umem_peer_kill();
	ib_umem_peer_kill_faults();
#endif
	ib_umem_peer_drain_faults();
	/*
	 * The importer waits for its accesses. None of them waits for a page
	 * any more.
	 */
	accesses == 0;
	ib_umem_peer_kill();
	ib_umem_peer_kill_faults();
	ib_umem_peer_drain_faults();
	/* ib_umem_peer_free() */
	atomic {
		no_use_after_free = !active_faults;
		assert(no_use_after_free);
		umem_exists = false
	};
	END
}
#endif

#if REVOKERS > 0
/* ib_peer_revoke(): ib_umem_peer_mark_dead() */
proctype revoker()
{
	atomic { !xa_lock -> xa_lock = true };
	dead = true;
#ifndef BUG_DEAD_NO_WAKE
	atomic { wake_waiters() };
#endif
	xa_lock = false;
	END
}
#endif

#if INVALIDATORS > 0
/* ib_peer_invalidate() */
proctype invalidator()
{
	atomic { !xa_lock -> xa_lock = true };
	seq++;
#ifndef BUG_INVALIDATE_NO_WAKE
	atomic { wake_waiters() };
#endif
	xa_lock = false;
	END
}
#endif

/*
 * A wake-up is lost if a task sleeps, no process will wake it, and the
 * condition it waits for is true. Spin also reports that as an invalid end
 * state.
 */
proctype observer()
{
	atomic {
		timeout ->
		k = 0;
		do
		:: k < FAULTERS ->
			no_lost_wakeup = no_lost_wakeup &&
				(!waits[k] || woken[k] || !FENCE_WAIT_ENDS(k));
			k++
		:: else -> break
		od;
		no_lost_wakeup = no_lost_wakeup &&
			(!waits[DRAINER] || woken[DRAINER] || active_faults);
		k = 0;
		assert(no_lost_wakeup)
	}
}

init {
	atomic {
		k = 0;
		do
		:: k < WORKS -> run worker(k); run joiner(k); k++
		:: else -> break
		od;
#if CANCELLERS > 0
		run canceller();
#endif
#if SIGNALLERS > 0
		run signaller();
#endif
#if OWNERS > 0
		run owner();
#endif
#if REVOKERS > 0
		run revoker();
#endif
#if INVALIDATORS > 0
		run invalidator();
#endif
		run observer();
		k = 0
	}
}
