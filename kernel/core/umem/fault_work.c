// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Runs faults in workers, so that whoever needs the pages can stop waiting:
 * at its deadline, when it is cancelled or killed, or, as a responder, after
 * a short time to answer RNR NAK.
 *
 * The fault then continues. A later access to the same pages joins it. Each
 * fault holds the umem. Deregistration kills the faults in progress, as
 * SIGKILL does to a task, and waits for their end; so it may wait for an
 * exporter that ignores signals, but never for a user.
 */
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "hold_point.h"
#include "umem/cancel.h"
#include "umem/fault.h"
#include "umem/fault_list.h"
#include "umem/fault_queue.h"
#include "umem/fault_request.h"
#include "umem/fault_work.h"
#include "umem/lookup.h"

/*
 * Limit for one registration. A prefetch above it is dropped, if nothing
 * waits for it.
 */
#define PREFETCHES_MAX 16

/*
 * struct fault_work - a fault that a worker runs
 * @until:  deadline of the access that started it, in jiffies; 0: a prefetch
 * @active: lists it for ib_umem_peer_kill_faults()
 * @ret:    the result; valid once @done is set
 */
struct fault_work {
	struct work_struct work;
	struct peer_active_fault active;
	struct kref kref;
	wait_queue_head_t waiters;
	struct ib_umem_peer *peer;
	unsigned long addr;
	size_t length;
	unsigned int flags;
	unsigned long until;
	int ret;
	bool done;
};

static void fault_work_free(struct kref *kref)
{
	kfree(container_of(kref, struct fault_work, kref));
}

static void fault_work_put(struct fault_work *fault)
{
	kref_put(&fault->kref, fault_work_free);
}

static bool fault_work_is_access(const struct fault_work *fault)
{
	return fault->until;
}

/* When this returns true, fault->ret is valid. */
static bool fault_work_is_done(const struct fault_work *fault)
{
	/* Pairs with fault_work_run(). */
	return smp_load_acquire(&fault->done);
}

/* ---- in the worker ---- */

/*
 * An access needs no fault if an earlier one has brought its pages meanwhile.
 */
static bool fault_work_is_needed(const struct fault_work *fault)
{
	return !fault_work_is_access(fault) ||
	       ib_umem_peer_present(fault->peer, fault->addr, fault->length,
				    fault->flags & PEER_FAULT_WRITE);
}

/* The worker goes on to other work items, so it ignores SIGKILL again. */
static void fault_work_end(struct fault_work *fault)
{
	struct ib_umem_peer *peer = fault->peer;

	spin_lock(&peer->work_lock);
	peer_active_fault_stop(peer, &fault->active);
	if (!fault_work_is_access(fault))
		peer->prefetches--;
	spin_unlock(&peer->work_lock);
	disallow_signal(SIGKILL);
}

static void fault_work_run(struct work_struct *work)
{
	struct fault_work *fault = container_of(work, struct fault_work, work);
	struct ib_umem_peer *peer = fault->peer;

	peer_active_fault_start(peer, &fault->active);
	if (fault_work_is_needed(fault))
		fault->ret = ib_umem_peer_fault(peer, fault->addr,
						fault->length, fault->flags,
						fault->until);
	ib_peer_hold(IB_PEER_HOLD_FAULTED);
	fault_work_end(fault);
	/* Pairs with fault_work_is_done(). */
	smp_store_release(&fault->done, true);
	wake_up_all(&fault->waiters);
	fault_work_put(fault);
	ib_umem_peer_fault_end(peer);
}

/* ---- start or join a fault ---- */

/* An access does not join a prefetch that is still queued. */
static bool fault_work_covers(const struct fault_work *fault,
			      const struct fault_work *wanted)
{
	return fault->addr <= wanted->addr &&
	       fault->addr + fault->length >= wanted->addr + wanted->length &&
	       !(wanted->flags & ~fault->flags) &&
	       !(fault->flags & PEER_FAULT_SNAPSHOT) &&
	       (fault_work_is_access(fault) || fault->active.task ||
		!fault_work_is_access(wanted));
}

/* Finds a fault in progress that includes these pages. Takes a reference. */
static struct fault_work *fault_work_find(struct ib_umem_peer *peer,
					  const struct fault_work *wanted)
{
	struct fault_work *fault;

	lockdep_assert_held(&peer->work_lock);

	list_for_each_entry(fault, &peer->works, active.node) {
		if (fault_work_covers(fault, wanted)) {
			kref_get(&fault->kref);
			return fault;
		}
	}
	return NULL;
}

static struct fault_work *fault_work_alloc(struct ib_umem_peer *peer,
					   unsigned long addr, size_t length,
					   unsigned int flags,
					   unsigned long until)
{
	struct fault_work *fault = kzalloc(sizeof(*fault),
					   GFP_KERNEL_ACCOUNT);

	if (!fault)
		return NULL;
	INIT_WORK(&fault->work, fault_work_run);
	kref_init(&fault->kref);
	init_waitqueue_head(&fault->waiters);
	fault->peer = peer;
	fault->addr = addr & PAGE_MASK;
	fault->length = PAGE_ALIGN(addr + length) - fault->addr;
	fault->flags = flags;
	fault->until = until;
	return fault;
}

static void fault_work_queue(struct fault_work *fault)
{
	struct ib_umem_peer *peer = fault->peer;

	lockdep_assert_held(&peer->work_lock);

	kref_get(&fault->kref);
	list_add_tail(&fault->active.node, &peer->works);
	ib_umem_peer_fault_begin(peer);
	if (fault_work_is_access(fault)) {
		ib_peer_queue_fault(peer->queue, &fault->work);
	} else {
		peer->prefetches++;
		ib_peer_queue_prefetch(peer->queue, &fault->work);
	}
}

/*
 * Starts a fault, or joins one in progress. Return: the fault, with a
 * reference; NULL: no memory.
 * @until:  deadline of an access, in jiffies; 0: a prefetch
 * @joined: set if it was in progress; its result may be that of other pages
 */
static struct fault_work *fault_work_start(struct ib_umem_peer *peer,
					   unsigned long addr, size_t length,
					   unsigned int flags,
					   unsigned long until, bool *joined)
{
	struct fault_work *fault, *fresh;

	fresh = fault_work_alloc(peer, addr, length, flags, until);
	if (!fresh)
		return NULL;
	ib_peer_hold(IB_PEER_HOLD_MISSED);
	spin_lock(&peer->work_lock);
	fault = fault_work_find(peer, fresh);
	*joined = fault;
	if (!fault) {
		fault = fresh;
		fault_work_queue(fault);
	}
	spin_unlock(&peer->work_lock);
	if (*joined)
		kfree(fresh);
	return fault;
}

/* ---- wait for it ---- */

/*
 * @timeout: jiffies
 * Return: 0 the fault has ended; -EAGAIN timeout, -ECANCELED, or -EINTR the
 * task is being killed: the fault continues.
 */
static int fault_work_wait(struct fault_work *fault, long timeout)
{
	struct ib_peer_wait wait;
	long left;

	ib_peer_wait_begin(&wait);
	left = wait_event_killable_timeout(fault->waiters,
					   fault_work_is_done(fault) ||
					   READ_ONCE(wait.cancelled), timeout);
	ib_peer_wait_end(&wait);
	if (fault_work_is_done(fault))
		return 0;
	if (wait.cancelled)
		return -ECANCELED;
	return left < 0 ? -EINTR : -EAGAIN;
}

/*
 * Return: as ib_umem_peer_fault(); -EAGAIN, -ECANCELED, -EINTR as
 * fault_work_wait().
 */
static int fault_work_run_and_wait(struct ib_umem_peer *peer, unsigned long addr,
				   size_t length, unsigned int flags,
			 unsigned long until, long timeout)
{
	unsigned long end = jiffies + timeout;
	struct fault_work *fault;
	bool joined, again;
	int ret;

	do {
		fault = fault_work_start(peer, addr, length, flags, until,
					 &joined);
		if (!fault)
			return -ENOMEM;
		ret = fault_work_wait(fault, timeout);
		again = !ret && joined && fault->ret;
		if (!ret)
			ret = fault->ret;
		fault_work_put(fault);
		if (timeout != MAX_SCHEDULE_TIMEOUT)
			timeout = max(0L, (long)(end - jiffies));
	} while (again && timeout);
	return again ? -EAGAIN : ret;
}

/*
 * As ib_umem_peer_fault(), for an access with the deadline @until. Also
 * returns -ECANCELED. Context: may sleep.
 */
int ib_umem_peer_fault_wait(struct ib_umem_peer *peer, unsigned long addr,
			    size_t length, unsigned int flags,
			    unsigned long until)
{
	long timeout = max(0L, (long)(until - jiffies));
	int ret = fault_work_run_and_wait(peer, addr, length, flags, until, timeout);

	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

/*
 * As ib_umem_peer_fault(), but waits for at most @timeout jiffies. Return:
 * the same; -EAGAIN the fault is still in progress; -ECANCELED.
 */
int ib_umem_peer_fault_timeout(struct ib_umem_peer *peer, unsigned long addr,
			       size_t length, unsigned int flags,
			       unsigned long timeout)
{
	return fault_work_run_and_wait(peer, addr, length, flags,
			     ib_umem_peer_deadline(), timeout);
}

/* ---- prefetches ---- */

static int prefetch_start(struct ib_umem_peer *peer, unsigned long addr,
			  size_t length, unsigned int flags)
{
	struct fault_work *fault;
	bool joined;

	/* A prefetch is only a hint and may be dropped. */
	if (READ_ONCE(peer->prefetches) >= PREFETCHES_MAX)
		return 0;
	fault = fault_work_start(peer, addr, length, flags, 0, &joined);
	if (!fault)
		return -ENOMEM;
	fault_work_put(fault);
	return 0;
}

int ib_umem_peer_prefetch(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, bool fault, bool wait)
{
	unsigned int flags = (write ? PEER_FAULT_WRITE : 0) |
			     (fault ? 0 : PEER_FAULT_SNAPSHOT);
	unsigned long addr = peer->umem.address + offset;

	/* A length of 0 prefetches nothing. */
	if (!length)
		return 0;
	atomic64_add(DIV_ROUND_UP(length + offset_in_page(addr), PAGE_SIZE),
		     &peer->stats.prefetched);
	if (!wait)
		return prefetch_start(peer, addr, length, flags);
	return fault_work_run_and_wait(peer, addr, length, flags, 0,
			     MAX_SCHEDULE_TIMEOUT);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_prefetch);
