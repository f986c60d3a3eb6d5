/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A range of a process, exported as a dma-buf.
 */
#ifndef IB_PEER_EXPORT_H
#define IB_PEER_EXPORT_H

#include <linux/kref.h>
#include <linux/mmu_notifier.h>

struct dma_buf;

/*
 * struct ib_peer_export - an exported range
 * @start:  page aligned, as is @length
 * @over:   part of the range was unmapped, or the process has exited
 */
struct ib_peer_export {
	struct kref kref;
	struct mm_struct *mm;
	unsigned long start;
	size_t length;
	bool over;
	struct mmu_interval_notifier notifier;
};

struct ib_peer_export *ib_peer_export_create(unsigned long start,
					     size_t length);
struct dma_buf *ib_peer_export_to_dmabuf(struct ib_peer_export *export,
					 bool writable);
struct ib_peer_export *ib_peer_export_get(struct dma_buf *dmabuf);
void ib_peer_export_put(struct ib_peer_export *export);

#endif
