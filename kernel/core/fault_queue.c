// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The queues of a process: who has on-demand registrations has a queue for their
 * faults and one for prefetches. So a page that never comes, and a thousand of them,
 * delay the process that registered them and nobody else; and a fault does not wait
 * until prefetches are done.
 *
 * Queues cost more than a registration. They stay for a while after the last one, for
 * programs that register again and again.
 */
#include <linux/mutex.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

/* Threads that a process may keep waiting: of a machine's there are not so many. */
#define QUEUE_FAULTS 16
#define QUEUE_PREFETCHES 4

/* How long queues stay that nobody uses. */
#ifdef PEERMEM_HOLD
#define QUEUE_IDLE (HZ / 10)
#else
#define QUEUE_IDLE (10 * HZ)
#endif

/*
 * struct ib_peer_queue - of a process
 * @mm:    its memory, by a reference to the struct
 * @users: registrations; under queues_lock, as @node
 * @idle:  frees it if there are none for a while
 */
struct ib_peer_queue {
	struct list_head node;
	struct mm_struct *mm;
	unsigned long users;
	struct delayed_work idle;
	struct workqueue_struct *faults;
	struct workqueue_struct *prefetches;
};

static DEFINE_MUTEX(queues_lock);
static LIST_HEAD(queues);
static struct workqueue_struct *idle_wq;

static void queue_free(struct ib_peer_queue *queue)
{
	if (queue->faults)
		destroy_workqueue(queue->faults);
	if (queue->prefetches)
		destroy_workqueue(queue->prefetches);
	mmdrop(queue->mm);
	kfree(queue);
}

/*
 * Nobody finds it any more. Return: false if another has seen to that, or somebody has
 * used it since this look at it began: then another look is due.
 */
static bool queue_take(struct ib_peer_queue *queue)
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

static void queue_idle(struct work_struct *work)
{
	struct ib_peer_queue *queue =
		container_of(to_delayed_work(work), struct ib_peer_queue, idle);

	ib_peer_hold(IB_PEER_HOLD_IDLE);
	if (queue_take(queue))
		queue_free(queue);
}

static struct ib_peer_queue *queue_alloc(struct mm_struct *mm)
{
	struct ib_peer_queue *queue = kzalloc(sizeof(*queue),
					      GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->mm = mm;
	mmgrab(mm);
	INIT_DELAYED_WORK(&queue->idle, queue_idle);
	queue->faults = alloc_workqueue("ib_peer_fault-%d", WQ_UNBOUND,
					QUEUE_FAULTS, current->tgid);
	queue->prefetches = alloc_workqueue("ib_peer_prefetch-%d", WQ_UNBOUND,
					    QUEUE_PREFETCHES, current->tgid);
	if (queue->faults && queue->prefetches)
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

/* The queues of the process that registers. Return: 0, -ENOMEM. */
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
	if (queue)
		queue->users++;
	mutex_unlock(&queues_lock);
	peer->queue = queue;
	return queue ? 0 : -ENOMEM;
}

/* No fault of the umem is queued, and none will be. NULL: it has no queue. */
void ib_peer_queue_put(struct ib_peer_queue *queue)
{
	if (!queue)
		return;
	mutex_lock(&queues_lock);
	if (!--queue->users)
		queue_delayed_work(idle_wq, &queue->idle, QUEUE_IDLE);
	mutex_unlock(&queues_lock);
}

void ib_peer_queue_fault(struct ib_peer_queue *queue, struct work_struct *work)
{
	queue_work(queue->faults, work);
}

void ib_peer_queue_prefetch(struct ib_peer_queue *queue,
			    struct work_struct *work)
{
	queue_work(queue->prefetches, work);
}

int ib_peer_queue_init(void)
{
	idle_wq = alloc_workqueue("ib_peer_idle", WQ_UNBOUND, 0);
	return idle_wq ? 0 : -ENOMEM;
}

static struct ib_peer_queue *queue_first(void)
{
	struct ib_peer_queue *queue;

	mutex_lock(&queues_lock);
	queue = list_first_entry_or_null(&queues, struct ib_peer_queue, node);
	if (queue)
		list_del_init(&queue->node);
	mutex_unlock(&queues_lock);
	return queue;
}

/* There are no registrations any more. */
void ib_peer_queue_exit(void)
{
	struct ib_peer_queue *queue;

	while ((queue = queue_first())) {
		cancel_delayed_work_sync(&queue->idle);
		queue_free(queue);
	}
	/* And those that free what they have taken themselves. */
	destroy_workqueue(idle_wq);
}
