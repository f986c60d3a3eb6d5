/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * TTM: how a driver drops a buffer object, populates it, and initializes a device.
 *
 * A TTM buffer object embeds a GEM object, and both have a reference count. Which of
 * them ttm_bo_vm_open(), ttm_bo_vm_close() and ttm_bo_mmap_obj() use depends on the
 * kernel. A driver for all kernels therefore does without these three. It has only GEM
 * references, also in its mappings. Together they hold the TTM reference that
 * ttm_bo_init_reserved() returned, and struct drm_gem_object_funcs.free() drops it by
 * ttm_bo_fini(). The references that TTM takes by itself are balanced on all kernels.
 */
#ifndef PEER_COMPAT_TTM_H
#define PEER_COMPAT_TTM_H

#include <compat/probed.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_tt.h>

#ifndef PEER_HAVE_TTM_BO_FINI
/**
 * ttm_bo_fini() - drop the reference that ttm_bo_init_reserved() returned
 * @tbo: the buffer object, without GEM references
 *
 * Context: may sleep.
 */
static inline void ttm_bo_fini(struct ttm_buffer_object *tbo)
{
	ttm_bo_put(tbo);
}
#endif

#ifndef PEER_HAVE_TTM_BO_POPULATE
/**
 * ttm_bo_populate() - allocate the system pages of a buffer object, or swap them in
 * @tbo: its reservation object is locked
 * @ctx: how to wait
 *
 * Does nothing if there are pages, or if the buffer object has no struct ttm_tt.
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM; -EINTR or -ERESTARTSYS a signal.
 */
static inline int ttm_bo_populate(struct ttm_buffer_object *tbo,
				  struct ttm_operation_ctx *ctx)
{
	return tbo->ttm ? ttm_tt_populate(tbo->bdev, tbo->ttm, ctx) : 0;
}
#endif

/**
 * peer_ttm_device_init() - initialize a TTM device that allocates ordinary pages
 * @ttm:     the device
 * @funcs:   callbacks of the driver
 * @dev:     for the NUMA node of the pages
 * @mapping: address_space of all CPU mappings
 * @manager: of the offsets in @mapping
 *
 * Context: may sleep.
 * Return: 0; -ENOMEM.
 */
static inline int peer_ttm_device_init(struct ttm_device *ttm,
				       const struct ttm_device_funcs *funcs,
				       struct device *dev,
				       struct address_space *mapping,
				       struct drm_vma_offset_manager *manager)
{
#ifdef PEER_HAVE_TTM_DEVICE_FLAGS
	return ttm_device_init(ttm, funcs, dev, mapping, manager, 0);
#else
	return ttm_device_init(ttm, funcs, dev, mapping, manager, false, false);
#endif
}

#endif
