/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page table of a registration: the only record of what may be accessed.
 *
 * An xarray by page, counted from umem->base, so that 2 MiB of the address space
 * are an aligned run of it. It is sparse: pages never touched cost nothing. It is
 * written under its xa_lock and read by readers (readers.h).
 */
#ifndef IB_PEER_PAGE_TABLE_H
#define IB_PEER_PAGE_TABLE_H

#include <linux/xarray.h>
#include <rdma/ib_umem_peer.h>

/*
 * An entry as its user sees it: a page-aligned address and flags below it. The
 * address is the kernel's, or with PEER_PTE_PAGE the physical one of a page of
 * system memory.
 */
#define PEER_PTE_WRITE	BIT(1)
#define PEER_PTE_IOMEM	BIT(2)
#define PEER_PTE_PAGE	BIT(3)

/* A huge entry covers as many pages, and begins at a multiple of as many. */
#define PEER_HUGE_ORDER	9
#define PEER_HUGE_PAGES	BIT(PEER_HUGE_ORDER)
#define PEER_HUGE_SIZE	(PEER_HUGE_PAGES << PAGE_SHIFT)

/* So does the entry of a run, which is cheaper to make than that many. */
#define PEER_RUN_ORDER	4
#define PEER_RUN_PAGES	BIT(PEER_RUN_ORDER)
#define PEER_RUN_SIZE	(PEER_RUN_PAGES << PAGE_SHIFT)

static inline unsigned long peer_table_index(const struct ib_umem_peer *peer,
					     unsigned long addr)
{
	return (addr >> PAGE_SHIFT) - peer->base;
}

/*
 * An entry as it is stored holds the address that page 0 of the table would have
 * if the whole table lay where this page lies. So one entry stands for any number
 * of contiguous pages, and the address of one of them takes an addition.
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

/* The entry of a page; 0: none. A reader's, by peer_reader_pte(). */
static inline unsigned long peer_table_load(struct ib_umem_peer *peer,
					    unsigned long index)
{
	const void *entry = xa_load(&peer->pages, index);

	return entry ? peer_table_pte(entry, index) : 0;
}

/*
 * struct peer_answer - what is known of a window of pages, and since when
 * @start:   address of the first page
 * @pages:   how many there are, at most PEER_HUGE_PAGES
 * @ptes:    an entry for each; 0: not known
 * @region:  the exporter's that answered; NULL: the system's mm did
 * @mmu_seq: sequence of the mmu notifier before the question
 * @seq:     sequence of the region before the question
 */
struct peer_answer {
	unsigned long start;
	unsigned long pages;
	unsigned long *ptes;
	struct ib_peer_region *region;
	unsigned long mmu_seq;
	unsigned long seq;
};

int ib_umem_peer_publish(struct ib_umem_peer *peer,
			 const struct peer_answer *answer);
void ib_umem_peer_erase(struct ib_umem_peer *peer, unsigned long first,
			unsigned long last);
unsigned long ib_umem_peer_resident(struct ib_umem_peer *peer);

#endif
