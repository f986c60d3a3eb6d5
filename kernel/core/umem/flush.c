// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FLUSH with global visibility. CPU writes may be in its write-combining
 * buffers, and then on the way to the device as posted writes. A read from
 * the device pushes them ahead. So each region of device memory in the range
 * is read once, at any page that is present. If no page is present, the
 * exporter has moved all pages since the last write, and has seen the writes.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "hold_point.h"
#include "umem/lookup.h"
#include "umem/umem.h"

/* Entries to check before the reader unlocks. */
#define FLUSH_BATCH 64

/*
 * Reads a byte of the first page of device memory in [*@first, @last]. After a
 * batch, *@first is where to continue. Return: -EAGAIN continue; 0 done, or
 * no such page.
 */
static int flush_read_batch(struct ib_umem_peer *peer, unsigned long *first,
			    unsigned long last)
{
	XA_STATE(xas, &peer->pages, *first);
	unsigned int batch = 0;
	struct iosys_map map;
	unsigned long pte;
	void *entry;

	xas_for_each(&xas, entry, last) {
		if (xas_retry(&xas, entry))
			continue;
		*first = max(*first, xas.xa_index);
		pte = peer_table_pte(entry, *first);
		if (pte & PEER_PTE_IOMEM && !(pte & PEER_PTE_REGISTERS)) {
			ib_peer_hold(IB_PEER_HOLD_FLUSH);
			peer_map(pte, &map);
			iosys_map_rd(&map, 0, u8);
			return 0;
		}
		if (++batch == FLUSH_BATCH)
			return -EAGAIN;
	}
	return 0;
}

/* Flushes one region, [@start, @last] of it. */
static void flush_region(struct ib_umem_peer *peer, unsigned long start,
			 unsigned long last)
{
	unsigned long index = peer_table_index(peer, start);
	struct peer_reader *reader;
	int ret;

	do {
		reader = peer_reader_lock();
		rcu_read_lock();
		ret = READ_ONCE(peer->revoked) ? -EFAULT :
		      flush_read_batch(peer, &index,
				       peer_table_index(peer, last));
		rcu_read_unlock();
		peer_reader_unlock(reader);
	} while (ret == -EAGAIN);
}

/*
 * Sets [*@start, *@last] to the part of the first region in it. Return: there
 * is one.
 */
static bool flush_next_region(struct ib_umem_peer *peer, unsigned long *start,
			      unsigned long *last)
{
	struct interval_tree_node *node;

	xa_lock(&peer->pages);
	node = interval_tree_iter_first(&peer->regions, *start, *last);
	if (node) {
		*start = max(*start, node->start);
		*last = min(*last, node->last);
	}
	xa_unlock(&peer->pages);
	return node;
}

static void flush_regions(struct ib_umem_peer *peer, unsigned long first,
			  unsigned long last)
{
	unsigned long start = first, stop = last;

	while (flush_next_region(peer, &start, &stop)) {
		flush_region(peer, start, stop);
		if (stop == last)
			break;
		start = stop + 1;
		stop = last;
	}
}

int ib_umem_peer_flush(struct ib_umem_peer *peer, u64 offset, size_t length)
{
	unsigned long first = peer->umem.address + offset;

	if (!peer_in_range(peer, offset, length))
		return -EFAULT;
	if (READ_ONCE(peer->revoked))
		return -EFAULT;
	/* Drain the write-combining buffers. */
	wmb();
	if (length)
		flush_regions(peer, first, first + length - 1);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_flush);
