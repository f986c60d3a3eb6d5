/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Attachments: a DMA device that uses a region through a dma-buf.
 */
#ifndef IB_PEER_DMA_ATTACHMENT_H
#define IB_PEER_DMA_ATTACHMENT_H

#include <linux/dma-buf.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <rdma/peer_mem.h>

#include "importers/importer_type.h"

struct ib_device;
struct ib_peer_dma;
struct ib_umem_peer;

/*
 * struct ib_peer_attachment - one device and its region
 * @peer:    the umem; its xa_lock protects @mapping, @resolving, @error
 * @region:  with a reference
 * @share:   of the dma-buf
 * @dmabuf:  valid while the device is attached
 * @on_demand: requested, so nothing may be pinned
 * @importer_type: of the device's driver
 * @mapping: the resolved region, not mapped by the device yet; or NULL
 * @resolving: the worker is resolving
 * @error:   the result of the worker if it failed
 * @mapped:  number of mappings of the device; protected by resv
 */
struct ib_peer_attachment {
	struct ib_umem_peer *peer;
	struct ib_peer_region *region;
	struct ib_peer_dmabuf *share;
	struct dma_buf *dmabuf;
	bool on_demand;
	enum ib_peer_importer_type importer_type;
	struct ib_peer_dma *mapping;
	bool resolving;
	int error;
	unsigned int mapped;
	struct work_struct resolve_work;
	struct work_struct unmapped_work;
};

/* Return: without a umem; NULL: out of memory. */
struct ib_peer_attachment *
ib_peer_attachment_alloc(struct ib_peer_dmabuf *share);
/*
 * Claims a range of the current process for @ibdev. @access: IB_ACCESS_xxx. Return: 0,
 * or -errno as ib_umem_peer_get().
 */
int ib_peer_attachment_claim_range(struct ib_peer_attachment *link,
				   struct ib_device *ibdev, unsigned long addr,
				   size_t size, int access);
/*
 * Claims all of a dma-buf for @device, which need not be an RDMA device. Return: 0, or
 * -errno of claim_dmabuf(), or of claim() for an exported range.
 */
int ib_peer_attachment_claim_dmabuf(struct ib_peer_attachment *link,
				    struct dma_buf *dmabuf,
				    struct device *device);
/*
 * Connects @link, whose region is claimed, with a device that attaches: pins if the
 * driver needs it, and finds out where the region is. Called in the attach op. Return:
 * 0; -EOPNOTSUPP the driver cannot stop using it; -ENODEV revoked; as pin() or fault().
 */
int ib_peer_attachment_connect(struct ib_peer_attachment *link,
			       struct dma_buf_attachment *attach);
/* The region is released. The device, if there is one, has detached. */
void ib_peer_attachment_end(struct ib_peer_attachment *link);
/* The same, and frees it. NULL is allowed. */
void ib_peer_attachment_free(struct ib_peer_attachment *link);

#endif
