// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FLUSH with global visibility. Writes of the CPU may sit in its write-combining
 * buffers, and after that as posted writes on the way to a device: a read from the
 * device pushes them ahead. So each region of device memory in the range is read
 * from once, by any page of it that is there. Where none is there none was written
 * that has not been moved since, by its owner, who sees the writes.
 */
#include <linux/errno.h>
#include <linux/export.h>
#include <linux/iosys-map.h>
#include <linux/mm.h>
#include <linux/rcupdate.h>

#include "access.h"

/* Entries that are looked at before the reader unlocks. */
#define FLUSH_BATCH 64

/*
 * Reads a byte of the first page in [*@first, @last] that lies in I/O memory. After a
 * batch *@first is where to go on. Return: -EAGAIN go on; 0 done, or nothing there.
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
		if (pte & PEER_PTE_IOMEM) {
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

/* One region, [@start, @last] of it. */
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
 * The part of the first region in [*@start, *@last]. Return: there is one.
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
	/* Out of the CPU's write-combining buffers. */
	wmb();
	if (length)
		flush_regions(peer, first, first + length - 1);
	return 0;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_flush);
