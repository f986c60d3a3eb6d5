/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The dma-buf of an exported range.
 */
#ifndef IB_PEER_DMA_EXPORTED_H
#define IB_PEER_DMA_EXPORTED_H

#include <linux/types.h>

struct dma_buf;
struct ib_peer_export;

/*
 * Takes over the caller's reference, also on failure. Return: the dma-buf, or ERR_PTR
 * of -ENFILE, -ENOMEM.
 */
struct dma_buf *ib_peer_export_to_dmabuf(struct ib_peer_export *export,
					 bool writable);

#endif
