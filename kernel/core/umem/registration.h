/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Registration for DMA importers; see include/rdma/ib_umem_peer.h for CPU importers.
 */
#ifndef IB_PEER_REGISTRATION_H
#define IB_PEER_REGISTRATION_H

#include <rdma/ib_umem_peer.h>

struct dma_buf;
struct ib_peer_attachment;
struct mmu_interval_notifier_ops;

/*
 * struct ib_umem_peer_dma - what an attachment gives for its umem
 * @attachment: the attachment
 * @ops:    how to stop its device
 * @mn_ops: called when the address space changes
 * @device: does the DMA
 */
struct ib_umem_peer_dma {
	struct ib_peer_attachment *attachment;
	const struct ib_umem_peer_dma_ops *ops;
	const struct mmu_interval_notifier_ops *mn_ops;
	struct device *device;
};

int ib_umem_peer_get_dma(struct ib_device *ibdev, unsigned long addr,
			 size_t size, int access,
			 const struct ib_umem_peer_dma *dma,
			 struct ib_umem_peer **peer,
			 struct ib_peer_region **region);
int ib_umem_peer_get_dma_dmabuf(struct dma_buf *dmabuf,
				const struct ib_umem_peer_dma *dma,
				struct ib_umem_peer **peer,
				struct ib_peer_region **region);

#endif
