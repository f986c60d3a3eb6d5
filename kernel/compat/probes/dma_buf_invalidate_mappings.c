// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter of a dma-buf calls dma_buf_invalidate_mappings() before a move, and an
 * importer that pins may have no callback. Before: it calls dma_buf_move_notify(), each
 * importer has a callback, and without CONFIG_DMABUF_MOVE_NOTIFY the kernel pins each
 * mapped dma-buf.
 */
#include <linux/dma-buf.h>

static void (*probe)(struct dma_buf *dmabuf) __used = dma_buf_invalidate_mappings;
