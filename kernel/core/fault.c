// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Where are these pages? The question goes to whom the mapping belongs: to the
 * system for system memory (hmm_range_fault()), to the exporter for device
 * memory. The protocol is the same, that of mmu_interval_notifier:
 *
 *   read the sequences; ask, with no lock of ours held; take the lock; if a
 *   sequence moved, what was said may be old: ask again; else publish.
 *
 * The answer goes into an array of our own and from there, after the check,
 * into the page table: what was written while asking is never what accesses
 * read.
 *
 * Around the pages asked for, what is to be had for nothing is taken along: of
 * system memory what is in the CPU's page table anyway, of device memory the
 * 2 MiB around, for an exporter moves that much with less effort than a page.
 */
#include <linux/err.h>
#include <linux/hmm.h>
#include <linux/jiffies.h>
#include <linux/memremap.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "ib_peer.h"
#include "trace.h"

#define HUGE_SIZE (PEER_HUGE_PAGES << PAGE_SHIFT)

/* Of system memory: pages around the one that is missing. */
#define AROUND_SIZE (16 * PAGE_SIZE)

/* An access that cannot be served for so long never will be. */
#define FAULT_TIMEOUT (60 * HZ)

/*
 * struct ib_peer_fault - a question
 * @peer:   whose
 * @start:  first address wanted, page aligned
 * @end:    behind the last
 * @flags:  PEER_FAULT_xxx
 * @answer: the window around, and what is known of it
 */
struct ib_peer_fault {
	struct ib_umem_peer *peer;
	unsigned long start;
	unsigned long end;
	unsigned int flags;
	struct peer_answer answer;
};

/* The window of @size around the pages wanted, inside of [first, last]. */
static void fault_window(struct ib_peer_fault *fault, unsigned long size,
			 unsigned long first, unsigned long last)
{
	struct ib_umem_peer *peer = fault->peer;
	unsigned long start = ALIGN_DOWN(fault->start, size);
	unsigned long stop = start + size - 1;

	start = max3(start, first, ib_umem_peer_first(peer));
	stop = min3(stop, last, ib_umem_peer_last(peer));
	fault->answer.start = start;
	fault->answer.pages = (stop - start + 1) >> PAGE_SHIFT;
	memset(fault->answer.ptes, 0,
	       fault->answer.pages * sizeof(*fault->answer.ptes));
}

static unsigned long fault_index(const struct ib_peer_fault *fault,
				 unsigned long addr)
{
	return (addr - fault->answer.start) >> PAGE_SHIFT;
}

static bool fault_is_write(const struct ib_peer_fault *fault)
{
	return fault->flags & PEER_FAULT_WRITE;
}

/* ---- the exporter's answer ---- */

static int block_to_pte(struct ib_peer_region *region,
			const struct ib_peer_block *block, unsigned long *pte)
{
	const struct ib_peer_ops *ops = region->client->ops;
	struct iosys_map map = {};
	int ret;

	if (!ops->cpu_map)
		return -EOPNOTSUPP;
	ret = ops->cpu_map(region, block, &map);
	if (ret)
		return ret;
	*pte = map.is_iomem ? (unsigned long)map.vaddr_iomem :
			      (unsigned long)map.vaddr;
	if (!*pte || !PAGE_ALIGNED(*pte))
		return -EINVAL;
	if (map.is_iomem)
		*pte |= PEER_PTE_IOMEM;
	if (block->flags & IB_PEER_BLOCK_WRITE)
		*pte |= PEER_PTE_WRITE;
	return 0;
}

int ib_peer_fault_add(struct ib_peer_fault *fault,
		      const struct ib_peer_block *block)
{
	struct peer_answer *answer = &fault->answer;
	struct ib_peer_region *region = answer->region;
	unsigned long first, start, stop, at, pte;
	u64 end;
	int ret;

	if (!PAGE_ALIGNED(block->offset) || !PAGE_ALIGNED(block->length) ||
	    check_add_overflow(block->offset, block->length, &end) ||
	    end > region->length)
		return -EINVAL;
	first = region->start + block->offset;
	start = max(first, answer->start);
	stop = min(first + block->length,
		   answer->start + (answer->pages << PAGE_SHIFT));
	if (start >= stop)
		return 0;

	ret = block_to_pte(region, block, &pte);
	if (ret)
		return ret;
	for (at = start; at < stop; at += PAGE_SIZE)
		answer->ptes[fault_index(fault, at)] = pte + (at - first);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_peer_fault_add);

/* Is everything there that was wanted? */
static int fault_check(const struct ib_peer_fault *fault)
{
	unsigned long at, pte;

	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return 0;
	for (at = fault->start; at < fault->end; at += PAGE_SIZE) {
		pte = fault->answer.ptes[fault_index(fault, at)];
		if (!pte)
			return -EFAULT;
		if (fault_is_write(fault) && !(pte & PEER_PTE_WRITE))
			return -EACCES;
	}
	return 0;
}

static int fault_ask_exporter(struct ib_peer_fault *fault,
			      struct ib_peer_region *region)
{
	struct peer_answer *answer = &fault->answer;
	int ret;

	xa_lock(&fault->peer->pages);
	answer->seq = region->seq;
	xa_unlock(&fault->peer->pages);
	answer->region = region;

	fault_window(fault, HUGE_SIZE, region->span.start, region->span.last);
	ib_peer_hold(IB_PEER_HOLD_ASK);
	ret = region->client->ops->fault(region,
					 answer->start - region->start,
					 answer->pages << PAGE_SHIFT,
					 fault_is_write(fault), fault);
	ib_peer_hold(IB_PEER_HOLD_ANSWERED);
	if (!ret)
		ret = fault_check(fault);
	if (!ret)
		ret = ib_umem_peer_publish(fault->peer, answer);
	if (!ret)
		ib_peer_count(region->client, IB_PEER_FAULTS, 1);
	return ret;
}

/* ---- the system's answer ---- */

static unsigned long hmm_to_pte(const struct ib_umem_peer *peer,
				unsigned long pfn)
{
	struct page *page = hmm_pfn_to_page(pfn);
	unsigned long pte;

	if (!(pfn & HMM_PFN_VALID) || pfn & HMM_PFN_ERROR)
		return 0;
	/* Memory of a device, with pages: its exporter's business. */
	if (is_pci_p2pdma_page(page))
		return 0;
	pte = PFN_PHYS(page_to_pfn(page)) | PEER_PTE_PAGE;
	if (pfn & HMM_PFN_WRITE && READ_ONCE(peer->writable))
		pte |= PEER_PTE_WRITE;
	return pte;
}

/* The first page wanted is part of a huge one: answer for all of that. */
static void fault_widen(struct ib_peer_fault *fault, unsigned long pfn)
{
	unsigned long start = ALIGN_DOWN(fault->start, HUGE_SIZE);
	unsigned long pte = hmm_to_pte(fault->peer, pfn);
	unsigned long i;

	if (!pte || hmm_pfn_to_map_order(pfn) < PEER_HUGE_ORDER ||
	    start < ib_umem_peer_first(fault->peer) ||
	    start + HUGE_SIZE - 1 > ib_umem_peer_last(fault->peer))
		return;
	fault->answer.start = start;
	fault->answer.pages = PEER_HUGE_PAGES;
	pte -= fault->start - start;
	for (i = 0; i < PEER_HUGE_PAGES; i++)
		fault->answer.ptes[i] = pte + (i << PAGE_SHIFT);
}

static int fault_ask_system(struct ib_peer_fault *fault)
{
	struct peer_answer *answer = &fault->answer;
	struct hmm_range range = {
		.notifier = &fault->peer->notifier,
		.notifier_seq = answer->mmu_seq,
		.hmm_pfns = answer->ptes,
		.pfn_flags_mask = HMM_PFN_REQ_FAULT | HMM_PFN_REQ_WRITE,
	};
	unsigned long want = fault->flags & PEER_FAULT_SNAPSHOT ? 0 :
			     HMM_PFN_REQ_FAULT |
			     (fault_is_write(fault) ? HMM_PFN_REQ_WRITE : 0);
	unsigned long i, pfn;
	int ret;

	mmap_assert_locked(fault->peer->umem.owning_mm);

	answer->region = NULL;
	fault_window(fault, fault->end - fault->start > PAGE_SIZE ?
		     HUGE_SIZE : AROUND_SIZE, 0, ULONG_MAX);
	for (i = fault_index(fault, fault->start);
	     i < fault_index(fault, fault->end); i++)
		answer->ptes[i] = want;
	range.start = answer->start;
	range.end = answer->start + (answer->pages << PAGE_SHIFT);
	ib_peer_hold(IB_PEER_HOLD_ASK);
	ret = hmm_range_fault(&range);
	if (ret == -EBUSY)
		return -EAGAIN;
	if (ret)
		return ret == -EPERM ? -EACCES : ret;

	pfn = answer->ptes[fault_index(fault, fault->start)];
	for (i = 0; i < answer->pages; i++)
		answer->ptes[i] = hmm_to_pte(fault->peer, answer->ptes[i]);
	fault_widen(fault, pfn);
	ib_peer_hold(IB_PEER_HOLD_ANSWERED);
	ret = fault_check(fault);
	return ret ?: ib_umem_peer_publish(fault->peer, answer);
}

/* ---- whom to ask ---- */

/*
 * The region that the first page lies in, in use; NULL: none; ERR_PTR(-EFAULT):
 * it was revoked.
 */
static struct ib_peer_region *fault_find_region(struct ib_peer_fault *fault)
{
	struct ib_peer_region *region = NULL;
	struct interval_tree_node *node;

	xa_lock(&fault->peer->pages);
	node = interval_tree_iter_first(&fault->peer->regions, fault->start,
					fault->start);
	if (node) {
		region = container_of(node, struct ib_peer_region, span);
		if (region->dead)
			region = ERR_PTR(-EFAULT);
		else
			ib_peer_region_use(region);
	}
	xa_unlock(&fault->peer->pages);
	return region;
}

/*
 * A new region for a device's mapping. Puts it into the tree, if the mapping is
 * still what it was. Return: the region, in use; or ERR_PTR.
 */
static struct ib_peer_region *fault_claim(struct ib_peer_fault *fault,
					  unsigned long start,
					  unsigned long end, bool writable)
{
	struct ib_umem_peer *peer = fault->peer;
	struct ib_peer_region *region;
	bool late;

	region = ib_peer_region_claim(peer, start, end, writable);
	if (IS_ERR(region))
		return region;
	ib_peer_hold(IB_PEER_HOLD_CLAIMED);
	xa_lock(&peer->pages);
	late = region->dead || READ_ONCE(peer->revoked) ||
	       mmu_interval_read_retry(&peer->notifier,
				       fault->answer.mmu_seq) ||
	       interval_tree_iter_first(&peer->regions, start, end - 1);
	if (!late)
		ib_umem_peer_insert(region);
	xa_unlock(&peer->pages);
	if (late) {
		ib_peer_region_discard(region);
		return ERR_PTR(-EAGAIN);
	}
	return region;
}

/*
 * A page that the CPU has mapped, in every 2 MiB that an importer has: only
 * then does an mprotect() of a mapping without other pages tell the notifier.
 */
static int fault_touch(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	bool unlocked = false;
	int ret;

	ret = fixup_user_fault(mm, fault->start,
			       fault_is_write(fault) ? FAULT_FLAG_WRITE : 0, &unlocked);
	if (unlocked)
		return -EAGAIN;
	return ret;
}

static int fault_device(struct ib_peer_fault *fault, struct vm_area_struct *vma)
{
	struct ib_umem_peer *peer = fault->peer;
	unsigned long start = max(vma->vm_start, ib_umem_peer_first(peer));
	unsigned long last = min(vma->vm_end - 1, ib_umem_peer_last(peer));
	bool writable = vma->vm_flags & VM_WRITE && READ_ONCE(peer->writable);
	struct ib_peer_region *region;
	int ret = 0;

	/* An exporter cannot tell without bringing. */
	if (!(fault->flags & PEER_FAULT_SNAPSHOT))
		ret = fault_touch(fault);
	mmap_read_unlock(peer->umem.owning_mm);
	if (ret || fault->flags & PEER_FAULT_SNAPSHOT)
		return ret;
	region = fault_find_region(fault);
	if (!region)
		region = fault_claim(fault, start, last + 1, writable);
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (writable && !region->writable) {
		/* It may be written since a rereg: claim it for that. */
		ib_umem_peer_forget(region);
		ib_peer_region_kill(region);
		ret = -EAGAIN;
	} else {
		ret = fault_ask_exporter(fault, region);
	}
	ib_peer_region_unuse(region);
	return ret;
}

/* Called with mmap_lock held; returns without. */
static int fault_vma(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	struct vm_area_struct *vma = vma_lookup(mm, fault->start);
	int ret = 0;

	if (!vma)
		ret = -EFAULT;
	else if (!(vma->vm_flags & VM_READ) ||
		 (fault_is_write(fault) && !(vma->vm_flags & VM_WRITE)))
		ret = -EACCES;
	if (ret) {
		mmap_read_unlock(mm);
		return ret;
	}
	fault->end = min(fault->end, vma->vm_end);
	if (vma->vm_flags & (VM_IO | VM_PFNMAP))
		return fault_device(fault, vma);
	ret = fault_ask_system(fault);
	mmap_read_unlock(mm);
	return ret;
}

static int fault_once(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	int ret;

	if (!mmget_not_zero(mm))
		return -EFAULT;
	fault->answer.mmu_seq = mmu_interval_read_begin(&fault->peer->notifier);
	mmap_read_lock(mm);
	ret = fault_vma(fault);
	mmput_async(mm);
	return ret;
}

static int fault_init(struct ib_peer_fault *fault, struct ib_umem_peer *peer,
		      unsigned int flags)
{
	fault->peer = peer;
	fault->flags = flags;
	fault->answer.ptes = kmalloc_array(PEER_HUGE_PAGES,
					   sizeof(*fault->answer.ptes),
					   GFP_KERNEL);
	return fault->answer.ptes ? 0 : -ENOMEM;
}

static void fault_fini(struct ib_peer_fault *fault)
{
	kfree(fault->answer.ptes);
}

/* From queueing to the end; a fault in the background counts twice. */
void ib_umem_peer_fault_begins(struct ib_umem_peer *peer)
{
	atomic_inc(&peer->faults_under_way);
	/* Before it asks whether the umem is revoked. */
	smp_mb__after_atomic();
}

void ib_umem_peer_fault_ended(struct ib_umem_peer *peer)
{
	/* The umem may be gone right after: the variable is only an address. */
	if (atomic_dec_and_test(&peer->faults_under_way))
		wake_up_var(&peer->faults_under_way);
}

/* The umem is revoked, so those under way end soon and others do nothing. */
void ib_umem_peer_drain_faults(struct ib_umem_peer *peer)
{
	wait_var_event(&peer->faults_under_way,
		       !atomic_read(&peer->faults_under_way));
}

/*
 * Makes the pages of [addr, addr + length) accessible, for a moment at least.
 * Return: 0, -EFAULT nothing there or revoked, -EACCES not for writing, -ENOMEM,
 * -ETIMEDOUT taken away again and again, -EINTR the task is being killed.
 */
int ib_umem_peer_fault(struct ib_umem_peer *peer, unsigned long addr,
		       size_t length, unsigned int flags)
{
	unsigned long end = PAGE_ALIGN(addr + length);
	unsigned long until = jiffies + FAULT_TIMEOUT;
	struct ib_peer_fault fault = {};
	unsigned long first = addr;
	ktime_t begin = ktime_get();
	int ret;

	ib_umem_peer_fault_begins(peer);
	ret = fault_init(&fault, peer, flags);
	if (READ_ONCE(peer->revoked))
		ret = -EFAULT;
	addr &= PAGE_MASK;
	while (!ret && addr != end) {
		fault.start = addr;
		fault.end = min(end, ALIGN_DOWN(addr, HUGE_SIZE) + HUGE_SIZE);
		ret = fault_once(&fault);
		if (READ_ONCE(peer->revoked))
			ret = -EFAULT;
		else if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (ret == -EAGAIN)
			ret = time_after(jiffies, until) ? -ETIMEDOUT : 0;
		else if (!ret)
			addr = fault.end;
		cond_resched();
	}
	atomic64_inc(&peer->stats.faults);
	fault_fini(&fault);
	trace_ib_peer_fault(peer, first, length, flags,
			    ktime_us_delta(ktime_get(), begin), ret);
	ib_umem_peer_fault_ended(peer);
	return ret;
}

/*
 * Fills the page table for the whole of a pinned region.
 * Return: as ib_umem_peer_fault().
 */
int ib_umem_peer_populate(struct ib_peer_region *region)
{
	struct ib_umem_peer *peer = region->umem;
	struct ib_peer_fault fault = {};
	int ret;

	ret = fault_init(&fault, peer,
			 region->writable ? PEER_FAULT_WRITE : 0);
	fault.start = region->start;
	while (!ret && fault.start <= region->span.last) {
		fault.end = min(ALIGN_DOWN(fault.start, HUGE_SIZE) + HUGE_SIZE,
				region->span.last + 1);
		fault.answer.mmu_seq = mmu_interval_read_begin(&peer->notifier);
		ret = fault_ask_exporter(&fault, region);
		if (READ_ONCE(peer->revoked))
			ret = -EFAULT;
		else if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (ret == -EAGAIN)
			ret = 0;
		else
			fault.start = fault.end;
		cond_resched();
	}
	fault_fini(&fault);
	return ret;
}
