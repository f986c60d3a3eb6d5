/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Inserts an mmu interval notifier; only a fatal signal interrupts it.
 */
#ifndef IB_PEER_NOTIFIER_INSERT_H
#define IB_PEER_NOTIFIER_INSERT_H

#include <linux/mmu_notifier.h>

int ib_peer_insert_notifier(struct mmu_interval_notifier *notifier,
			    struct mm_struct *mm, unsigned long first,
			    unsigned long length,
			    const struct mmu_interval_notifier_ops *ops);

/* The mapping of the range goes away, by munmap(), mremap() or exit. */
static inline bool ib_peer_mn_unmaps(const struct mmu_notifier_range *range)
{
	return range->event == MMU_NOTIFY_UNMAP ||
	       range->event == MMU_NOTIFY_RELEASE;
}

#endif
