// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Watching a range of an address space. Who is the first there to do so has the
 * kernel take all locks of the address space, which any pending signal ends, with
 * -EINTR. Only a fatal one shall: a worker, which has no signals, tries again.
 */
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

struct watch {
	struct work_struct work;
	struct mmu_interval_notifier *notifier;
	struct mm_struct *mm;
	unsigned long first;
	unsigned long length;
	const struct mmu_interval_notifier_ops *ops;
	int ret;
};

static void watch_insert(struct watch *watch)
{
	watch->ret = mmu_interval_notifier_insert(watch->notifier, watch->mm,
						  watch->first, watch->length,
						  watch->ops);
}

static void watch_work(struct work_struct *work)
{
	watch_insert(container_of(work, struct watch, work));
}

/*
 * @mm: alive; its mmap_lock is not held
 * Context: may sleep.
 * Return: 0 the notifier is in place, until mmu_interval_notifier_remove(); -ENOMEM;
 * -EINTR the task is being killed.
 */
int ib_peer_watch(struct mmu_interval_notifier *notifier, struct mm_struct *mm,
		  unsigned long first, unsigned long length,
		  const struct mmu_interval_notifier_ops *ops)
{
	struct watch watch = {
		.notifier = notifier,
		.mm = mm,
		.first = first,
		.length = length,
		.ops = ops,
	};

	watch_insert(&watch);
	if (watch.ret == -EINTR && !fatal_signal_pending(current)) {
		INIT_WORK_ONSTACK(&watch.work, watch_work);
		queue_work(system_unbound_wq, &watch.work);
		flush_work(&watch.work);
		destroy_work_on_stack(&watch.work);
	}
	/* Waits until the notifier really is in place: insert may defer it. */
	if (!watch.ret)
		mmu_interval_read_begin(notifier);
	return watch.ret;
}
