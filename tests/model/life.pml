/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Lifetimes of umems that are allocated one after the other at one address, and
 * of their regions. See README.md for the defines.
 *
 * The umem has one page. An entry, and a hint, is the number of the region that
 * it belongs to. Access to a region has ended when its owner may rely on that:
 * ib_peer_revoke() or the munmap() has returned, or release() was called.
 */
#define PAGES 1
#define CPUS 1
#define READERS 1
#define REGIONS 2
#define MAKES_HINT(pte) (pte)
#define TOUCH_UMEM touch_umem()

/* Numbers of the processes that wait for readers, and that fault. */
#define OWNER 0
#define ACCESS 1
#define WORKER 2
#define MM 3
#define EXPORTER 4
#define DETACHER 5
#define WAITERS 6


/* The memory of struct ib_umem_peer, at an address that is reused. */
bool umem_exists;
bool no_use_after_free = true;

inline touch_umem()
{
	no_use_after_free = umem_exists;
	assert(no_use_after_free)
}

#include "readers.pml"

#ifdef PINNED
#define ON_DEMAND false
#else
#define ON_DEMAND true
#endif
#if defined(PINNED) || defined(EXPORTED)
#define UNMAP_REVOKES true
#else
#define UNMAP_REVOKES false
#endif

/* The umem. */
bool notifier_inserted;			/* the mmu notifier is inserted */
bool writable;
byte tree;			/* the region in the tree + 1; 0: none */
byte region_refs;
byte active_faults;

/* The importer: the MR's key is valid; references of accesses in progress. */
bool mr;
byte accesses;

/* The worker of fault_work.c: one background fault, queued or running. */
bool fault_queued;

/*
 * The mm. moved[n]: the notifier's sequence has changed since process n read
 * it.
 */
bool event;			/* an invalidation is in progress */
bool event_seen;		/* the notifier was called */
bool moved[3];
bool mm_dead;

/* Regions. */
byte kref[REGIONS];
byte users[REGIONS];
bool alive[REGIONS];
bool in_tree[REGIONS];
byte on_list[REGIONS];		/* list of the exporter: 0 none, 1 regions, 2 killed */
bool claimed[REGIONS];		/* from claim() to release() */
bool access_ended[REGIONS];
bool may_write[REGIONS];
bool pinned[REGIONS];
bool detach_queued[REGIONS];		/* detach_work is queued */

/* The exporter, and its lock around "invalidate" and "release". */
bool registered = true;
bool dying;
byte exporter_refs = 1;
bool exporter_freed;
bool exporter_lock;
bool exporters_lock;

bool release_once = true;

#define EAGAIN 1
#define EFAULT 2

/* Processes that end regions do so repeatedly, or once. */
#ifdef ONCE
#define REPEAT ; break
#else
#define REPEAT
#endif

inline touch(r)
{
	no_use_after_free = umem_exists && kref[r] > 0;
	assert(no_use_after_free)
}

/* A call into the exporter: after claim(), and before release(). */
inline call(r)
{
	release_once = claimed[r] && !exporter_freed;
	assert(release_once)
}

/* ---- kernel/core/umem/region.c ---- */

inline ib_peer_region_put(r)
{
	touch(r);
	kref[r]--;
	if
	:: kref[r] == 0 ->
		no_use_after_free = !in_tree[r] && !on_list[r] && !users[r];
		assert(no_use_after_free)
	:: else
	fi
}

inline ib_umem_peer_put_region_ref()
{
	touch_umem();
	no_use_after_free = region_refs > 0;
	assert(no_use_after_free);
	region_refs--
}

inline region_detach(r)
{
	/* release(), after unpin(): the exporter takes its lock. */
	atomic {
		!exporter_lock ->
		touch(r);
		call(r);
		release_once = !users[r];
		assert(release_once);
		pinned[r] = false;
		claimed[r] = false;
		access_ended[r] = true
	};
	/* hold: unpinned */
	atomic {
		!exporters_lock ->
		touch(r);
		on_list[r] = 0
	};
	/* ib_peer_exporter_put() */
	atomic {
		exporter_refs--;
		ib_peer_region_put(r);
		ib_umem_peer_put_region_ref()
	}
}

inline ib_peer_region_get_active(r)
{
	touch(r);
	no_use_after_free = users[r] > 0;
	assert(no_use_after_free);
	users[r]++
}

inline ib_peer_region_put_active(r)
{
	touch(r);
	no_use_after_free = users[r] > 0;
	assert(no_use_after_free);
	users[r]--;
	if
	:: users[r] == 0 -> detach_queued[r] = true
	:: else
	fi
}

/* ---- kernel/core/umem/region_tree.c, revoke.c ---- */

/*
 * ib_umem_peer_erase() of the only possible entry. It then drops the lock and
 * sets gap. Without an entry, xa_lock stays held.
 */
inline ib_umem_peer_erase()
{
	if
	:: pte[0] ->
		ib_umem_peer_change();
		pte[0] = 0;
		renumber();
		xa_lock = false;
		gap = true
	:: else
	fi
}

/* hold: erase. The rest of an erase that may have dropped the lock. */
inline unlock_after_gap()
{
	if
	:: atomic { gap && !xa_lock -> gap = false; unlock() }
	:: atomic { !gap -> skip }
	fi
}

inline ib_umem_peer_kill()
{
	atomic {
		!xa_lock -> xa_lock = true;
		touch_umem();
		ib_umem_peer_set_revoked();
		unlock()
	};
	and_wait()
}

inline ib_umem_peer_mark_dead(r)
{
	atomic {
		!xa_lock -> xa_lock = true;
		touch(r);
		was_alive = alive[r];
		alive[r] = false;
		if
		:: ON_DEMAND && !revoked -> ib_umem_peer_erase()
		:: else
		fi;
		if
		:: !gap -> unlock()
		:: else
		fi
	};
	unlock_after_gap();
	and_wait()
}

/* region_mark_dead(). Sets was_alive. */
inline region_mark_dead(r)
{
#ifdef PINNED
	ib_umem_peer_kill();
	/* hold: stop */
#endif
	ib_umem_peer_mark_dead(r)
}

inline ib_peer_region_kill(r)
{
	region_mark_dead(r);
	atomic {
		if
#ifdef BUG_PUT_ACTIVE_TWICE
		:: true -> ib_peer_region_put_active(r)
#else
		:: was_alive -> ib_peer_region_put_active(r)
		:: else
#endif
		fi;
#ifdef BUG_KILL_IN_USE
		detach_queued[r] = was_alive;
#endif
		was_alive = false
	}
}

/* Detaches the region here if it has no other active reference. */
inline ib_peer_region_kill_sync(r)
{
	region_mark_dead(r);
	atomic {
		last = false;
		if
		:: was_alive ->
			touch(r);
			users[r]--;
			last = users[r] == 0
		:: else
		fi;
		was_alive = false
	};
	if
	:: last -> last = false; region_detach(r)
	:: else
	fi
}

inline ib_peer_region_discard(r)
{
	ib_peer_region_kill(r);
	atomic { ib_peer_region_put_active(r) };
	atomic { ib_peer_region_put(r) }
}

inline ib_umem_peer_remove_region(r)
{
	atomic {
		!xa_lock ->
		touch(r);
		taken = in_tree[r];
		if
		:: taken -> tree = 0
		:: else
		fi;
		in_tree[r] = false
	};
	atomic {
		if
#ifdef BUG_REMOVE_PUT
		:: true -> ib_peer_region_put(r)
#else
		:: taken -> ib_peer_region_put(r)
		:: else
#endif
		fi;
		taken = false
	}
}

inline ib_umem_peer_insert_region(r)
{
	tree = r + 1;
	in_tree[r] = true
}

/* ---- claims ---- */

#define A_REGION_IS_FREE (kref[0] == 0 || kref[1] == 0)

/*
 * ib_peer_region_claim(), until the region is on the exporter's list. Sets
 * region, or ret without a region.
 */
inline ib_peer_region_claim()
{
	/* ib_peer_exporter_next() */
	atomic {
		if
		:: registered && A_REGION_IS_FREE ->
			exporter_refs++;
			region = (kref[0] == 0 -> 0 : 1);
			kref[region] = 1;
			users[region] = 2;
			alive[region] = true;
			access_ended[region] = false;
			may_write[region] = writable
		:: else -> ret = EFAULT
		fi
	};
	if
	:: !ret ->
		/* claim() */
		atomic {
			release_once = !exporter_freed && !claimed[region];
			assert(release_once);
			claimed[region] = true
		};
		atomic {
			touch_umem();
			kref[region]++;
			region_refs++
		};
		/* region_add_to_exporter() */
		atomic {
			!exporters_lock ->
			if
#ifndef BUG_ADD_DYING
			:: dying -> ret = EFAULT
#endif
			:: else -> on_list[region] = 1
			fi
		};
		if
		:: ret -> ib_peer_region_discard(region)
		:: else
		fi
	:: else
	fi
	/* hold: claimed */
}

/* ---- faults; number f ---- */

inline ib_umem_peer_fault_begin()
{
	touch_umem();
	active_faults++
}

inline ib_umem_peer_fault_end()
{
	touch_umem();
	active_faults--
}

/* fault_find_region(), with keep_dead or, where nothing is mapped, without. */
inline fault_find_region()
{
	atomic {
		!xa_lock ->
		touch_umem();
		if
		:: tree && alive[tree - 1] ->
			region = tree - 1;
			found = true;
			ib_peer_region_get_active(region)
		:: tree && !alive[tree - 1] -> ret = EFAULT
		:: tree && !alive[tree - 1] ->
			region = tree - 1;
			kref[region]++;
			dead = true
		:: else
		fi
	};
	if
	:: dead ->
		dead = false;
		ib_umem_peer_remove_region(region);
		atomic { ib_peer_region_put(region) }
	:: else
	fi
}

inline fault_claim()
{
	/* hold: claim */
	ib_peer_region_claim();
	if
	:: !ret ->
		atomic {
			!xa_lock ->
			touch(region);
#ifndef BUG_CLAIM_LATE
			is_stale = !alive[region] || revoked || moved[f] || tree;
#endif
			if
			:: !is_stale -> ib_umem_peer_insert_region(region)
			:: else
			fi
		};
		if
		:: is_stale ->
			is_stale = false;
			ib_peer_region_discard(region);
			ret = EAGAIN
		:: else
		fi
	:: else
	fi
}

/* ib_peer_resolve_exporter(): fault() */
inline resolve_exporter()
{
	/* hold: resolve */
	atomic { touch(region); call(region) };
	/* hold: resolved */
	atomic { touch(region); call(region) }
}

inline ib_umem_peer_publish()
{
	atomic {
		!xa_lock -> xa_lock = true;
		touch(region);
		if
		:: revoked || moved[f] || !alive[region] -> ret = EAGAIN
		:: else ->
			if
			:: pte[0] && pte[0] != region + 1 ->
				ib_umem_peer_change()
			:: else
			fi;
			pte[0] = region + 1
		fi;
		unlock()
	};
	and_wait()
	/* hold: published */
}

/* fault_region(): for the existing region, or a new one. */
inline fault_region()
{
	/* hold: find */
	fault_find_region();
	if
	:: !ret && !found -> fault_claim()
	:: else
	fi;
	found = false;
	if
	:: ret
	:: !ret && writable && !may_write[region] ->
		/* The region was claimed for reading, before a rereg. */
		ib_umem_peer_remove_region(region);
		/* hold: removed */
		ib_peer_region_kill(region);
		atomic { ib_peer_region_put_active(region) }
	:: else ->
		resolve_exporter();
		ib_umem_peer_publish();
		atomic { ib_peer_region_put_active(region) }
	fi;
	ret = 0;
	region = 0
}

/* ib_umem_peer_fault(), which resolves once. Its caller may call it again. */
inline ib_umem_peer_fault()
{
	atomic { ib_umem_peer_fault_begin() };
	if
	:: revoked || mm_dead
	:: else ->
		/* mmu_interval_read_begin() */
		atomic { !(event && event_seen); moved[f] = false };
		fault_region();
		moved[f] = false
	fi;
	atomic { ib_umem_peer_fault_end() }
}

#define FAULT_LOCALS \
	byte at, region, ret; \
	bool is_quiesced, gap, was_alive, taken, found, dead, is_stale

/*
 * An importer's access, which holds a reference to the MR. It reads or writes
 * the page, or faults it in, or starts a background fault.
 */
proctype access(byte me; byte f)
{
	FAULT_LOCALS;

end:	do
	:: /* peer_copy_span() */
	   atomic {
		mr && !reader_lock[0] ->
		accesses++;
		touch_umem();
		peer_reader_lock(0);
		if
		:: revoked -> peer_reader_unlock(0); accesses--; goto end
		:: else
		fi
	   };
	   atomic {
		peer_reader_pte(0);
		if
		:: !using[0] -> peer_reader_unlock(0)
		:: else
		fi
	   };
	   if
	   :: atomic {
		using[0] ->
		no_stale_access = !access_ended[using[0] - 1];
		assert(no_stale_access);
		peer_reader_unlock(0);
		accesses--
	      }
	   :: atomic { !using[0] -> accesses-- }
#ifndef PINNED
	   :: !using[0] -> ib_umem_peer_fault(); accesses--
#endif
#ifdef BACKGROUND
	   :: atomic {
		/* fault_work_start() */
		!using[0] && !fault_queued ->
		fault_queued = true;
		ib_umem_peer_fault_begin();
		accesses--
	      }
#endif
	   fi
#ifdef STAYS
	:: break
#endif
	od
}

#ifdef BACKGROUND
/* fault_work_run() */
proctype worker(byte me; byte f)
{
	FAULT_LOCALS;

end:	do
	:: fault_queued ->
	   ib_umem_peer_fault();
	   /* hold: faulted */
	   atomic {
		fault_queued = false;
		ib_umem_peer_fault_end()
	   }
	od
}
#endif

/* region_detach_work() */
proctype detacher()
{
end:	do
	:: atomic { detach_queued[0] -> detach_queued[0] = false }; region_detach(0)
	:: atomic { detach_queued[1] -> detach_queued[1] = false }; region_detach(1)
	od
}

/* ---- kernel/core/umem/registration.c ---- */

inline ib_umem_peer_alloc()
{
	umem_exists = true;
	changes = 0;
	quiesced = 0;
	revoked = false;
	pte[0] = 0;
	tree = 0;
	writable = false;
	region_refs = 1
}

inline ib_umem_peer_stop()
{
	ib_umem_peer_kill();
#ifndef BUG_NO_DRAIN
	/* ib_umem_peer_drain_faults() */
	active_faults == 0
#endif
}

/* ib_umem_peer_unlink_regions(), into the variable region: there is one at most. */
inline ib_umem_peer_unlink_regions()
{
	if
	:: tree ->
		region = tree - 1;
		tree = 0;
		in_tree[region] = false;
		has_region = true
	:: else
	fi
}

inline ib_umem_peer_release_regions()
{
	atomic {
		!xa_lock;
		touch_umem();
		ib_umem_peer_unlink_regions()
	};
	if
	:: has_region ->
		has_region = false;
		ib_peer_region_kill_sync(region);
		atomic { ib_peer_region_put(region); region = 0 }
	:: else
	fi;
	atomic { ib_umem_peer_put_region_ref() };
	region_refs == 0
}

#ifdef PINNED
/* umem_pin_and_populate(), umem_attach_region() */
inline umem_claim_region()
{
	ib_peer_region_claim();
	if
	:: !ret ->
		/* ib_peer_region_pin(), ib_umem_peer_populate() */
		atomic { touch(region); call(region); pinned[region] = true };
		do
		:: atomic { !(event && event_seen); moved[f] = false };
		   resolve_exporter();
		   ib_umem_peer_publish();
		   if
		   :: atomic { !ret -> break }
		   :: atomic { ret && revoked -> ret = EFAULT; break }
		   :: atomic { ret && !revoked -> ret = 0 }
		   fi
		od;
		/* hold: filled */
		atomic {
			!xa_lock -> xa_lock = true;
			touch(region);
			if
			:: !alive[region] || revoked -> ret = EFAULT
			:: else
			fi;
			if
			:: !ret -> ib_umem_peer_insert_region(region)
			:: else -> ib_umem_peer_erase()
			fi;
			if
			:: !gap -> unlock()
			:: else
			fi
		};
		unlock_after_gap();
		and_wait();
		if
		:: ret -> ib_peer_region_discard(region)
		:: else -> atomic { ib_peer_region_put_active(region) }
		fi
	:: else
	fi;
	region = 0
}
#endif

/* A user registers and deregisters. */
proctype owner(byte me; byte f)
{
	FAULT_LOCALS;
	bool has_region, last;

end:	do
	:: /* ib_umem_peer_get(); umem_insert_notifier() waits for an event in progress. */
	   atomic { ib_umem_peer_alloc() };
	   atomic { !event -> notifier_inserted = true };
#ifdef PINNED
	   umem_claim_region();
#endif
	   if
	   :: !ret ->
		mr = true;
#ifdef REREG
		/* ib_umem_peer_rereg() */
		writable = true;
#endif
#ifdef STAYS
		/* A user may never deregister, and no one waits for that. */
		if
		:: true
		:: true ->
end_stays:		false
		fi;
#endif
		/* rxe: no access starts; none waits; none is in progress. */
		mr = false;
		ib_umem_peer_stop();
		accesses == 0
	   :: else -> ret = 0
	   fi;
	   /* ib_umem_peer_release() */
	   ib_umem_peer_stop();
	   /* umem_remove_notifier() */
#ifdef BUG_NOTIFIER_ACTIVE
	   notifier_inserted = false;
#else
	   atomic { !event -> notifier_inserted = false };
#endif
	   ib_umem_peer_release_regions();
	   /* ib_umem_peer_free() */
	   atomic {
		touch_umem();
		no_use_after_free = !active_faults && !region_refs;
		assert(no_use_after_free);
		umem_exists = false
	   }
	od
}

/* ---- other actors ---- */

#if MMU > 0
/* mn_invalidates_regions(), mn_revokes_pinned() */
inline mn_take_regions()
{
	if
	:: unmaps -> ib_umem_peer_unlink_regions()
	:: else
	fi
}

/*
 * munmap() and a new mapping at the same address, or exit of the process, or an
 * event that leaves pages where they are and ends nothing.
 */
proctype mm(byte me)
{
	byte at, region, ending;
	bool is_quiesced, gap, was_alive, has_region, notifier_called, exits, unmaps;

end:	do
	:: atomic {
		!mm_dead ->
		if
		:: unmaps = true
		:: unmaps = true; exits = true
		:: unmaps = false
		fi;
		mm_dead = exits;
		event = true;
		notifier_called = notifier_inserted;
		/* Regions that were claimed before this event end with it. */
		ending = (claimed[0] && unmaps -> 1 : 0) +
		       (claimed[1] && unmaps -> 2 : 0)
	   };
	   if
	   :: notifier_called ->
		/* umem_mn_on_demand(), umem_mn_pinned(), umem_mn_export() */
		atomic {
			!xa_lock -> xa_lock = true;
			touch_umem();
			event_seen = true;
			moved[OWNER] = true;
			moved[ACCESS] = true;
			moved[WORKER] = true;
			if
			:: unmaps && UNMAP_REVOKES -> ib_umem_peer_set_revoked()
			:: !(unmaps && UNMAP_REVOKES) && ON_DEMAND ->
				ib_umem_peer_erase()
			:: else
			fi;
			if
			:: !gap -> mn_take_regions(); unlock()
			:: else
			fi
		};
		if
		:: atomic {
			gap && !xa_lock ->
			gap = false;
			mn_take_regions();
			unlock()
		   }
		:: atomic { !gap -> skip }
		fi;
		and_wait();
		/* hold: drop */
		if
		:: has_region ->
			has_region = false;
#ifndef BUG_MN_NO_KILL
			ib_peer_region_kill(region);
#endif
			atomic { ib_peer_region_put(region); region = 0 }
		:: else
		fi
	   :: else
	   fi;
	   atomic {
		event = false;
		event_seen = false;
		access_ended[0] = access_ended[0] || ((ending & 1) && notifier_called);
		access_ended[1] = access_ended[1] || ((ending & 2) && notifier_called);
		notifier_called = false;
		exits = false;
		unmaps = false;
		ending = 0
	   }
	   REPEAT
	od
}
#endif

#if defined(REVOKE)
/* ib_peer_revoke() of a claimed region, with the exporter's lock held. */
proctype revoker(byte me)
{
	byte at, region;
	bool is_quiesced, gap, was_alive;

end:	do
	:: atomic {
		!exporter_lock && (claimed[0] || claimed[1]) ->
		if
		:: claimed[0] -> region = 0
		:: claimed[1] -> region = 1
		fi;
		exporter_lock = true
	   };
	   ib_peer_region_kill(region);
	   atomic {
		exporter_lock = false;
		access_ended[region] = true;
		region = 0
	   }
	   REPEAT
	od
}
#endif

#if defined(UNREGISTER)
/* ib_peer_unregister_exporter() */
proctype unregister(byte me)
{
	byte at, region;
	bool is_quiesced, gap, was_alive;

	registered = false;
	/* exporter_revoke_regions() */
	atomic { !exporters_lock -> exporters_lock = true; dying = true };
	do
	:: atomic {
		on_list[0] == 1 || on_list[1] == 1 ->
		region = (on_list[0] == 1 -> 0 : 1);
		touch(region);
		on_list[region] = 2;
		kref[region]++;
#ifndef BUG_DETACH_NO_REF
		no_use_after_free = region_refs > 0;
		assert(no_use_after_free);
		region_refs++;
#endif
		exporters_lock = false
	   };
	   /* hold: found */
	   ib_peer_region_kill(region);
	   atomic { ib_peer_region_put(region) };
#ifndef BUG_DETACH_NO_REF
	   atomic { ib_umem_peer_put_region_ref() };
#endif
	   atomic { !exporters_lock -> exporters_lock = true }
	:: atomic {
		on_list[0] != 1 && on_list[1] != 1 ->
		region = 0;
		exporters_lock = false;
		break
	   }
	od;
	/* ib_peer_exporter_put() */
	exporter_refs--;
	atomic {
		exporter_refs == 0 ->
		exporter_freed = true;
		release_once = !claimed[0] && !claimed[1];
		assert(release_once)
	}
}
#endif

init {
	atomic {
		run owner(OWNER, OWNER);
		run access(ACCESS, ACCESS);
		run detacher();
#ifdef BACKGROUND
		run worker(WORKER, WORKER);
#endif
#if MMU > 0
		run mm(MM);
#endif
#ifdef REVOKE
		run revoker(EXPORTER);
#endif
#ifdef UNREGISTER
		run unregister(DETACHER);
#endif
		skip
	}
}
