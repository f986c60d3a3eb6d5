// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults are done by threads of their own, so that who wants the pages may stop
 * waiting for them: at its deadline; when it is cancelled or killed; or, as a
 * responder does, after a moment, to tell its peer to come back later (RNR NAK).
 *
 * The fault itself goes on; who comes for the same pages again waits for the one
 * under way. Each holds the umem, whose deregistration kills what is under way, as
 * a SIGKILL does to a task, and waits for its end: so for exporters that do not
 * look at signals, but never for users.
 */
#include <linux/jiffies.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

/* Prefetches of a registration at a time; then one that nobody waits for is left out. */
#define PREFETCHES_MAX 16

/*
 * @until:  deadline of the access that began it, in jiffies; 0: a prefetch did
 * @task:   does it, and may be killed; NULL: not yet, or not any more. Under
 *          peer->work_lock, as @node
 * @ret:    what came of it, once @done
 */
struct fault_work {
	struct work_struct work;
	struct list_head node;
	struct kref kref;
	wait_queue_head_t waiters;
	struct ib_umem_peer *peer;
	unsigned long addr;
	size_t length;
	unsigned int flags;
	unsigned long until;
	struct task_struct *task;
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

/* Then what came of it can be read. */
static bool fault_work_is_done(const struct fault_work *fault)
{
	/* Pairs with fault_work_run(). */
	return smp_load_acquire(&fault->done);
}

/* ---- the thread that does it ---- */

/* An access needs nothing if another fault has ended since its pages were missing. */
static bool fault_work_is_needed(const struct fault_work *fault)
{
	return !fault_work_is_access(fault) ||
	       ib_umem_peer_present(fault->peer, fault->addr, fault->length,
				    fault->flags & PEER_FAULT_WRITE);
}

/* From now on it may be killed; who did that before has revoked the umem. */
static void fault_work_begin(struct fault_work *fault)
{
	allow_kernel_signal(SIGKILL);
	spin_lock(&fault->peer->work_lock);
	fault->task = current;
	spin_unlock(&fault->peer->work_lock);
}

/* The thread goes on to other work, as it was. */
static void fault_work_end(struct fault_work *fault)
{
	spin_lock(&fault->peer->work_lock);
	fault->task = NULL;
	list_del(&fault->node);
	if (!fault_work_is_access(fault))
		fault->peer->prefetches--;
	spin_unlock(&fault->peer->work_lock);
	disallow_signal(SIGKILL);
}

static void fault_work_run(struct work_struct *work)
{
	struct fault_work *fault = container_of(work, struct fault_work, work);
	struct ib_umem_peer *peer = fault->peer;

	fault_work_begin(fault);
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
	ib_umem_peer_fault_ended(peer);
}

/* Another may begin, or end, at any time. */
bool ib_umem_peer_is_faulting(struct ib_umem_peer *peer)
{
	return !list_empty_careful(&peer->works);
}

/*
 * The umem is revoked, or nobody has its memory any more. What is under way ends soon;
 * what begins does nothing.
 */
void ib_umem_peer_kill_faults(struct ib_umem_peer *peer)
{
	struct fault_work *fault;

	spin_lock(&peer->work_lock);
	list_for_each_entry(fault, &peer->works, node)
		if (fault->task)
			send_sig(SIGKILL, fault->task, 1);
	spin_unlock(&peer->work_lock);
}

/* ---- one is begun, or joined ---- */

/* No access waits until a prefetch has its turn. */
static bool fault_work_serves(const struct fault_work *fault,
			      const struct fault_work *wanted)
{
	return fault->addr <= wanted->addr &&
	       fault->addr + fault->length >= wanted->addr + wanted->length &&
	       !(wanted->flags & ~fault->flags) &&
	       !(fault->flags & PEER_FAULT_SNAPSHOT) &&
	       (fault_work_is_access(fault) || fault->task ||
		!fault_work_is_access(wanted));
}

/* One under way that brings these pages too, with a reference. */
static struct fault_work *fault_work_find(struct ib_umem_peer *peer,
					  const struct fault_work *wanted)
{
	struct fault_work *fault;

	lockdep_assert_held(&peer->work_lock);

	list_for_each_entry(fault, &peer->works, node) {
		if (fault_work_serves(fault, wanted)) {
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
	list_add_tail(&fault->node, &peer->works);
	ib_umem_peer_fault_begins(peer);
	if (fault_work_is_access(fault)) {
		ib_peer_queue_fault(peer->queue, &fault->work);
	} else {
		peer->prefetches++;
		ib_peer_queue_prefetch(peer->queue, &fault->work);
	}
}

/*
 * @until:  deadline of an access, in jiffies; 0: a prefetch
 * @joined: it was under way, and its result may be that of other pages
 * Return: with a reference; NULL: no memory.
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

/* ---- who wants the pages waits ---- */

/*
 * @timeout: jiffies
 * Return: 0 it is done; -EAGAIN not within the time, -ECANCELED, -EINTR the task is
 * being killed: then it goes on by itself.
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

/* As ib_umem_peer_fault(), and -EAGAIN, -ECANCELED, -EINTR as fault_work_wait(). */
static int fault_work_do(struct ib_umem_peer *peer, unsigned long addr,
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
 * As ib_umem_peer_fault(), by an access with the deadline @until; and -ECANCELED.
 * Context: may sleep.
 */
int ib_umem_peer_fault_wait(struct ib_umem_peer *peer, unsigned long addr,
			    size_t length, unsigned int flags,
			    unsigned long until)
{
	long timeout = max(0L, (long)(until - jiffies));
	int ret = fault_work_do(peer, addr, length, flags, until, timeout);

	return ret == -EAGAIN ? -ETIMEDOUT : ret;
}

/*
 * As ib_umem_peer_fault(), but waits for at most @timeout jiffies.
 * Return: the same; -EAGAIN it is still under way; -ECANCELED.
 */
int ib_umem_peer_fault_timeout(struct ib_umem_peer *peer, unsigned long addr,
			       size_t length, unsigned int flags,
			       unsigned long timeout)
{
	return fault_work_do(peer, addr, length, flags,
			     ib_umem_peer_deadline(), timeout);
}

/* ---- prefetches ---- */

static int prefetch_start(struct ib_umem_peer *peer, unsigned long addr,
			  size_t length, unsigned int flags)
{
	struct fault_work *fault;
	bool joined;

	/* A hint may be lost. */
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

	/* Not even the page that it would lie in. */
	if (!length)
		return 0;
	atomic64_add(DIV_ROUND_UP(length + offset_in_page(addr), PAGE_SIZE),
		     &peer->stats.prefetched);
	if (!wait)
		return prefetch_start(peer, addr, length, flags);
	return fault_work_do(peer, addr, length, flags, 0,
			     MAX_SCHEDULE_TIMEOUT);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_prefetch);
