/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to the files about DMA importers: dma.c, what they reach of a region;
 * bridge.c, the dma-buf by which they get it; bridge_hook.c, how ibv_reg_mr()
 * comes there; p2p.c, who reaches whom.
 */
#ifndef IB_PEER_DMA_H
#define IB_PEER_DMA_H

#include <linux/scatterlist.h>

#include "ib_peer.h"

/* A block, and what the device calls it. */
struct ib_peer_dma_block {
	struct ib_peer_block block;
	dma_addr_t addr;
};

/*
 * struct ib_peer_dma - all of a region as a device reaches it
 * @region: in use until ib_peer_dma_free()
 * @table:  of DMA addresses only; no pages
 * @blocks: @num of them, in the order of their offsets once complete
 * @room:   for how many there is memory
 */
struct ib_peer_dma {
	struct ib_peer_region *region;
	struct sg_table table;
	struct ib_peer_dma_block *blocks;
	unsigned int num;
	unsigned int room;
};

/*
 * Asks the exporter where the region is. The region is alive; no lock is held.
 * @seq: gets the sequence of the region before the question
 * Return: the answer; or ERR_PTR: -EFAULT not all of it is there, -EACCES not for
 * writing, -EOPNOTSUPP not for devices, -ENOMEM, what the exporter said.
 */
struct ib_peer_dma *ib_peer_dma_ask(struct ib_peer_region *region,
				    unsigned long *seq);
/* The device uses it no more. Takes no lock of the exporter's. NULL is fine. */
void ib_peer_dma_free(struct ib_peer_dma *dma);
/* From within fault(). */
int ib_peer_dma_add(struct ib_peer_dma *dma, const struct ib_peer_block *block);

#endif
