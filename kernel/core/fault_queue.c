// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The queues of a process: who has on-demand registrations has a queue for their
 * faults and one for prefetches. So a page that never comes, and a thousand of them,
 * delay the process that registered them and nobody else; and a fault does not wait
 * until prefetches are done.
 */
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

/* Threads that a process may keep waiting. */
#define QUEUE_FAULTS 64
#define QUEUE_PREFETCHES 4

/*
 * struct ib_peer_queue - of a process
 * @mm:    its memory; whoever has the queue has a reference on that
 * @users: registrations; under queues_lock, as @node
 */
struct ib_peer_queue {
	struct list_head node;
	const struct mm_struct *mm;
	unsigned long users;
	struct workqueue_struct *faults;
	struct workqueue_struct *prefetches;
};

static DEFINE_MUTEX(queues_lock);
static LIST_HEAD(queues);

static void queue_free(struct ib_peer_queue *queue)
{
	if (queue->faults)
		destroy_workqueue(queue->faults);
	if (queue->prefetches)
		destroy_workqueue(queue->prefetches);
	kfree(queue);
}

static struct ib_peer_queue *queue_alloc(const struct mm_struct *mm)
{
	struct ib_peer_queue *queue = kzalloc(sizeof(*queue),
					      GFP_KERNEL_ACCOUNT);

	if (!queue)
		return NULL;
	queue->mm = mm;
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
	bool last;

	if (!queue)
		return;
	mutex_lock(&queues_lock);
	last = !--queue->users;
	if (last)
		list_del(&queue->node);
	mutex_unlock(&queues_lock);
	if (last)
		queue_free(queue);
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
