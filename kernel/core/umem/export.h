/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A range of a process, exported as a dma-buf.
 */
#ifndef IB_PEER_EXPORT_H
#define IB_PEER_EXPORT_H

#include <linux/kref.h>
#include <linux/mmu_notifier.h>
#include <rdma/peer_mem.h>

struct dma_buf;

/*
 * struct ib_peer_export - an exported range
 * @share:  for the DMA devices that attach to the dma-buf
 * @start:  page aligned, as is @length
 * @over:   part of the range was unmapped, or the process has exited
 */
struct ib_peer_export {
	struct kref kref;
	struct ib_peer_dmabuf share;
	struct mm_struct *mm;
	unsigned long start;
	size_t length;
	bool over;
	struct mmu_interval_notifier notifier;
};

struct ib_peer_export *ib_peer_export_create(unsigned long start,
					     size_t length);
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf);
void ib_peer_export_put(struct ib_peer_export *export);
void ib_peer_export_release(struct dma_buf *dmabuf);

#endif
