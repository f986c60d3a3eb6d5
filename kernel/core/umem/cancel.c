// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Cancels the waits of an importer. An importer runs its accesses in work
 * items. A work item that waits for a page blocks whoever flushes it:
 * destroying a queue pair, or the exit of a process. So the importer cancels
 * the waits of all work items in an object, and withdraws that when they may
 * wait again.
 *
 * A wait is inserted before it checks for a cancel, and a cancel is inserted
 * before it looks for waits, both under cancel_lock: one of the two sees the
 * other.
 */
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <rdma/ib_umem_peer.h>

#include "umem/cancel.h"

static DEFINE_SPINLOCK(cancel_lock);
/* By address: one user may have any number of cancelled objects. */
static struct rb_root_cached cancels = RB_ROOT_CACHED;
static HLIST_HEAD(waits);

static bool work_is_of(const struct work_struct *work,
		       const struct interval_tree_node *object)
{
	unsigned long at = (unsigned long)work;

	return at >= object->start && at <= object->last;
}

static bool work_is_cancelled(const struct work_struct *work)
{
	unsigned long at = (unsigned long)work;

	return interval_tree_iter_first(&cancels, at, at);
}

void ib_umem_peer_cancel(struct ib_umem_peer_cancel *cancel, const void *object,
			 size_t size)
{
	struct ib_peer_wait *wait;
	unsigned long flags;

	spin_lock_irqsave(&cancel_lock, flags);
	if (!cancel->active) {
		WRITE_ONCE(cancel->active, true);
		cancel->object.start = (unsigned long)object;
		cancel->object.last = (unsigned long)object + size - 1;
		interval_tree_insert(&cancel->object, &cancels);
	}
	hlist_for_each_entry(wait, &waits, node) {
		if (!work_is_of(wait->work, &cancel->object))
			continue;
		WRITE_ONCE(wait->cancelled, true);
		/* The task is in the list, so it exists, and checks again. */
		wake_up_process(wait->task);
	}
	spin_unlock_irqrestore(&cancel_lock, flags);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_cancel);

void ib_umem_peer_cancel_end(struct ib_umem_peer_cancel *cancel)
{
	unsigned long flags;

	spin_lock_irqsave(&cancel_lock, flags);
	if (cancel->active)
		interval_tree_remove(&cancel->object, &cancels);
	WRITE_ONCE(cancel->active, false);
	spin_unlock_irqrestore(&cancel_lock, flags);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_cancel_end);

/*
 * Called before the current task waits. A cancel of its work item sets
 * wait->cancelled.
 */
void ib_peer_wait_begin(struct ib_peer_wait *wait)
{
	unsigned long flags;

	*wait = (struct ib_peer_wait){
		.task = current, .work = current_work(),
	};
	if (!wait->work)
		return;
	spin_lock_irqsave(&cancel_lock, flags);
	hlist_add_head(&wait->node, &waits);
	if (work_is_cancelled(wait->work))
		WRITE_ONCE(wait->cancelled, true);
	spin_unlock_irqrestore(&cancel_lock, flags);
}

void ib_peer_wait_end(struct ib_peer_wait *wait)
{
	unsigned long flags;

	if (!wait->work)
		return;
	spin_lock_irqsave(&cancel_lock, flags);
	hlist_del(&wait->node);
	spin_unlock_irqrestore(&cancel_lock, flags);
}
