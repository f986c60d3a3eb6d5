// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Importers that wait no longer. An importer does its accesses in works; a work that
 * waits for a page keeps whoever flushes it waiting, too: who destroys a queue pair,
 * and a process that ends. So the importer cancels the waits of an object's works,
 * and takes that back when they may wait again.
 *
 * A wait is in the list before it looks for a cancel, and a cancel is in the list
 * before it looks for waits, both under the lock: one of them sees the other.
 */
#include <linux/export.h>
#include <linux/interval_tree.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

static DEFINE_SPINLOCK(cancel_lock);
/* By addresses: one user may have any number of objects that are cancelled. */
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
		/* It is in the list: so it is there, and looks again. */
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

/* The current task is about to wait; a cancel of its work sets wait->cancelled. */
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
