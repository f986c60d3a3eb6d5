/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * dma-buf: how an exporter invalidates the mappings of its importers.
 */
#ifndef PEER_COMPAT_DMA_BUF_H
#define PEER_COMPAT_DMA_BUF_H

#include <compat/probed.h>
#include <linux/dma-buf.h>

#ifndef PEER_HAVE_DMA_BUF_INVALIDATE_MAPPINGS
/* The member of struct dma_buf_attach_ops. */
#define invalidate_mappings move_notify

/**
 * dma_buf_invalidate_mappings() - tell importers that the dma-buf moves
 * @dmabuf: its reservation object is locked
 *
 * Context: may sleep.
 */
static inline void dma_buf_invalidate_mappings(struct dma_buf *dmabuf)
{
	dma_buf_move_notify(dmabuf);
}
#endif

/**
 * peer_dma_buf_map_pins() - whether mapping a dma-buf pins it
 *
 * The kernel then calls the exporter's pin op also for importers that did not ask for
 * it, before each mapping, and invalidates their mappings all the same.
 *
 * Context: any.
 * Return: true if it does so for all importers.
 */
static inline bool peer_dma_buf_map_pins(void)
{
#ifdef PEER_HAVE_DMA_BUF_INVALIDATE_MAPPINGS
	return false;
#else
	return !IS_ENABLED(CONFIG_DMABUF_MOVE_NOTIFY);
#endif
}

#endif
