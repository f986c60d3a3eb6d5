// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A swapped out buffer object is on no LRU list, and ttm_bo_populate() puts it back.
 * Before: it stays on its LRU list, and drivers call ttm_tt_populate(), which is private
 * to TTM where ttm_bo_populate() exists.
 */
#include <drm/ttm/ttm_bo.h>

static int (*probe)(struct ttm_buffer_object *tbo,
		    struct ttm_operation_ctx *ctx) __used = ttm_bo_populate;
