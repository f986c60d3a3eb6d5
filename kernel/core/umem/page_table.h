/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The page table of a umem: the only record of what accesses may use.
 *
 * An xarray indexed by page, relative to umem->base, so that 2 MiB of
 * addresses are an aligned part of it. It is sparse: untouched pages cost
 * nothing. Writers hold its xa_lock; readers follow readers.h.
 */
#ifndef IB_PEER_PAGE_TABLE_H
#define IB_PEER_PAGE_TABLE_H

#include "umem/page_entry.h"

/**
 * struct peer_window - the pages around a fault, and what is known about them
 * @start:   address of the first page
 * @pages:   number of pages, at most PEER_HUGE_PAGES
 * @ptes:    an entry for each page; 0: not known
 * @region:  the region that was resolved; NULL: system memory
 * @mmu_seq: sequence of the mmu notifier before resolving
 * @seq:     sequence of @region before resolving
 */
struct peer_window {
	unsigned long start;
	unsigned long pages;
	unsigned long *ptes;
	struct ib_peer_region *region;
	unsigned long mmu_seq;
	unsigned long seq;
};

int ib_umem_peer_publish(struct ib_umem_peer *peer,
			 const struct peer_window *window);
void ib_umem_peer_erase(struct ib_umem_peer *peer, unsigned long first,
			unsigned long last);
unsigned long ib_umem_peer_resident(struct ib_umem_peer *peer);

#endif
