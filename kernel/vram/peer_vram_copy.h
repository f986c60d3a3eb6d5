/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* CPU copies to and from BOs (peer_vram_copy.c). */
#ifndef PEER_VRAM_COPY_H
#define PEER_VRAM_COPY_H

#include <linux/types.h>

struct peer_vram_bo;
struct peer_vram_part;
struct ttm_resource;

void peer_vram_copy_part(struct peer_vram_part *part, struct ttm_resource *res,
			 bool to_vram);
int peer_vram_clear(struct peer_vram_part *part, struct ttm_resource *res);
int peer_vram_copy_locked(struct peer_vram_bo *bo, u64 offset, void *buf,
			  size_t length, bool write);
int peer_vram_copy_user(struct peer_vram_bo *bo, u64 offset, void __user *buf,
			u64 length, bool write);

#endif
