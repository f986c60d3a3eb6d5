// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Allocation from a p2pmem pool of the kernel's nvme driver.
 *
 * The kernel does not report the size of a pool. The driver takes the largest
 * contiguous range that is free when nvme has bound the controller as the size. It
 * allocates that range and frees it immediately.
 *
 * Others allocate from the pool, too. So the available size is an upper limit. When
 * they free memory, an allocation may lie outside of the range. It fails then.
 */
#include <linux/io.h>
#include <linux/minmax.h>
#include <linux/pci.h>
#include <linux/pci-p2pdma.h>

#include "peer_cmb_pool.h"

/* Is a range of that size free? @start gets its place. */
static bool peer_cmb_pool_try_alloc(struct pci_dev *pdev, u64 size,
				    phys_addr_t *start)
{
	void *addr = pci_alloc_p2pmem(pdev, size);

	if (!addr)
		return false;
	*start = virt_to_phys(addr);
	pci_free_p2pmem(pdev, addr, size);
	return true;
}

/* A binary search. The buffer is in a BAR, so the largest BAR is the upper limit. */
void peer_cmb_pool_find_size(struct peer_cmb_pool *pool)
{
	u64 most = 0, least = 0, pages;
	unsigned int bar;

	for (bar = 0; bar < PCI_STD_NUM_BARS; bar++)
		most = max(most, pci_resource_len(pool->pdev, bar) >> PAGE_SHIFT);
	while (least < most) {
		pages = most - (most - least) / 2;
		if (peer_cmb_pool_try_alloc(pool->pdev, pages << PAGE_SHIFT,
					    &pool->start))
			least = pages;
		else
			most = pages - 1;
	}
	pool->size = least << PAGE_SHIFT;
}

void *peer_cmb_pool_addr(struct peer_cmb_pool *pool, u64 offset)
{
	return phys_to_virt(pool->start + offset);
}

int peer_cmb_pool_alloc(u64 length, u64 *offset, void *priv)
{
	struct peer_cmb_pool *pool = priv;
	phys_addr_t phys;
	void *addr;

	addr = pci_alloc_p2pmem(pool->pdev, length);
	if (!addr)
		return -ENOSPC;
	phys = virt_to_phys(addr);
	if (phys < pool->start || phys - pool->start > pool->size - length) {
		pci_free_p2pmem(pool->pdev, addr, length);
		return -ENOSPC;
	}
	*offset = phys - pool->start;
	pool->used += length;
	return 0;
}

void peer_cmb_pool_free(u64 offset, u64 length, void *priv)
{
	struct peer_cmb_pool *pool = priv;

	pci_free_p2pmem(pool->pdev, peer_cmb_pool_addr(pool, offset), length);
	pool->used -= length;
}

u64 peer_cmb_pool_available(void *priv)
{
	struct peer_cmb_pool *pool = priv;

	return pool->size - pool->used;
}
