/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Callbacks of TTM (peer_vram_ttm.c). */
#ifndef PEER_VRAM_TTM_H
#define PEER_VRAM_TTM_H

#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_tt.h>

extern const struct ttm_device_funcs peer_vram_ttm_funcs;
extern struct ttm_placement peer_vram_system_placement;
extern struct ttm_placement peer_vram_vram_placement;

struct peer_vram_part;

void peer_vram_part_invalidate(struct peer_vram_part *part);
void peer_vram_tt_destroy(struct ttm_device *ttm, struct ttm_tt *tt);

#endif
