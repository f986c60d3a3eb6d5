/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* BOs as dma-bufs (peer_vram_dmabuf.c). */
#ifndef PEER_VRAM_DMABUF_H
#define PEER_VRAM_DMABUF_H

struct dma_buf;
struct peer_vram_bo;
struct peer_vram_device;

struct dma_buf *peer_vram_dmabuf_export(struct peer_vram_bo *bo);
struct peer_vram_bo *peer_vram_dmabuf_bo(struct dma_buf *dmabuf);
struct peer_vram_bo *peer_vram_dmabuf_import(struct peer_vram_device *vram,
					     int fd);

#endif
