// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What the DMA devices that are attached to one dma-buf share (importers/dma_attachment.c):
 * its reservation object, with a lockdep class of its own, since a move holds two; and
 * the number of pending moves.
 */
#include <linux/export.h>
#include <linux/ww_mutex.h>
#include <rdma/peer_mem.h>

static DEFINE_WD_CLASS(share_ww_class);

void ib_peer_dmabuf_init(struct ib_peer_dmabuf *share)
{
	dma_resv_init(&share->resv);
	ww_mutex_init(&share->resv.lock, &share_ww_class);
	init_waitqueue_head(&share->changed);
	atomic_set(&share->pending_moves, 0);
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_init);

void ib_peer_dmabuf_fini(struct ib_peer_dmabuf *share)
{
	dma_resv_fini(&share->resv);
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_fini);
