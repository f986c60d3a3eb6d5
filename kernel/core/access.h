/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to access.c, which copies, and flush.c: what readers do with an entry.
 */
#ifndef IB_PEER_ACCESS_H
#define IB_PEER_ACCESS_H

#include "ib_peer.h"
#include "page_table.h"
#include "readers.h"

struct iosys_map;

static inline bool peer_in_range(const struct ib_umem_peer *peer, u64 offset,
				 size_t length)
{
	return offset <= peer->umem.length &&
	       length <= peer->umem.length - offset;
}

/*
 * The entry of a page, to be used before the reader unlocks.
 * Return: 0; -EAGAIN not there, or not for writing, but may come; -EFAULT and
 * -EACCES the same, for good.
 */
int peer_lookup(struct peer_reader *reader, struct ib_umem_peer *peer,
		unsigned long addr, bool write, unsigned long *pte);

void peer_map(unsigned long pte, struct iosys_map *map);
void peer_unmap(unsigned long pte, struct iosys_map *map, bool written);

#endif
