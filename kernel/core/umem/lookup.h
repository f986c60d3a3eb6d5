/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Looks up a page for an access, and maps it for the CPU. Inline: a small access mostly
 * costs calls and branches.
 */
#ifndef IB_PEER_LOOKUP_H
#define IB_PEER_LOOKUP_H

#include <linux/align.h>
#include <linux/errno.h>
#include <linux/highmem.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>

#include "umem/page_entry.h"
#include "umem/readers.h"

/*
 * Looks up the entry of a page. The caller uses it before it unlocks the reader.
 * Return: 0; -EAGAIN not present, or not writable, but a fault may change that;
 * -EFAULT and -EACCES the same, permanently.
 */
static inline int peer_lookup(struct peer_reader *reader,
			      struct ib_umem_peer *peer, unsigned long addr,
			      bool write, unsigned long *pte)
{
	if (unlikely(READ_ONCE(peer->revoked)))
		return -EFAULT;
	if (unlikely(write && !READ_ONCE(peer->writable)))
		return -EACCES;
	*pte = peer_reader_pte(reader, peer, addr);
	if (unlikely(!*pte))
		return peer->on_demand ? -EAGAIN : -EFAULT;
	if (unlikely(write && !(*pte & PEER_PTE_WRITE)))
		return peer->on_demand ? -EAGAIN : -EACCES;
	return 0;
}

/* Maps a page of system memory for the duration of the access. */
static inline void peer_map(unsigned long pte, struct iosys_map *map)
{
	unsigned long place = pte & PAGE_MASK;

	if (pte & PEER_PTE_IOMEM)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)place);
	else if (pte & PEER_PTE_PAGE)
		iosys_map_set_vaddr(map, kmap_local_pfn(PHYS_PFN(place)));
	else
		iosys_map_set_vaddr(map, (void *)place);
}

/*
 * Registers take only aligned words: another width may have no effect, or stop the
 * kernel (an external abort on arm64).
 */
static inline bool peer_width_is_bad(unsigned long pte, unsigned long addr,
				     size_t length)
{
	return unlikely(pte & PEER_PTE_REGISTERS) &&
	       !IS_ALIGNED(addr | length, sizeof(u32));
}

/*
 * Only this function knows that the page was written: the CPU page table may
 * not say so. The reader has not unlocked, so the page still belongs to the
 * process.
 */
static inline void peer_unmap(unsigned long pte, struct iosys_map *map,
			      bool written)
{
	struct page *page;

	if (!(pte & PEER_PTE_PAGE))
		return;
	kunmap_local(map->vaddr);
	page = pfn_to_page(PHYS_PFN(pte & PAGE_MASK));
	if (written && !PageDirty(page))
		set_page_dirty(page);
}

/*
 * Checks that every page of a range is present for such an access.
 * Return: 0, or as peer_lookup().
 */
int ib_umem_peer_present(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write);

#endif
