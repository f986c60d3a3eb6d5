// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ttm_device_init() gets flags. Before: two booleans, for coherent DMA memory and for
 * memory below 4 GiB.
 */
#include <drm/ttm/ttm_device.h>

static int (*probe)(struct ttm_device *ttm, const struct ttm_device_funcs *funcs,
		    struct device *dev, struct address_space *mapping,
		    struct drm_vma_offset_manager *manager,
		    unsigned int flags) __used = ttm_device_init;
