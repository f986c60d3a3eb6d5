// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Asking where pages are: the exporter, or the system: get_user_pages_remote()
 * brings them, hmm_range_fault() says where they are.
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
#include <linux/memremap.h>
#include <linux/mm.h>

#include "dma.h"
#include "fault.h"

/* Of system memory: pages around the one that is missing. */
#define AROUND_SIZE (16 * PAGE_SIZE)

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
	/* An exporter may say more than it was claimed for. */
	if (block->flags & IB_PEER_BLOCK_WRITE && region->writable)
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
	if (fault->dma)
		return ib_peer_dma_add(fault->dma, block);
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

int ib_peer_ask_exporter(struct ib_peer_fault *fault,
			 struct ib_peer_region *region)
{
	struct peer_answer *answer = &fault->answer;
	int ret;

	xa_lock(&fault->peer->pages);
	answer->seq = region->seq;
	xa_unlock(&fault->peer->pages);
	answer->region = region;

	fault_window(fault, PEER_HUGE_SIZE, region->span.start,
		     region->span.last);
	ib_peer_hold(IB_PEER_HOLD_ASK);
	ret = region->client->ops->fault(region,
					 answer->start - region->start,
					 answer->pages << PAGE_SHIFT,
					 fault_is_write(fault), fault);
	ib_peer_hold(IB_PEER_HOLD_ANSWERED);
	if (!ret)
		ret = fault_check(fault);
	return ret ?: ib_umem_peer_publish(fault->peer, answer);
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
	unsigned long start = ALIGN_DOWN(fault->start, PEER_HUGE_SIZE);
	unsigned long pte = hmm_to_pte(fault->peer, pfn);
	unsigned long i;

	if (!pte || hmm_pfn_to_map_order(pfn) < PEER_HUGE_ORDER ||
	    start < ib_umem_peer_first(fault->peer) ||
	    start + PEER_HUGE_SIZE - 1 > ib_umem_peer_last(fault->peer))
		return;
	fault->answer.start = start;
	fault->answer.pages = PEER_HUGE_PAGES;
	pte -= fault->start - start;
	for (i = 0; i < PEER_HUGE_PAGES; i++)
		fault->answer.ptes[i] = pte + (i << PAGE_SHIFT);
}

/* What the CPU's page tables say of the answer's window; faults nothing in. */
static int system_look(struct ib_peer_fault *fault)
{
	struct peer_answer *answer = &fault->answer;
	struct hmm_range range = {
		.notifier = &fault->peer->notifier,
		.notifier_seq = answer->mmu_seq,
		.hmm_pfns = answer->ptes,
		.start = answer->start,
		.end = answer->start + (answer->pages << PAGE_SHIFT),
	};
	int ret = hmm_range_fault(&range);

	return ret == -EBUSY ? -EAGAIN : ret;
}

/*
 * Faults in @pages from @addr on, by the rules of get_user_pages(): it refuses what
 * the kernel must not touch, as the pages of memfd_secret(), shadow stacks, and
 * poisoned ones. No page is kept. A page that comes slowly is waited for without
 * mmap_lock. Return: 0 the first page at least; -EAGAIN the lock is gone, and what
 * was known of the mapping with it; or -errno.
 */
static int system_bring(struct ib_peer_fault *fault, unsigned long addr,
			unsigned long pages)
{
	unsigned int flags = FOLL_HONOR_NUMA_FAULT;
	long ret;

	if (fault_is_write(fault))
		flags |= FOLL_WRITE;
	ret = get_user_pages_remote(fault->peer->umem.owning_mm, addr, pages,
				    flags, NULL, &fault->locked);
	if (ret < 0)
		return ret;
	return fault->locked ? 0 : -EAGAIN;
}

/* Has the CPU no page there, or none for such an access? */
static bool system_misses(const struct ib_peer_fault *fault, unsigned long pfn)
{
	if (pfn & HMM_PFN_ERROR)
		return false;
	return !(pfn & HMM_PFN_VALID) ||
	       (fault_is_write(fault) && !(pfn & HMM_PFN_WRITE));
}

/* Return: the first page wanted that is missing, or fault->end. */
static unsigned long system_missing(const struct ib_peer_fault *fault)
{
	unsigned long at = fault->start;

	while (at < fault->end &&
	       !system_misses(fault, fault->answer.ptes[fault_index(fault, at)]))
		at += PAGE_SIZE;
	return at;
}

/* Who may only look takes nothing that get_user_pages() refuses. */
static int system_ask_snapshot(struct ib_peer_fault *fault)
{
	struct peer_answer *answer = &fault->answer;
	unsigned long addr = answer->start;
	unsigned long i = 0;
	struct page *page;
	int ret;

	ret = system_look(fault);
	if (ret)
		return ret;
	while (i < answer->pages && !(answer->ptes[i] & HMM_PFN_VALID))
		i++;
	if (i == answer->pages)
		return 0;
	addr += i << PAGE_SHIFT;
	if (get_user_pages_remote(fault->peer->umem.owning_mm, addr, 1,
				  FOLL_NOFAULT, &page, NULL) == 1)
		put_page(page);
	else
		memset(answer->ptes, 0,
		       answer->pages * sizeof(*answer->ptes));
	return 0;
}

/*
 * Brings the first page, and judges by it; looks at the window, where most often the
 * rest is, too; else brings what is missing, to be looked at the next time.
 */
static int system_ask(struct ib_peer_fault *fault)
{
	unsigned long missing;
	int ret;

	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return system_ask_snapshot(fault);
	ret = system_bring(fault, fault->start, 1);
	if (!ret)
		ret = system_look(fault);
	if (ret)
		return ret;
	missing = system_missing(fault);
	if (missing == fault->end)
		return 0;
	ret = system_bring(fault, missing, (fault->end - missing) >> PAGE_SHIFT);
	return ret ?: -EAGAIN;
}

int ib_peer_ask_system(struct ib_peer_fault *fault, struct vm_area_struct *vma)
{
	struct peer_answer *answer = &fault->answer;
	unsigned long i, pfn;
	int ret;

	mmap_assert_locked(fault->peer->umem.owning_mm);

	answer->region = NULL;
	fault_window(fault, fault->end - fault->start > PAGE_SIZE ?
		     PEER_HUGE_SIZE : AROUND_SIZE, vma->vm_start,
		     vma->vm_end - 1);
	ib_peer_hold(IB_PEER_HOLD_ASK);
	ret = system_ask(fault);
	fault_unlock(fault);
	if (ret)
		return ret;

	pfn = answer->ptes[fault_index(fault, fault->start)];
	for (i = 0; i < answer->pages; i++)
		answer->ptes[i] = hmm_to_pte(fault->peer, answer->ptes[i]);
	fault_widen(fault, pfn);
	ib_peer_hold(IB_PEER_HOLD_ANSWERED);
	ret = fault_check(fault);
	return ret ?: ib_umem_peer_publish(fault->peer, answer);
}
