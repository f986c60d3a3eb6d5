/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Lives: of umems that follow each other at one address, and of their regions.
 * See README.md for the defines.
 *
 * The umem has one page. An entry, and a hint, is the number of the region that it
 * came from. A region is gone when its owner may rely on nobody using it any more:
 * ib_peer_revoke() or the munmap() has returned, or release() was called.
 */
#define PAGES 1
#define CPUS 1
#define READERS 1
#define REGIONS 2
#define MAKES_HINT(pte) (pte)
#define TOUCH_UMEM touch_umem()

/* Who waits for readers, and who faults, by number. */
#define OWNER 0
#define ACCESS 1
#define WORKER 2
#define MM 3
#define EXPORTER 4
#define DETACHER 5
#define WAITERS 6


/* The memory of the struct ib_umem_peer, at an address that is used again. */
bool there;
bool no_use_after_free = true;

inline touch_umem()
{
	no_use_after_free = there;
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
bool watched;			/* the mmu notifier is inserted */
bool writable;
byte tree;			/* the region in the tree + 1; 0: none */
byte regions_left;
byte faults_under_way;

/* The importer: the MR's key is valid, and references of accesses under way. */
bool mr;
byte accesses;

/* The worker of fault_work.c: one fault in the background, queued or running. */
bool fault_queued;

/* Of the mm. moved[]: the sequence of the notifier did, since number n read it. */
bool event;			/* an invalidation is under way */
bool event_seen;		/* and the notifier was called */
bool moved[3];
bool mm_dead;

/* Regions. */
byte kref[REGIONS];
byte users[REGIONS];
bool alive[REGIONS];
bool in_tree[REGIONS];
byte on_list[REGIONS];		/* of the client: regions, killed; 0: none */
bool known[REGIONS];		/* to the exporter: claim() to release() */
bool gone[REGIONS];
bool may_write[REGIONS];
bool pinned[REGIONS];
bool queued[REGIONS];		/* detach_work */

/* The exporter, and its lock over "invalidate" and "release". */
bool registered = true;
bool dying;
byte client_users = 1;
bool client_gone;
bool exporter_lock;
bool clients_lock;

bool release_once = true;

#define EAGAIN 1
#define EFAULT 2

/* Those who end regions do so again and again, or once. */
#ifdef ONCE
#define AGAIN ; break
#else
#define AGAIN
#endif

inline touch(r)
{
	no_use_after_free = there && kref[r] > 0;
	assert(no_use_after_free)
}

/* The exporter is called: after claim(), and before release(). */
inline call(r)
{
	release_once = known[r] && !client_gone;
	assert(release_once)
}

/* ---- kernel/core/region.c ---- */

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

inline ib_umem_peer_region_gone()
{
	touch_umem();
	no_use_after_free = regions_left > 0;
	assert(no_use_after_free);
	regions_left--
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
		known[r] = false;
		gone[r] = true
	};
	/* hold: unpinned */
	atomic {
		!clients_lock ->
		touch(r);
		on_list[r] = 0
	};
	/* ib_peer_client_put() */
	atomic {
		client_users--;
		ib_peer_region_put(r);
		ib_umem_peer_region_gone()
	}
}

inline ib_peer_region_use(r)
{
	touch(r);
	no_use_after_free = users[r] > 0;
	assert(no_use_after_free);
	users[r]++
}

inline ib_peer_region_unuse(r)
{
	touch(r);
	no_use_after_free = users[r] > 0;
	assert(no_use_after_free);
	users[r]--;
	if
	:: users[r] == 0 -> queued[r] = true
	:: else
	fi
}

/* ---- kernel/core/umem_regions.c ---- */

/*
 * ib_umem_peer_erase() of the one entry there may be, after which the lock is
 * dropped: then gap is set, else xa_lock is held.
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
		umem_set_revoked();
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

/* ib_peer_region_stop(), which says whether it was alive. */
inline ib_peer_region_stop(r)
{
#ifdef PINNED
	ib_umem_peer_kill();
	/* hold: stop */
#endif
	ib_umem_peer_mark_dead(r)
}

inline ib_peer_region_kill(r)
{
	ib_peer_region_stop(r);
	atomic {
		if
#ifdef BUG_UNUSE_TWICE
		:: true -> ib_peer_region_unuse(r)
#else
		:: was_alive -> ib_peer_region_unuse(r)
		:: else
#endif
		fi;
#ifdef BUG_KILL_IN_USE
		queued[r] = was_alive;
#endif
		was_alive = false
	}
}

/* Gives the range back here if nobody is using it. */
inline ib_peer_region_end(r)
{
	ib_peer_region_stop(r);
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
	atomic { ib_peer_region_unuse(r) };
	atomic { ib_peer_region_put(r) }
}

inline ib_umem_peer_forget(r)
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
#ifdef BUG_FORGET_PUT
		:: true -> ib_peer_region_put(r)
#else
		:: taken -> ib_peer_region_put(r)
		:: else
#endif
		fi;
		taken = false
	}
}

inline ib_umem_peer_insert(r)
{
	tree = r + 1;
	in_tree[r] = true
}

/* ---- claims ---- */

#define A_REGION_IS_FREE (kref[0] == 0 || kref[1] == 0)

/*
 * ib_peer_region_claim(), up to its being on the client's list. Sets region, or ret
 * with no region.
 */
inline ib_peer_region_claim()
{
	/* ib_peer_client_next() */
	atomic {
		if
		:: registered && A_REGION_IS_FREE ->
			client_users++;
			region = (kref[0] == 0 -> 0 : 1);
			kref[region] = 1;
			users[region] = 2;
			alive[region] = true;
			gone[region] = false;
			may_write[region] = writable
		:: else -> ret = EFAULT
		fi
	};
	if
	:: !ret ->
		/* claim() */
		atomic {
			release_once = !client_gone && !known[region];
			assert(release_once);
			known[region] = true
		};
		atomic {
			touch_umem();
			kref[region]++;
			regions_left++
		};
		/* region_enlist() */
		atomic {
			!clients_lock ->
			if
#ifndef BUG_ENLIST_DYING
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

inline ib_umem_peer_fault_begins()
{
	touch_umem();
	faults_under_way++
}

inline ib_umem_peer_fault_ended()
{
	touch_umem();
	faults_under_way--
}

/* fault_find_region(), with keep_dead or, where the CPU maps nothing, without. */
inline fault_find_region()
{
	atomic {
		!xa_lock ->
		touch_umem();
		if
		:: tree && alive[tree - 1] ->
			region = tree - 1;
			found = true;
			ib_peer_region_use(region)
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
		ib_umem_peer_forget(region);
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
			late = !alive[region] || revoked || moved[f] || tree;
#endif
			if
			:: !late -> ib_umem_peer_insert(region)
			:: else
			fi
		};
		if
		:: late ->
			late = false;
			ib_peer_region_discard(region);
			ret = EAGAIN
		:: else
		fi
	:: else
	fi
}

/* ib_peer_ask_exporter(): fault() */
inline ask_exporter()
{
	/* hold: ask */
	atomic { touch(region); call(region) };
	/* hold: answered */
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
	/* hold: brought */
}

/* fault_region(): of the region there is, or of a new one. */
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
		/* Claimed for reading, before a rereg. */
		ib_umem_peer_forget(region);
		/* hold: forgotten */
		ib_peer_region_kill(region);
		atomic { ib_peer_region_unuse(region) }
	:: else ->
		ask_exporter();
		ib_umem_peer_publish();
		atomic { ib_peer_region_unuse(region) }
	fi;
	ret = 0;
	region = 0
}

/* ib_umem_peer_fault(), which asks once; whoever calls it may call it again. */
inline ib_umem_peer_fault()
{
	atomic { ib_umem_peer_fault_begins() };
	if
	:: revoked || mm_dead
	:: else ->
		/* mmu_interval_read_begin() */
		atomic { !(event && event_seen); moved[f] = false };
		fault_region();
		moved[f] = false
	fi;
	atomic { ib_umem_peer_fault_ended() }
}

#define FAULT_LOCALS \
	byte at, region, ret; \
	bool is_quiet, gap, was_alive, taken, found, dead, late

/*
 * An importer's access, which has a reference to the MR: it reads or writes the page,
 * or faults it in, or lets fault_work.c do so.
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
		no_stale_access = !gone[using[0] - 1];
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
		ib_umem_peer_fault_begins();
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
		ib_umem_peer_fault_ended()
	   }
	od
}
#endif

/* region_detach_work() */
proctype detacher()
{
end:	do
	:: atomic { queued[0] -> queued[0] = false }; region_detach(0)
	:: atomic { queued[1] -> queued[1] = false }; region_detach(1)
	od
}

/* ---- kernel/core/umem_peer.c ---- */

inline umem_alloc()
{
	there = true;
	changes = 0;
	quiet = 0;
	revoked = false;
	pte[0] = 0;
	tree = 0;
	writable = false;
	regions_left = 1
}

inline ib_umem_peer_stop()
{
	ib_umem_peer_kill();
#ifndef BUG_NO_DRAIN
	/* ib_umem_peer_drain_faults() */
	faults_under_way == 0
#endif
}

/* umem_take_regions(), into the variable region: there is one at most. */
inline umem_take_regions()
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

inline ib_umem_peer_end_regions()
{
	atomic {
		!xa_lock;
		touch_umem();
		umem_take_regions()
	};
	if
	:: has_region ->
		has_region = false;
		ib_peer_region_end(region);
		atomic { ib_peer_region_put(region); region = 0 }
	:: else
	fi;
	atomic { ib_umem_peer_region_gone() };
	regions_left == 0
}

#ifdef PINNED
/* umem_fill(), umem_adopt() */
inline umem_claim()
{
	ib_peer_region_claim();
	if
	:: !ret ->
		/* ib_peer_region_pin(), ib_umem_peer_populate() */
		atomic { touch(region); call(region); pinned[region] = true };
		do
		:: atomic { !(event && event_seen); moved[f] = false };
		   ask_exporter();
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
			:: !ret -> ib_umem_peer_insert(region)
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
		:: else -> atomic { ib_peer_region_unuse(region) }
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
	:: /* ib_umem_peer_get(); umem_watch() waits for an event under way. */
	   atomic { umem_alloc() };
	   atomic { !event -> watched = true };
#ifdef PINNED
	   umem_claim();
#endif
	   if
	   :: !ret ->
		mr = true;
#ifdef REREG
		/* ib_umem_peer_rereg() */
		writable = true;
#endif
#ifdef STAYS
		/* A user need not come to that, and nobody waits for one. */
		if
		:: true
		:: true ->
end_stays:		false
		fi;
#endif
		/* rxe: no access begins; none waits; none is under way. */
		mr = false;
		ib_umem_peer_stop();
		accesses == 0
	   :: else -> ret = 0
	   fi;
	   /* ib_umem_peer_release() */
	   ib_umem_peer_stop();
	   /* umem_unwatch() */
#ifdef BUG_UNWATCH
	   watched = false;
#else
	   atomic { !event -> watched = false };
#endif
	   ib_umem_peer_end_regions();
	   /* umem_free() */
	   atomic {
		touch_umem();
		no_use_after_free = !faults_under_way && !regions_left;
		assert(no_use_after_free);
		there = false
	   }
	od
}

/* ---- the others ---- */

#if MMU > 0
/* mn_ends_regions(), mn_ends_pinned() */
inline mn_take_regions()
{
	if
	:: unmaps -> umem_take_regions()
	:: else
	fi
}

/*
 * munmap() and a new mapping of the same; or the process exits; or, with pages left
 * where they are, an event that ends nothing.
 */
proctype mm(byte me)
{
	byte at, region, over;
	bool is_quiet, gap, was_alive, has_region, called, exits, unmaps;

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
		called = watched;
		/* What was claimed until now ends with this event. */
		over = (known[0] && unmaps -> 1 : 0) +
		       (known[1] && unmaps -> 2 : 0)
	   };
	   if
	   :: called ->
		/* umem_mn_on_demand(), umem_mn_pinned(), umem_mn_export() */
		atomic {
			!xa_lock -> xa_lock = true;
			touch_umem();
			event_seen = true;
			moved[OWNER] = true;
			moved[ACCESS] = true;
			moved[WORKER] = true;
			if
			:: unmaps && UNMAP_REVOKES -> umem_set_revoked()
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
		gone[0] = gone[0] || ((over & 1) && called);
		gone[1] = gone[1] || ((over & 2) && called);
		called = false;
		exits = false;
		unmaps = false;
		over = 0
	   }
	   AGAIN
	od
}
#endif

#if defined(REVOKE)
/* ib_peer_revoke(), with the exporter's lock held, of a region that it knows. */
proctype revoker(byte me)
{
	byte at, region;
	bool is_quiet, gap, was_alive;

end:	do
	:: atomic {
		!exporter_lock && (known[0] || known[1]) ->
		if
		:: known[0] -> region = 0
		:: known[1] -> region = 1
		fi;
		exporter_lock = true
	   };
	   ib_peer_region_kill(region);
	   atomic {
		exporter_lock = false;
		gone[region] = true;
		region = 0
	   }
	   AGAIN
	od
}
#endif

#if defined(UNREGISTER)
/* ib_peer_unregister_client() */
proctype unregister(byte me)
{
	byte at, region;
	bool is_quiet, gap, was_alive;

	registered = false;
	/* ib_peer_client_detach_all() */
	atomic { !clients_lock -> clients_lock = true; dying = true };
	do
	:: atomic {
		on_list[0] == 1 || on_list[1] == 1 ->
		region = (on_list[0] == 1 -> 0 : 1);
		touch(region);
		on_list[region] = 2;
		kref[region]++;
#ifndef BUG_DETACH_NO_REF
		no_use_after_free = regions_left > 0;
		assert(no_use_after_free);
		regions_left++;
#endif
		clients_lock = false
	   };
	   /* hold: found */
	   ib_peer_region_kill(region);
	   atomic { ib_peer_region_put(region) };
#ifndef BUG_DETACH_NO_REF
	   atomic { ib_umem_peer_region_gone() };
#endif
	   atomic { !clients_lock -> clients_lock = true }
	:: atomic {
		on_list[0] != 1 && on_list[1] != 1 ->
		region = 0;
		clients_lock = false;
		break
	   }
	od;
	/* ib_peer_client_put() */
	client_users--;
	atomic {
		client_users == 0 ->
		client_gone = true;
		release_once = !known[0] && !known[1];
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
