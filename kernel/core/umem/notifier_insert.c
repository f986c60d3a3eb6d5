// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Inserts an mmu interval notifier. The first one of an mm takes all its
 * locks (mm_take_all_locks()), which any pending signal interrupts. Only a
 * fatal signal may interrupt a registration, so a worker, which has no
 * signals, tries again.
 */
#include <compat/workqueue.h>
#include <linux/mmu_notifier.h>
#include <linux/sched/signal.h>

#include "umem/notifier_insert.h"

struct notifier_insert {
	struct work_struct work;
	struct mmu_interval_notifier *notifier;
	struct mm_struct *mm;
	unsigned long first;
	unsigned long length;
	const struct mmu_interval_notifier_ops *ops;
	int ret;
};

static void notifier_insert(struct notifier_insert *insert)
{
	insert->ret = mmu_interval_notifier_insert(insert->notifier, insert->mm,
						   insert->first, insert->length,
						  insert->ops);
}

static void notifier_insert_work(struct work_struct *work)
{
	notifier_insert(container_of(work, struct notifier_insert, work));
}

/*
 * ib_peer_insert_notifier() - insert an mmu interval notifier
 * @mm: alive; its mmap_lock is not held
 *
 * Context: may sleep. Return: 0 the notifier is in place, until
 * mmu_interval_notifier_remove(); -ENOMEM; -EINTR the task is being killed.
 */
int ib_peer_insert_notifier(struct mmu_interval_notifier *notifier, struct mm_struct *mm,
			    unsigned long first, unsigned long length,
		  const struct mmu_interval_notifier_ops *ops)
{
	struct notifier_insert insert = {
		.notifier = notifier,
		.mm = mm,
		.first = first,
		.length = length,
		.ops = ops,
	};

	notifier_insert(&insert);
	if (insert.ret == -EINTR && !fatal_signal_pending(current)) {
		INIT_WORK_ONSTACK(&insert.work, notifier_insert_work);
		queue_work(system_dfl_wq, &insert.work);
		flush_work(&insert.work);
		destroy_work_on_stack(&insert.work);
	}
	/* Insertion may be deferred: wait until it is in place. */
	if (!insert.ret)
		mmu_interval_read_begin(notifier);
	return insert.ret;
}
