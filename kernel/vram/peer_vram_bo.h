/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Creating and killing BOs (peer_vram_bo.c). */
#ifndef PEER_VRAM_BO_H
#define PEER_VRAM_BO_H

#include <linux/types.h>

struct peer_vram_bo;
struct peer_vram_device;

struct peer_vram_bo *peer_vram_bo_create(struct peer_vram_device *vram,
					 u64 length, u32 flags);
int peer_vram_bo_kill(struct peer_vram_bo *bo);
void peer_vram_kill_all(struct peer_vram_device *vram);
u64 peer_vram_limit_remaining(void);

#endif
