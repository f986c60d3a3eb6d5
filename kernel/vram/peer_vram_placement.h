/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Locking a BO in a given place (peer_vram_placement.c). */
#ifndef PEER_VRAM_PLACEMENT_H
#define PEER_VRAM_PLACEMENT_H

#include <linux/types.h>

struct peer_vram_bo;

int peer_vram_bo_lock_and_move(struct peer_vram_bo *bo, u32 mem_type);
int peer_vram_bo_lock_resident(struct peer_vram_bo *bo);
int peer_vram_bo_lock_system(struct peer_vram_bo *bo);

#endif
