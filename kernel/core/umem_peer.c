// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * struct ib_umem_peer: what an importer registers.
 *
 * The page table (umem->pages, indexed by page of the registration) is the only
 * record of what may be accessed. An entry is published under the xarray's lock
 * after the check that nothing was invalidated since the exporter was asked
 * (fault.c), and is used under a guard (access.c).
 *
 * Guards are what makes "nobody touches the old place any more" true without a
 * lock per MR on the data path: an access looks its entry up and uses it with
 * the guard of its page held for reading; who took entries away then passes
 * through the guards for writing, and knows that no access that saw an old entry
 * is still under way. Copies hold a guard for less than a page at a time and do
 * not sleep, so the wait is short and depends on no user and no network peer.
 *
 * A pinned registration follows its process's address space in one respect: an
 * munmap() or mremap() of any part revokes the whole, and so does exit.
 */
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "ib_peer.h"

static void umem_pass_guards(struct ib_umem_peer *peer)
{
	int i;

	for (i = 0; i < IB_UMEM_PEER_GUARDS; i++) {
		write_lock(&peer->guard[i]);
		write_unlock(&peer->guard[i]);
	}
}

/* For ever. When this returns no access is under way, and none will begin. */
void ib_umem_peer_kill(struct ib_umem_peer *peer)
{
	WRITE_ONCE(peer->revoked, true);
	umem_pass_guards(peer);
}

static bool umem_peer_mn_invalidate(struct mmu_interval_notifier *notifier,
				    const struct mmu_notifier_range *range,
				    unsigned long cur_seq)
{
	struct ib_umem_peer *peer =
		container_of(notifier, struct ib_umem_peer, notifier);

	xa_lock(&peer->pages);
	mmu_interval_set_seq(notifier, cur_seq);
	xa_unlock(&peer->pages);

	/*
	 * Whether the CPU has the pages mapped, and how, says nothing about
	 * pinned ones; that the range is no longer theirs does.
	 */
	if (range->event == MMU_NOTIFY_UNMAP ||
	    range->event == MMU_NOTIFY_RELEASE) {
		ib_umem_peer_kill(peer);
		ib_peer_region_detach_later(peer);
	}
	return true;
}

static const struct mmu_interval_notifier_ops umem_peer_mn_ops = {
	.invalidate = umem_peer_mn_invalidate,
};

static int umem_check(unsigned long addr, size_t size, int access)
{
	unsigned long end;

	if (!size || check_add_overflow(addr, size, &end) ||
	    PAGE_ALIGN(end) < end)
		return -EINVAL;
	/* Device memory forgets. */
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	if (access & IB_ACCESS_ON_DEMAND)
		return -EOPNOTSUPP;
	return 0;
}

static struct ib_umem_peer *umem_alloc(struct ib_device *ibdev,
				       unsigned long addr, size_t size,
				       int access)
{
	struct ib_umem_peer *peer;
	int i;

	peer = kzalloc(sizeof(*peer), GFP_KERNEL);
	if (!peer)
		return NULL;
	peer->umem.ibdev = ibdev;
	peer->umem.address = addr;
	peer->umem.iova = addr;
	peer->umem.length = size;
	peer->umem.writable = ib_access_writable(access);
	peer->umem.owning_mm = current->mm;
	mmgrab(current->mm);
	peer->first_page = addr >> PAGE_SHIFT;
	xa_init(&peer->pages);
	for (i = 0; i < IB_UMEM_PEER_GUARDS; i++)
		rwlock_init(&peer->guard[i]);
	return peer;
}

static void umem_free(struct ib_umem_peer *peer)
{
	xa_destroy(&peer->pages);
	mmdrop(peer->umem.owning_mm);
	kfree(peer);
}

/* Pinned memory counts against RLIMIT_MEMLOCK, as that of ib_umem_get(). */
static int umem_charge(struct ib_umem_peer *peer)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	unsigned long pages = ib_umem_num_pages(&peer->umem);
	atomic64_t *pinned = &peer->umem.owning_mm->pinned_vm;

	if (atomic64_add_return(pages, pinned) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, pinned);
		return -ENOMEM;
	}
	return 0;
}

static void umem_uncharge(struct ib_umem_peer *peer)
{
	atomic64_sub(ib_umem_num_pages(&peer->umem),
		     &peer->umem.owning_mm->pinned_vm);
}

/* From the exporter's claim to a full page table that others may revoke. */
static int umem_pin(struct ib_umem_peer *peer)
{
	struct ib_peer_region *region;
	int ret;

	region = ib_peer_region_claim(peer);
	if (IS_ERR(region))
		return PTR_ERR(region);
	ret = ib_peer_region_pin(region);
	if (!ret)
		ret = ib_umem_peer_populate(region, 0, region->length,
					    region->writable);
	if (!ret)
		ret = ib_peer_region_publish(region);
	if (ret)
		ib_peer_region_abort(region);
	return ret;
}

struct ib_umem_peer *ib_umem_peer_get(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access)
{
	struct ib_umem_peer *peer;
	int ret;

	ret = umem_check(addr, size, access);
	if (ret)
		return ERR_PTR(ret);
	peer = umem_alloc(ibdev, addr, size, access);
	if (!peer)
		return ERR_PTR(-ENOMEM);
	ret = umem_charge(peer);
	if (ret)
		goto err_free;
	ret = mmu_interval_notifier_insert(&peer->notifier, current->mm,
					   peer->first_page << PAGE_SHIFT,
					   ib_umem_num_pages(&peer->umem) <<
					   PAGE_SHIFT, &umem_peer_mn_ops);
	if (ret)
		goto err_uncharge;
	/* Waits until the notifier really is in place: insert may defer it. */
	mmu_interval_read_begin(&peer->notifier);

	ret = umem_pin(peer);
	if (ret)
		goto err_notifier;
	return peer;

err_notifier:
	mmu_interval_notifier_remove(&peer->notifier);
err_uncharge:
	umem_uncharge(peer);
err_free:
	umem_free(peer);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_get);

void ib_umem_peer_release(struct ib_umem_peer *peer)
{
	if (!peer)
		return;
	mmu_interval_notifier_remove(&peer->notifier);
	ib_peer_region_end(peer->region);
	umem_uncharge(peer);
	umem_free(peer);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_release);

int ib_umem_peer_check_rereg(struct ib_umem_peer *peer, int access)
{
	if (access & IB_ACCESS_FLUSH_PERSISTENT)
		return -EINVAL;
	if (ib_access_writable(access) && !peer->umem.writable)
		return -EACCES;
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_check_rereg);
