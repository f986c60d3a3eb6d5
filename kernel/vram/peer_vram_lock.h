/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Locking a BO; signals (peer_vram_lock.c). */
#ifndef PEER_VRAM_LOCK_H
#define PEER_VRAM_LOCK_H

#include <drm/ttm/ttm_bo.h>

struct peer_vram_bo;
struct peer_vram_part;

struct ttm_operation_ctx peer_vram_ttm_ctx(struct peer_vram_bo *bo);
bool peer_vram_should_retry(int ret);
int peer_vram_bo_lock(struct peer_vram_bo *bo);
void peer_vram_bo_unlock(struct peer_vram_bo *bo);
void peer_vram_part_used(struct peer_vram_part *part);

#endif
