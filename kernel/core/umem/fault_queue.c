// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The workqueues of a process that has on-demand MRs: one for faults, one for
 * prefetches, and two for the accesses of importers that run accesses in work
 * items. So a page that never arrives, or a thousand of them, delay only the
 * process that registered them. Prefetches do not delay faults, and waiting
 * requesters do not delay responders.
 *
 * Creating workqueues takes longer than a registration, so they stay for a
 * while after the last one, for programs that register repeatedly.
 *
 * A fault holds a reference to the mm. The mm keeps the mappings of verbs
 * files, and those files would end the registration when the process is
 * killed. So while faults are in progress, a check every second kills those
 * of abandoned address spaces.
 */
#include <linux/cpumask.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "hold_point.h"
#include "umem/fault_list.h"
#include "umem/fault_queue.h"
#include "umem/umem.h"

/* Limits of workers that one process can keep waiting. */
#define QUEUE_FAULTS 16
#define QUEUE_PREFETCHES 4
/* At least this, and at least the number of CPUs: most accesses do not wait. */
#define QUEUE_ACCESSES 64

#define QUEUE_CHECK_PERIOD HZ

/* How long unused workqueues stay. */
#ifdef PEERMEM_HOLD
#define QUEUE_IDLE_TIME (HZ / 10)
#else
#define QUEUE_IDLE_TIME (10 * HZ)
#endif

/*
 * struct ib_peer_queue - the workqueues of a process
 * @mm:    the address space; a reference to the struct
 * @peers: registrations; protected by queues_lock, as @users and @node
 * @users: registrations, plus references of importers
 * @idle:  frees the queue when it is unused
 * @watch: kills faults of abandoned address spaces
 */
struct ib_peer_queue {
	struct list_head node;
	struct mm_struct *mm;
	struct list_head peers;
	unsigned long users;
	struct delayed_work idle;
	struct delayed_work watch;
	struct workqueue_struct *faults;
	struct workqueue_struct *prefetches;
	struct ib_umem_peer_workqueues accesses;
};

static DEFINE_MUTEX(queues_lock);
static LIST_HEAD(queues);
static struct workqueue_struct *idle_wq;

static void queue_free(struct ib_peer_queue *queue)
{
	cancel_delayed_work_sync(&queue->watch);
	if (queue->faults)
		destroy_workqueue(queue->faults);
	if (queue->prefetches)
		destroy_workqueue(queue->prefetches);
	if (queue->accesses.requesters)
		destroy_workqueue(queue->accesses.requesters);
	if (queue->accesses.responders)
		destroy_workqueue(queue->accesses.responders);
	mmdrop(queue->mm);
	kfree(queue);
}

/*
 * Unlinks an unused queue. Return: false if another caller did it, or if the
 * queue was used meanwhile: its last user has queued the delayed work again, or
 * will.
 */
static bool queue_unlink_unused(struct ib_peer_queue *queue)
{
	bool taken;

	mutex_lock(&queues_lock);
	taken = !queue->users && !list_empty(&queue->node) &&
		!delayed_work_pending(&queue->idle);
	if (taken)
		list_del_init(&queue->node);
	mutex_unlock(&queues_lock);
	return taken;
}

static void queue_free_unused(struct work_struct *work)
{
	struct ib_peer_queue *queue =
		container_of(to_delayed_work(work), struct ib_peer_queue, idle);

	ib_peer_hold(IB_PEER_HOLD_IDLE);
	if (queue_unlink_unused(queue))
		queue_free(queue);
}

/*
 * Ends faults that no task can want any more. A range that another process
 * exported ends with that process.
 */
static void queue_check_abandoned(struct work_struct *work)
{
	struct ib_peer_queue *queue =
		container_of(to_delayed_work(work), struct ib_peer_queue, watch);
	struct ib_umem_peer *peer;
	bool more = false;

	mutex_lock(&queues_lock);
	list_for_each_entry(peer, &queue->peers, queue_node) {
		/* MRs of another driver's dma-buf hold no mm. */
		if (!peer->dmabuf &&
		    ib_peer_mm_is_abandoned(peer->umem.owning_mm))
			ib_umem_peer_kill_faults(peer);
		more |= ib_umem_peer_is_faulting(peer);
	}
	mutex_unlock(&queues_lock);
	if (more)
		queue_delayed_work(idle_wq, &queue->watch, QUEUE_CHECK_PERIOD);
}

/* Return: 0, -ENOMEM. */
static int queue_alloc_threads(struct ib_peer_queue *queue)
{
	int accesses = clamp_t(int, num_possible_cpus(), QUEUE_ACCESSES,
			       WQ_MAX_ACTIVE);
	pid_t pid = current->tgid;

	queue->faults = alloc_workqueue("ib_peer_fault-%d", WQ_UNBOUND,
					QUEUE_FAULTS, pid);
	queue->prefetches = alloc_workqueue("ib_peer_prefetch-%d", WQ_UNBOUND,
					    QUEUE_PREFETCHES, pid);
	queue->accesses.requesters = alloc_workqueue("ib_peer_request-%d",
						     WQ_UNBOUND, accesses, pid);
	queue->accesses.responders = alloc_workqueue("ib_peer_response-%d",
						     WQ_UNBOUND, accesses, pid);
	return queue->faults && queue->prefetches &&
	       queue->accesses.requesters && queue->accesses.responders ?
	       0 : -ENOMEM;
}

static struct ib_peer_queue *queue_alloc(struct mm_struct *mm)
{
	struct ib_peer_queue *queue = kzalloc(sizeof(*queue),
					      GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->mm = mm;
	mmgrab(mm);
	INIT_LIST_HEAD(&queue->peers);
	INIT_DELAYED_WORK(&queue->idle, queue_free_unused);
	INIT_DELAYED_WORK(&queue->watch, queue_check_abandoned);
	if (!queue_alloc_threads(queue))
		return queue;
	queue_free(queue);
	return NULL;
}

static struct ib_peer_queue *queue_find(const struct mm_struct *mm)
{
	struct ib_peer_queue *queue;

	lockdep_assert_held(&queues_lock);

	list_for_each_entry(queue, &queues, node)
		if (queue->mm == mm)
			return queue;
	return NULL;
}

/* Finds or creates the queue of the registering process. Return: 0, -ENOMEM. */
int ib_umem_peer_get_queue(struct ib_umem_peer *peer)
{
	struct ib_peer_queue *queue;

	mutex_lock(&queues_lock);
	queue = queue_find(peer->registrant);
	if (!queue) {
		queue = queue_alloc(peer->registrant);
		if (queue)
			list_add(&queue->node, &queues);
	}
	if (queue) {
		queue->users++;
		list_add(&peer->queue_node, &queue->peers);
	}
	mutex_unlock(&queues_lock);
	peer->queue = queue;
	return queue ? 0 : -ENOMEM;
}

static void queue_put_locked(struct ib_peer_queue *queue)
{
	lockdep_assert_held(&queues_lock);

	if (!--queue->users)
		queue_delayed_work(idle_wq, &queue->idle, QUEUE_IDLE_TIME);
}

/* No fault of the umem is queued any more. The umem may have no queue. */
void ib_umem_peer_put_queue(struct ib_umem_peer *peer)
{
	if (!peer->queue)
		return;
	mutex_lock(&queues_lock);
	list_del(&peer->queue_node);
	queue_put_locked(peer->queue);
	mutex_unlock(&queues_lock);
}

void ib_peer_queue_fault(struct ib_peer_queue *queue, struct work_struct *work)
{
	queue_work(queue->faults, work);
	queue_delayed_work(idle_wq, &queue->watch, QUEUE_CHECK_PERIOD);
}

void ib_peer_queue_prefetch(struct ib_peer_queue *queue,
			    struct work_struct *work)
{
	queue_work(queue->prefetches, work);
	queue_delayed_work(idle_wq, &queue->watch, QUEUE_CHECK_PERIOD);
}

/* ---- for importers that run accesses in work items ---- */

struct ib_umem_peer_workqueues *
ib_umem_peer_get_workqueues(struct ib_umem_peer *peer)
{
	struct ib_peer_queue *queue = peer->queue;

	if (!queue)
		return NULL;
	mutex_lock(&queues_lock);
	queue->users++;
	mutex_unlock(&queues_lock);
	return &queue->accesses;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_get_workqueues);

void ib_umem_peer_put_workqueues(struct ib_umem_peer_workqueues *wqs)
{
	if (!wqs)
		return;
	mutex_lock(&queues_lock);
	queue_put_locked(container_of(wqs, struct ib_peer_queue, accesses));
	mutex_unlock(&queues_lock);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_put_workqueues);

/*
 * Waits for the work items of importers. None of them registers or releases a
 * umem. A queue that is being freed is no longer in the list.
 */
void ib_peer_queue_flush(void)
{
	struct ib_peer_queue *queue;

	mutex_lock(&queues_lock);
	list_for_each_entry(queue, &queues, node) {
		flush_workqueue(queue->accesses.requesters);
		flush_workqueue(queue->accesses.responders);
	}
	mutex_unlock(&queues_lock);
	flush_workqueue(idle_wq);
}

/* ---- module init and exit ---- */

int ib_peer_queue_init(void)
{
	idle_wq = alloc_workqueue("ib_peer_idle", WQ_UNBOUND, 0);
	return idle_wq ? 0 : -ENOMEM;
}

static struct ib_peer_queue *queue_pop(void)
{
	struct ib_peer_queue *queue;

	mutex_lock(&queues_lock);
	queue = list_first_entry_or_null(&queues, struct ib_peer_queue, node);
	if (queue)
		list_del_init(&queue->node);
	mutex_unlock(&queues_lock);
	return queue;
}

/* No registration is left. */
void ib_peer_queue_exit(void)
{
	struct ib_peer_queue *queue;

	while ((queue = queue_pop())) {
		cancel_delayed_work_sync(&queue->idle);
		queue_free(queue);
	}
	/* Work that frees an unlinked queue may still be running. */
	flush_workqueue(idle_wq);
	destroy_workqueue(idle_wq);
}
