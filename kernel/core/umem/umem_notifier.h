/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The mmu interval notifiers of umems.
 */
#ifndef IB_PEER_UMEM_NOTIFIER_H
#define IB_PEER_UMEM_NOTIFIER_H

#include <linux/mmu_notifier.h>

extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_on_demand;
extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_pinned;
extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_export;

#endif
