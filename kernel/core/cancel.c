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
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

static DEFINE_SPINLOCK(cancel_lock);
static HLIST_HEAD(cancels);
static HLIST_HEAD(waits);

static bool cancel_is_of(const struct ib_umem_peer_cancel *cancel,
			 const struct work_struct *work)
{
	const void *at = work;

	return at >= cancel->object && at < cancel->object + cancel->size;
}

void ib_umem_peer_cancel(struct ib_umem_peer_cancel *cancel, const void *object,
			 size_t size)
{
	struct ib_peer_wait *wait;
	unsigned long flags;

	spin_lock_irqsave(&cancel_lock, flags);
	if (hlist_unhashed(&cancel->node)) {
		cancel->object = object;
		cancel->size = size;
		hlist_add_head(&cancel->node, &cancels);
	}
	hlist_for_each_entry(wait, &waits, node) {
		if (!cancel_is_of(cancel, wait->work))
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
	hlist_del_init(&cancel->node);
	spin_unlock_irqrestore(&cancel_lock, flags);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_cancel_end);

/* The current task is about to wait; a cancel of its work sets wait->cancelled. */
void ib_peer_wait_begin(struct ib_peer_wait *wait)
{
	struct ib_umem_peer_cancel *cancel;
	unsigned long flags;

	*wait = (struct ib_peer_wait){
		.task = current, .work = current_work(),
	};
	if (!wait->work)
		return;
	spin_lock_irqsave(&cancel_lock, flags);
	hlist_add_head(&wait->node, &waits);
	hlist_for_each_entry(cancel, &cancels, node)
		if (cancel_is_of(cancel, wait->work))
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
