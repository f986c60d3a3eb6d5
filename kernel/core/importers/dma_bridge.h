/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The DMA bridge: a dma-buf over a region, for one registration.
 */
#ifndef IB_PEER_DMA_BRIDGE_H
#define IB_PEER_DMA_BRIDGE_H

#include <linux/types.h>

#include "importers/importer_type.h"

struct dma_buf;
struct ib_device;

/*
 * Creates the dma-buf of a range, for one registration with @ibdev by the current
 * task. @access: IB_ACCESS_xxx. Return: the dma-buf, or ERR_PTR as
 * ib_umem_peer_get(); -EREMOTEIO, -EOPNOTSUPP as claim() returned.
 */
struct dma_buf *ib_peer_bridge_create(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access);
/*
 * Ends the time in which a device may attach. If none has, the registration ends.
 * Return: the type of the importer that attached, or IB_PEER_UNKNOWN.
 */
enum ib_peer_importer_type ib_peer_bridge_finish(struct dma_buf *dmabuf);

#endif
