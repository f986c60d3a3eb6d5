// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * From an exporter's answer to entries of the page table.
 *
 * The protocol is that of mmu_interval_notifier:
 *
 *   read the sequence; ask, with no lock of ours held; take the lock; if the
 *   sequence moved, what was said may be old: ask again; else publish.
 *
 * The answer goes into an array of our own and from there, after the check,
 * into the page table: what the exporter writes is never what accesses read.
 */
#include <linux/err.h>
#include <linux/slab.h>

#include "ib_peer.h"

/* As many pages as are asked for at a time: the array below fills a page. */
#define FAULT_PAGES (PAGE_SIZE / sizeof(unsigned long))

/**
 * struct ib_peer_fault - a question to an exporter, and its answer
 * @region: whom about
 * @offset: first byte asked for, page aligned
 * @length: bytes asked for, page aligned, at most FAULT_PAGES pages
 * @ptes:   an entry for each page; 0: not told
 */
struct ib_peer_fault {
	struct ib_peer_region *region;
	u64 offset;
	u64 length;
	unsigned long *ptes;
};

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
	u64 start = max(block->offset, fault->offset);
	u64 stop = fault->offset + fault->length;
	unsigned long pte;
	u64 end, at;
	int ret;

	if (!PAGE_ALIGNED(block->offset) || !PAGE_ALIGNED(block->length) ||
	    check_add_overflow(block->offset, block->length, &end) ||
	    end > fault->region->length)
		return -EINVAL;
	stop = min(stop, end);
	if (start >= stop)
		return 0;

	ret = block_to_pte(fault->region, block, &pte);
	if (ret)
		return ret;
	for (at = start; at < stop; at += PAGE_SIZE)
		fault->ptes[(at - fault->offset) >> PAGE_SHIFT] =
			pte + (at - block->offset);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_peer_fault_add);

static int fault_check(const struct ib_peer_fault *fault, bool write)
{
	u64 i;

	for (i = 0; i < fault->length >> PAGE_SHIFT; i++) {
		if (!fault->ptes[i])
			return -EFAULT;
		if (write && !(fault->ptes[i] & PEER_PTE_WRITE))
			return -EACCES;
	}
	return 0;
}

/* Room in the page table, so that publishing allocates nothing. */
static int fault_reserve(const struct ib_peer_fault *fault)
{
	unsigned long first = fault->offset >> PAGE_SHIFT;
	struct xarray *pages = &fault->region->umem->pages;
	u64 i;
	int ret;

	for (i = 0; i < fault->length >> PAGE_SHIFT; i++) {
		ret = xa_reserve(pages, first + i, GFP_KERNEL);
		if (ret)
			return ret;
	}
	return 0;
}

/* Return: 0, -EAGAIN it may be old, or the room was taken away meanwhile. */
static int fault_publish(const struct ib_peer_fault *fault, unsigned long seq)
{
	unsigned long first = fault->offset >> PAGE_SHIFT;
	struct ib_umem_peer *umem = fault->region->umem;
	int ret = 0;
	u64 i;

	xa_lock(&umem->pages);
	if (fault->region->seq != seq)
		ret = -EAGAIN;
	for (i = 0; !ret && i < fault->length >> PAGE_SHIFT; i++) {
		void *entry = peer_pte_to_entry(fault->ptes[i]);

		if (xa_err(__xa_store(&umem->pages, first + i, entry,
				      GFP_NOWAIT | __GFP_NOWARN)))
			ret = -EAGAIN;
	}
	xa_unlock(&umem->pages);
	return ret;
}

static int fault_once(struct ib_peer_fault *fault, bool write)
{
	struct ib_peer_region *region = fault->region;
	unsigned long seq;
	int ret;

	xa_lock(&region->umem->pages);
	seq = region->seq;
	xa_unlock(&region->umem->pages);

	memset(fault->ptes, 0, FAULT_PAGES * sizeof(*fault->ptes));
	ret = region->client->ops->fault(region, fault->offset, fault->length,
					 write, fault);
	if (!ret)
		ret = fault_check(fault, write);
	if (!ret)
		ret = fault_reserve(fault);
	if (!ret)
		ret = fault_publish(fault, seq);
	return ret;
}

/*
 * Fills the page table for a range of a region. Stops early when the umem is
 * killed or the task is.
 * Return: 0, -EFAULT killed or nothing there, -EINTR, or what fault() said.
 */
int ib_umem_peer_populate(struct ib_peer_region *region, u64 offset,
			  u64 length, bool write)
{
	struct ib_peer_fault fault = { .region = region };
	u64 end = offset + length;
	int ret = 0;

	fault.ptes = kmalloc_array(FAULT_PAGES, sizeof(*fault.ptes),
				   GFP_KERNEL);
	if (!fault.ptes)
		return -ENOMEM;
	while (!ret && offset < end) {
		fault.offset = offset;
		fault.length = min(end - offset, (u64)FAULT_PAGES << PAGE_SHIFT);
		ret = fault_once(&fault, write);
		if (READ_ONCE(region->umem->revoked))
			ret = -EFAULT;
		else if (fatal_signal_pending(current))
			ret = -EINTR;
		else if (ret == -EAGAIN)
			ret = 0;
		else
			offset += fault.length;
		cond_resched();
	}
	kfree(fault.ptes);
	return ret;
}
