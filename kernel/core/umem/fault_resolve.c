// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Resolves pages: asks the exporter, or the mm, where they are. For system
 * memory get_user_pages_remote() faults pages in and hmm_range_fault() reads
 * the page table.
 *
 * The result goes into a separate array, and into the page table only after
 * the sequence check. Accesses never read the array that is written while
 * resolving.
 *
 * The window is larger than the wanted pages where that costs little: for
 * system memory it includes pages that the CPU page table already has; for
 * device memory it is 2 MiB, which an exporter moves with less effort than
 * single pages.
 */
#include <linux/err.h>
#include <linux/hmm.h>
#include <linux/memremap.h>
#include <linux/mm.h>

#include "exporters/exporters.h"
#include "hold_point.h"
#include "umem/fault_resolve.h"
#include "umem/umem.h"

/* Window around a missing page of system memory. */
#define AROUND_SIZE (16 * PAGE_SIZE)

/*
 * Sets the window to @size bytes around the wanted pages, within [first,
 * last].
 */
static void fault_set_window(struct ib_peer_fault *fault, unsigned long size,
			     unsigned long first, unsigned long last)
{
	struct ib_umem_peer *peer = fault->peer;
	unsigned long start = ALIGN_DOWN(fault->start, size);
	unsigned long stop = start + size - 1;

	start = max3(start, first, ib_umem_peer_first(peer));
	stop = min3(stop, last, ib_umem_peer_last(peer));
	fault->window.start = start;
	fault->window.pages = (stop - start + 1) >> PAGE_SHIFT;
	memset(fault->window.ptes, 0,
	       fault->window.pages * sizeof(*fault->window.ptes));
}

static unsigned long fault_index(const struct ib_peer_fault *fault,
				 unsigned long addr)
{
	return (addr - fault->window.start) >> PAGE_SHIFT;
}

/* ---- device memory ---- */

static int block_to_pte(struct ib_peer_region *region,
			const struct ib_peer_block *block, unsigned long *pte)
{
	const struct ib_peer_ops *ops = region->exporter->ops;
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
	if (map.is_iomem && block->flags & IB_PEER_BLOCK_REGISTERS)
		*pte |= PEER_PTE_REGISTERS;
	/* An exporter may allow more than the region was claimed for. */
	if (block->flags & IB_PEER_BLOCK_WRITE && region->writable)
		*pte |= PEER_PTE_WRITE;
	return 0;
}

int ib_peer_fault_add(struct ib_peer_fault *fault,
		      const struct ib_peer_block *block)
{
	struct peer_window *window = &fault->window;
	struct ib_peer_region *region = window->region;
	unsigned long first, start, stop, at, pte;
	u64 end;
	int ret;

	if (!PAGE_ALIGNED(block->offset) || !PAGE_ALIGNED(block->length) ||
	    check_add_overflow(block->offset, block->length, &end) ||
	    end > region->length)
		return -EINVAL;
	if (fault->add_block)
		return fault->add_block(fault, block);
	first = region->start + block->offset;
	start = max(first, window->start);
	stop = min(first + block->length,
		   window->start + (window->pages << PAGE_SHIFT));
	if (start >= stop)
		return 0;

	ret = block_to_pte(region, block, &pte);
	if (ret)
		return ret;
	for (at = start; at < stop; at += PAGE_SIZE)
		window->ptes[fault_index(fault, at)] = pte + (at - first);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_peer_fault_add);

/* Checks that all wanted pages were found, with the wanted access. */
static int fault_check(const struct ib_peer_fault *fault)
{
	unsigned long at, pte;

	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return 0;
	for (at = fault->start; at < fault->end; at += PAGE_SIZE) {
		pte = fault->window.ptes[fault_index(fault, at)];
		if (!pte)
			return -EFAULT;
		if (fault_is_write(fault) && !(pte & PEER_PTE_WRITE))
			return -EACCES;
	}
	return 0;
}

int ib_peer_resolve_exporter(struct ib_peer_fault *fault,
			     struct ib_peer_region *region)
{
	struct peer_window *window = &fault->window;
	int ret;

	xa_lock(&fault->peer->pages);
	window->seq = region->seq;
	xa_unlock(&fault->peer->pages);
	window->region = region;

	fault_set_window(fault, PEER_HUGE_SIZE, region->span.start,
			 region->span.last);
	ib_peer_hold(IB_PEER_HOLD_RESOLVE);
	ret = region->exporter->ops->fault(region,
					 window->start - region->start,
					 window->pages << PAGE_SHIFT,
					 fault_is_write(fault), fault);
	ib_peer_hold(IB_PEER_HOLD_RESOLVED);
	if (!ret)
		ret = fault_check(fault);
	return ret ?: ib_umem_peer_publish(fault->peer, window);
}

/* ---- system memory ---- */

static unsigned long hmm_to_pte(const struct ib_umem_peer *peer,
				unsigned long pfn)
{
	struct page *page = hmm_pfn_to_page(pfn);
	unsigned long pte;

	if (!(pfn & HMM_PFN_VALID) || pfn & HMM_PFN_ERROR)
		return 0;
	/* Device memory that has struct pages belongs to its exporter. */
	if (is_pci_p2pdma_page(page))
		return 0;
	pte = PFN_PHYS(page_to_pfn(page)) | PEER_PTE_PAGE;
	if (pfn & HMM_PFN_WRITE && READ_ONCE(peer->writable))
		pte |= PEER_PTE_WRITE;
	return pte;
}

/*
 * If the first wanted page is part of a huge page, the window becomes that
 * huge page.
 */
static void fault_widen_window(struct ib_peer_fault *fault, unsigned long pfn)
{
	unsigned long start = ALIGN_DOWN(fault->start, PEER_HUGE_SIZE);
	unsigned long pte = hmm_to_pte(fault->peer, pfn);
	unsigned long i;

	if (!pte || hmm_pfn_to_map_order(pfn) < PEER_HUGE_ORDER ||
	    start < ib_umem_peer_first(fault->peer) ||
	    start + PEER_HUGE_SIZE - 1 > ib_umem_peer_last(fault->peer))
		return;
	fault->window.start = start;
	fault->window.pages = PEER_HUGE_PAGES;
	pte -= fault->start - start;
	for (i = 0; i < PEER_HUGE_PAGES; i++)
		fault->window.ptes[i] = pte + (i << PAGE_SHIFT);
}

/* Reads the CPU page table for the window. Faults nothing in. */
static int system_walk(struct ib_peer_fault *fault)
{
	struct peer_window *window = &fault->window;
	struct hmm_range range = {
		.notifier = &fault->peer->notifier,
		.notifier_seq = window->mmu_seq,
		.hmm_pfns = window->ptes,
		.start = window->start,
		.end = window->start + (window->pages << PAGE_SHIFT),
	};
	int ret = hmm_range_fault(&range);

	return ret == -EBUSY ? -EAGAIN : ret;
}

/*
 * Faults in @pages from @addr on, with the rules of get_user_pages(): it
 * refuses pages that the kernel must not touch (memfd_secret(), shadow
 * stacks, poisoned pages). Keeps no page. Drops mmap_lock to wait for a page.
 * Return: 0 at least the first page is present; -EAGAIN mmap_lock was
 * dropped, so the VMA is no longer valid; or -errno.
 */
static int system_fault_in(struct ib_peer_fault *fault, unsigned long addr,
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

/* The CPU has no page there, or not one for such an access. */
static bool system_pfn_missing(const struct ib_peer_fault *fault, unsigned long pfn)
{
	if (pfn & HMM_PFN_ERROR)
		return false;
	return !(pfn & HMM_PFN_VALID) ||
	       (fault_is_write(fault) && !(pfn & HMM_PFN_WRITE));
}

/*
 * Return: the address of the first wanted page that is missing, or
 * fault->end.
 */
static unsigned long system_first_missing(const struct ib_peer_fault *fault)
{
	unsigned long at = fault->start;

	while (at < fault->end &&
	       !system_pfn_missing(fault, fault->window.ptes[fault_index(fault, at)]))
		at += PAGE_SIZE;
	return at;
}

/* Even a snapshot excludes what get_user_pages() refuses. */
static int system_snapshot(struct ib_peer_fault *fault)
{
	struct peer_window *window = &fault->window;
	unsigned long addr = window->start;
	unsigned long i = 0;
	struct page *page;
	int ret;

	ret = system_walk(fault);
	if (ret)
		return ret;
	while (i < window->pages && !(window->ptes[i] & HMM_PFN_VALID))
		i++;
	if (i == window->pages)
		return 0;
	addr += i << PAGE_SHIFT;
	if (get_user_pages_remote(fault->peer->umem.owning_mm, addr, 1,
				  FOLL_NOFAULT, &page, NULL) == 1)
		put_page(page);
	else
		memset(window->ptes, 0,
		       window->pages * sizeof(*window->ptes));
	return 0;
}

/*
 * Faults in the first page, which checks the access, then reads the page
 * table for the window, which usually has the rest. Otherwise faults in what
 * is missing, and the caller resolves again.
 */
static int system_resolve(struct ib_peer_fault *fault)
{
	unsigned long missing;
	int ret;

	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return system_snapshot(fault);
	ret = system_fault_in(fault, fault->start, 1);
	if (!ret)
		ret = system_walk(fault);
	if (ret)
		return ret;
	missing = system_first_missing(fault);
	if (missing == fault->end)
		return 0;
	ret = system_fault_in(fault, missing, (fault->end - missing) >> PAGE_SHIFT);
	return ret ?: -EAGAIN;
}

int ib_peer_resolve_system(struct ib_peer_fault *fault, struct vm_area_struct *vma)
{
	struct peer_window *window = &fault->window;
	unsigned long i, pfn;
	int ret;

	mmap_assert_locked(fault->peer->umem.owning_mm);

	window->region = NULL;
	fault_set_window(fault, fault->end - fault->start > PAGE_SIZE ?
		     PEER_HUGE_SIZE : AROUND_SIZE, vma->vm_start,
		     vma->vm_end - 1);
	ib_peer_hold(IB_PEER_HOLD_RESOLVE);
	ret = system_resolve(fault);
	fault_unlock(fault);
	if (ret)
		return ret;

	pfn = window->ptes[fault_index(fault, fault->start)];
	for (i = 0; i < window->pages; i++)
		window->ptes[i] = hmm_to_pte(fault->peer, window->ptes[i]);
	fault_widen_window(fault, pfn);
	ib_peer_hold(IB_PEER_HOLD_RESOLVED);
	ret = fault_check(fault);
	return ret ?: ib_umem_peer_publish(fault->peer, window);
}
