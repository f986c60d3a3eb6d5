/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Allocator of VRAM blocks, for TTM (peer_vram_blocks.c). */
#ifndef PEER_VRAM_BLOCKS_H
#define PEER_VRAM_BLOCKS_H

#include <linux/types.h>

struct peer_vram_device;
struct ttm_resource;

int peer_vram_blocks_init(struct peer_vram_device *vram);
void peer_vram_blocks_fini(struct peer_vram_device *vram);
u64 peer_vram_blocks_used(struct peer_vram_device *vram);
u64 peer_vram_find_run(const struct ttm_resource *res, u64 offset, u64 max,
		       u64 *where);

#endif
