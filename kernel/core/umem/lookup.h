/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef IB_PEER_LOOKUP_H
#define IB_PEER_LOOKUP_H

#include "umem/page_entry.h"
#include "umem/readers.h"

struct iosys_map;

/*
 * Looks up the entry of a page. The caller uses it before it unlocks the reader.
 * Return: 0; -EAGAIN not present, or not writable, but a fault may change that;
 * -EFAULT and -EACCES the same, permanently.
 */
int peer_lookup(struct peer_reader *reader, struct ib_umem_peer *peer,
		unsigned long addr, bool write, unsigned long *pte);

void peer_map(unsigned long pte, struct iosys_map *map);
void peer_unmap(unsigned long pte, struct iosys_map *map, bool written);

/*
 * Checks that every page of a range is present for such an access.
 * Return: 0, or as peer_lookup().
 */
int ib_umem_peer_present(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write);

#endif
