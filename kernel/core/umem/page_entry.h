/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The format of page table entries (page_table.h), and loading one. */
#ifndef IB_PEER_PAGE_ENTRY_H
#define IB_PEER_PAGE_ENTRY_H

#include <linux/xarray.h>
#include <rdma/ib_umem_peer.h>

/*
 * An entry in use ("pte"): a page-aligned address, with flags below it. The
 * address is a kernel address, or with PEER_PTE_PAGE the physical address of
 * a page of system memory.
 */
#define PEER_PTE_WRITE	BIT(1)
#define PEER_PTE_IOMEM	BIT(2)
#define PEER_PTE_PAGE	BIT(3)
/* With PEER_PTE_IOMEM: see IB_PEER_BLOCK_REGISTERS */
#define PEER_PTE_REGISTERS BIT(4)

/* A huge entry covers this many pages, and begins at a multiple of them. */
#define PEER_HUGE_ORDER	9
#define PEER_HUGE_PAGES	BIT(PEER_HUGE_ORDER)
#define PEER_HUGE_SIZE	(PEER_HUGE_PAGES << PAGE_SHIFT)

/* A run covers this many pages. One entry is cheaper than sixteen. */
#define PEER_RUN_ORDER	4
#define PEER_RUN_PAGES	BIT(PEER_RUN_ORDER)
#define PEER_RUN_SIZE	(PEER_RUN_PAGES << PAGE_SHIFT)

static inline unsigned long peer_table_index(const struct ib_umem_peer *peer,
					     unsigned long addr)
{
	return (addr >> PAGE_SHIFT) - peer->base;
}

/*
 * A stored entry holds the address that page 0 of the table would have if the
 * whole table were contiguous with this page. So one entry serves any number
 * of contiguous pages; the address of one page is an addition.
 */
static inline void *peer_table_entry(unsigned long pte, unsigned long index)
{
	return xa_mk_value((pte - (index << PAGE_SHIFT)) >> 1);
}

static inline unsigned long peer_table_pte(const void *entry,
					   unsigned long index)
{
	return (xa_to_value(entry) << 1) + (index << PAGE_SHIFT);
}

/*
 * Return: the pte of a page; 0: none. Readers call peer_reader_pte() instead.
 */
static inline unsigned long peer_table_load(struct ib_umem_peer *peer,
					    unsigned long index)
{
	const void *entry = xa_load(&peer->pages, index);

	return entry ? peer_table_pte(entry, index) : 0;
}

#endif
