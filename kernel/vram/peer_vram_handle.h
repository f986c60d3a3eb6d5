/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Handles of an open file (peer_vram_handle.c). */
#ifndef PEER_VRAM_HANDLE_H
#define PEER_VRAM_HANDLE_H

#include <linux/types.h>

struct peer_vram_bo;
struct peer_vram_file;

void peer_vram_handles_init(struct peer_vram_file *file);
void peer_vram_handles_fini(struct peer_vram_file *file);
int peer_vram_handle_reserve(struct peer_vram_file *file,
			     struct peer_vram_bo *bo, u32 *handle);
void peer_vram_handle_publish(struct peer_vram_file *file,
			      struct peer_vram_bo *bo, u32 handle);
void peer_vram_handle_abort(struct peer_vram_file *file,
			    struct peer_vram_bo *bo, u32 handle);
int peer_vram_handle_close(struct peer_vram_file *file, u32 handle);
struct peer_vram_bo *peer_vram_handle_get(struct peer_vram_file *file,
					  u32 handle);
bool peer_vram_may_map(struct peer_vram_file *file, struct peer_vram_bo *bo);

#endif
