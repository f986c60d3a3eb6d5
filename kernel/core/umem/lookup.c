// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Checks whether pages are present. The lookup of an access itself is inline, in
 * lookup.h.
 */
#include <linux/minmax.h>
#include <linux/mm.h>

#include "umem/lookup.h"

static int peer_lookup_unused(struct ib_umem_peer *peer, unsigned long addr,
			      bool write)
{
	struct peer_reader *reader = peer_reader_lock();
	unsigned long pte;
	int ret;

	ret = peer_lookup(reader, peer, addr, write, &pte);
	peer_reader_unlock(reader);
	return ret;
}

int ib_umem_peer_present(struct ib_umem_peer *peer, unsigned long addr,
			 size_t length, bool write)
{
	size_t bytes;
	int ret = 0;

	/* The last byte may be the last address of all. */
	for (; length && !ret; addr += bytes, length -= bytes) {
		bytes = min(length, PAGE_SIZE - offset_in_page(addr));
		ret = peer_lookup_unused(peer, addr, write);
	}
	return ret;
}
