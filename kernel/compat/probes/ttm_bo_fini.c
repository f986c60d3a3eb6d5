// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A driver drops its reference on a TTM buffer object by ttm_bo_fini(). Before: by
 * ttm_bo_put(), which is private to TTM where ttm_bo_fini() exists.
 */
#include <drm/ttm/ttm_bo.h>

static void (*probe)(struct ttm_buffer_object *tbo) __used = ttm_bo_fini;
