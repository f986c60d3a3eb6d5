// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults in the background, for importers that must not wait long: a responder
 * tells its peer to come back later (RNR NAK) instead of making it time out.
 *
 * A fault that takes longer than the importer waits goes on by itself; who comes
 * for the same pages again waits for the one under way. Each holds the umem,
 * whose release waits for them: for exporters, never for users.
 */
#include <linux/completion.h>
#include <linux/export.h>
#include <linux/kref.h>
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

#include "ib_peer.h"

/*
 * @access: begun by one, who needs no question any more if another fault has ended
 *          since the pages were missing
 * @until:  deadline of that access, in jiffies; 0: a prefetch has none
 */
struct fault_work {
	struct work_struct work;
	struct list_head node;
	struct kref kref;
	struct completion done;
	struct ib_umem_peer *peer;
	unsigned long addr;
	size_t length;
	unsigned int flags;
	bool access;
	unsigned long until;
	int ret;
};

static struct workqueue_struct *fault_wq;

static void fault_work_free(struct kref *kref)
{
	kfree(container_of(kref, struct fault_work, kref));
}

static bool fault_work_is_needed(const struct fault_work *fault)
{
	return !fault->access ||
	       ib_umem_peer_present(fault->peer, fault->addr, fault->length,
				    fault->flags & PEER_FAULT_WRITE);
}

static void fault_work_run(struct work_struct *work)
{
	struct fault_work *fault = container_of(work, struct fault_work, work);
	struct ib_umem_peer *peer = fault->peer;

	if (fault_work_is_needed(fault))
		fault->ret = ib_umem_peer_fault(peer, fault->addr,
						fault->length, fault->flags,
						fault->until);
	ib_peer_hold(IB_PEER_HOLD_FAULTED);
	spin_lock(&peer->work_lock);
	list_del(&fault->node);
	spin_unlock(&peer->work_lock);
	complete_all(&fault->done);
	kref_put(&fault->kref, fault_work_free);
	ib_umem_peer_fault_ended(peer);
}

/* One under way that brings these pages too, with a reference. */
static struct fault_work *fault_work_find(struct ib_umem_peer *peer,
					  unsigned long addr, size_t length,
					  unsigned int flags)
{
	struct fault_work *fault;

	lockdep_assert_held(&peer->work_lock);

	list_for_each_entry(fault, &peer->works, node) {
		if (fault->addr <= addr && !(flags & ~fault->flags) &&
		    !(fault->flags & PEER_FAULT_SNAPSHOT) &&
		    fault->addr + fault->length >= addr + length) {
			kref_get(&fault->kref);
			return fault;
		}
	}
	return NULL;
}

static struct fault_work *fault_work_alloc(struct ib_umem_peer *peer,
					   unsigned long addr, size_t length,
					   unsigned int flags, bool access)
{
	struct fault_work *fault = kzalloc(sizeof(*fault),
					   GFP_KERNEL_ACCOUNT);

	if (!fault)
		return NULL;
	INIT_WORK(&fault->work, fault_work_run);
	kref_init(&fault->kref);
	init_completion(&fault->done);
	fault->peer = peer;
	fault->addr = addr & PAGE_MASK;
	fault->length = PAGE_ALIGN(addr + length) - fault->addr;
	fault->flags = flags;
	fault->access = access;
	fault->until = access ? ib_umem_peer_deadline() : 0;
	return fault;
}

static struct fault_work *fault_work_start(struct ib_umem_peer *peer,
					   unsigned long addr, size_t length,
					   unsigned int flags, bool access)
{
	struct fault_work *fault, *fresh;

	fresh = fault_work_alloc(peer, addr, length, flags, access);
	if (!fresh)
		return NULL;
	ib_peer_hold(IB_PEER_HOLD_MISSED);
	spin_lock(&peer->work_lock);
	fault = fault_work_find(peer, addr, length, flags);
	if (!fault) {
		fault = fresh;
		fresh = NULL;
		kref_get(&fault->kref);
		list_add_tail(&fault->node, &peer->works);
		ib_umem_peer_fault_begins(peer);
		queue_work(fault_wq, &fault->work);
	}
	spin_unlock(&peer->work_lock);
	kfree(fresh);
	return fault;
}

/*
 * As ib_umem_peer_fault(), but waits for at most @timeout jiffies.
 * Return: the same, or -EAGAIN it is still under way.
 */
int ib_umem_peer_fault_timeout(struct ib_umem_peer *peer, unsigned long addr,
			       size_t length, unsigned int flags,
			       unsigned long timeout)
{
	struct fault_work *fault;
	int ret = -EAGAIN;

	fault = fault_work_start(peer, addr, length, flags, true);
	if (!fault)
		return -ENOMEM;
	if (wait_for_completion_timeout(&fault->done, timeout))
		ret = fault->ret;
	kref_put(&fault->kref, fault_work_free);
	return ret;
}

int ib_umem_peer_prefetch(struct ib_umem_peer *peer, u64 offset, size_t length,
			  bool write, bool fault, bool wait)
{
	unsigned int flags = (write ? PEER_FAULT_WRITE : 0) |
			     (fault ? 0 : PEER_FAULT_SNAPSHOT);
	unsigned long addr = peer->umem.address + offset;
	struct fault_work *work;

	/* Not even the page that it would lie in. */
	if (!length)
		return 0;
	atomic64_add(DIV_ROUND_UP(length + offset_in_page(addr), PAGE_SIZE),
		     &peer->stats.prefetched);
	if (wait)
		return ib_umem_peer_fault(peer, addr, length, flags, 0);
	work = fault_work_start(peer, addr, length, flags, false);
	if (!work)
		return -ENOMEM;
	kref_put(&work->kref, fault_work_free);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_prefetch);

int ib_peer_fault_work_init(void)
{
	fault_wq = alloc_workqueue("ib_peer_fault", WQ_UNBOUND, 0);
	return fault_wq ? 0 : -ENOMEM;
}

void ib_peer_fault_work_exit(void)
{
	destroy_workqueue(fault_wq);
}
