// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The mmu interval notifiers of umems: what munmap(), mprotect(), mremap(), page
 * migration and exit do to a registration.
 *
 *   on demand  the pages of the range are erased and fault in again later; regions
 *              whose mapping was unmapped or changed its rights are killed
 *   pinned     revoked when any part of the range is unmapped. A region of an
 *              exporter with IB_PEER_MMU_TRACKED is also revoked when one of its
 *              pages leaves the CPU page table
 *   export     a range exported as a dma-buf (export.c): on demand, but revoked
 *              when any part of it is unmapped
 */
#include <linux/mm.h>

#include "hold_point.h"
#include "trace.h"
#include "umem/notifier_insert.h"
#include "umem/page_table.h"
#include "umem/readers.h"
#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/revoke.h"
#include "umem/umem.h"
#include "umem/umem_notifier.h"

/* The mapping that was claimed has gone, or changed its rights. */
static bool mn_invalidates_regions(const struct mmu_notifier_range *range)
{
	return ib_peer_mn_unmaps(range) ||
	       range->event == MMU_NOTIFY_PROTECTION_VMA;
}

/* Takes no sleeping lock, so non-blockable ranges need no special case. */
static bool umem_mn_on_demand(struct mmu_interval_notifier *notifier,
			      const struct mmu_notifier_range *range,
			      unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	mmu_interval_set_seq(notifier, cur_seq);
	ib_umem_peer_erase(peer, range->start, range->end - 1);
	if (mn_invalidates_regions(range))
		ib_umem_peer_unlink_regions(peer, range->start, range->end - 1, &ended);
	ib_umem_peer_unlock_and_wait(peer);
	ib_peer_hold(IB_PEER_HOLD_DROP);
	trace_ib_peer_invalidate(peer, range->start, range->end - 1,
				 range->event);
	ib_umem_peer_put_regions(&ended, ib_peer_region_kill);
	return true;
}

/*
 * How the CPU maps pinned pages does not matter, except for exporters that
 * follow the CPU page table (IB_PEER_MMU_TRACKED). Unmapping the range does.
 */
static bool mn_revokes_pinned(const struct ib_umem_peer *peer,
			      const struct mmu_notifier_range *range)
{
	if (ib_peer_mn_unmaps(range))
		return true;
	return peer->mmu_tracked && range->event != MMU_NOTIFY_PROTECTION_VMA &&
	       range->event != MMU_NOTIFY_SOFT_DIRTY;
}

static bool umem_mn_pinned(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);
	LIST_HEAD(ended);

	xa_lock(&peer->pages);
	mmu_interval_set_seq(notifier, cur_seq);
	if (mn_revokes_pinned(peer, range)) {
		ib_umem_peer_set_revoked(peer);
		ib_umem_peer_unlink_regions(peer, 0, ULONG_MAX, &ended);
	}
	ib_umem_peer_unlock_and_wait(peer);
	ib_peer_hold(IB_PEER_HOLD_DROP);
	ib_umem_peer_put_regions(&ended, ib_peer_region_kill);
	return true;
}

/* Exported ranges fault on demand, until any part is unmapped. */
static bool umem_mn_export(struct mmu_interval_notifier *notifier,
			   const struct mmu_notifier_range *range,
			   unsigned long cur_seq)
{
	if (ib_peer_mn_unmaps(range))
		return umem_mn_pinned(notifier, range, cur_seq);
	return umem_mn_on_demand(notifier, range, cur_seq);
}

const struct mmu_interval_notifier_ops ib_umem_peer_mn_on_demand = {
	.invalidate = umem_mn_on_demand,
};

const struct mmu_interval_notifier_ops ib_umem_peer_mn_pinned = {
	.invalidate = umem_mn_pinned,
};

const struct mmu_interval_notifier_ops ib_umem_peer_mn_export = {
	.invalidate = umem_mn_export,
};
