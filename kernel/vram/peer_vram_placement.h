/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Locking a BO in a given place (peer_vram_placement.c). */
#ifndef PEER_VRAM_PLACEMENT_H
#define PEER_VRAM_PLACEMENT_H

#include <linux/types.h>

struct peer_vram_bo;

int peer_vram_bo_lock_vram(struct peer_vram_bo *bo, u64 offset, u64 length);
int peer_vram_bo_lock_system(struct peer_vram_bo *bo, u64 offset, u64 length);
int peer_vram_bo_lock_pages(struct peer_vram_bo *bo, u64 offset, u64 length);
int peer_vram_bo_lock_resident(struct peer_vram_bo *bo, u64 offset, u64 length);

#endif
