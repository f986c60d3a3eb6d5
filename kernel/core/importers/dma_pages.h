/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The DMA addresses of a region. */
#ifndef IB_PEER_DMA_PAGES_H
#define IB_PEER_DMA_PAGES_H

#include <linux/scatterlist.h>
#include <rdma/peer_mem.h>

/* A block, and its address for the device. */
struct ib_peer_dma_block {
	struct ib_peer_block block;
	dma_addr_t addr;
};

/*
 * struct ib_peer_dma - the DMA addresses of a region
 * @region: with an active reference until ib_peer_dma_free()
 * @table:  DMA addresses only; no pages
 * @blocks: @num blocks, sorted by offset once complete
 * @room:   number of blocks that are allocated
 */
struct ib_peer_dma {
	struct ib_peer_region *region;
	struct sg_table table;
	struct ib_peer_dma_block *blocks;
	unsigned int num;
	unsigned int room;
};

/*
 * Asks the exporter where the region is. The region is alive; no lock is
 * held.
 * @seq: receives the sequence of the region before resolving
 * Return: the result, or ERR_PTR: -EFAULT not all of it is present, -EACCES
 * not writable, -EOPNOTSUPP not for DMA, -ENOMEM, or the error of the
 * exporter.
 */
struct ib_peer_dma *ib_peer_dma_resolve(struct ib_peer_region *region,
					unsigned long *seq);
/*
 * Called when the device has stopped using it. Takes no lock of the exporter.
 * NULL is allowed.
 */
void ib_peer_dma_free(struct ib_peer_dma *dma);

#endif
