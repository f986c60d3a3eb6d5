// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A VRAM device: the memory manager over its memory, and its character device.
 *
 * Order of removal:
 * 1. The character device is removed: no new opens.
 * 2. The device is marked as removed: no new BOs.
 * 3. Every BO is killed: regions revoked, page tables zapped, memory freed.
 * 4. The memory goes: the BAR is unmapped, or the system memory freed.
 *
 * The drm_device is never registered, since it has no device nodes of its own. It must
 * therefore not be unplugged: drm_dev_unplug() unregisters it.
 *
 * Files, mappings and regions of users may outlive the removal. They hold
 * references on the drm_device and so on the memory manager, but do not access the
 * memory any more.
 */
#include <compat/ttm.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <linux/idr.h>
#include <linux/module.h>

#include "peer_vram_blocks.h"
#include "peer_vram_bo.h"
#include "peer_vram_device.h"
#include "peer_vram_file.h"
#include "peer_vram_memory.h"
#include "peer_vram_regions.h"
#include "peer_vram_ttm.h"
#include "peer_vram_types.h"

static DEFINE_IDA(peer_vram_ida);

static const struct drm_driver peer_vram_drm_driver = {
	.driver_features = DRIVER_GEM,
	.name = "peer_vram",
	.desc = "VRAM exporter",
	.major = 1,
};

static void peer_vram_manager_fini(struct drm_device *drm, void *data)
{
	struct peer_vram_device *vram = data;

	peer_vram_blocks_fini(vram);
	ttm_device_fini(&vram->ttm);
}

static int peer_vram_manager_init(struct peer_vram_device *vram)
{
	struct drm_device *drm = &vram->drm;
	int ret;

	ret = peer_ttm_device_init(&vram->ttm, &peer_vram_ttm_funcs, drm->dev,
				   drm->anon_inode->i_mapping,
				   drm->vma_offset_manager);
	if (ret)
		return ret;
	ret = peer_vram_blocks_init(vram);
	if (ret) {
		ttm_device_fini(&vram->ttm);
		return ret;
	}
	return drmm_add_action_or_reset(drm, peer_vram_manager_fini, vram);
}

static int peer_vram_register_misc(struct peer_vram_device *vram)
{
	int ret;

	vram->id = ida_alloc(&peer_vram_ida, GFP_KERNEL);
	if (vram->id < 0)
		return vram->id;
	snprintf(vram->name, sizeof(vram->name), "peer_vram%d", vram->id);
	vram->misc.minor = MISC_DYNAMIC_MINOR;
	vram->misc.name = vram->name;
	vram->misc.fops = &peer_vram_fops;
	vram->misc.parent = vram->drm.dev;
	ret = misc_register(&vram->misc);
	if (ret)
		ida_free(&peer_vram_ida, vram->id);
	return ret;
}

/**
 * peer_vram_device_alloc() - create a device without memory
 * @dev: freed with it; its driver data are set
 *
 * Return: the device, or ERR_PTR of -ENOMEM.
 */
struct peer_vram_device *peer_vram_device_alloc(struct device *dev)
{
	struct peer_vram_device *vram;

	vram = devm_drm_dev_alloc(dev, &peer_vram_drm_driver,
				  struct peer_vram_device, drm);
	if (IS_ERR(vram))
		return vram;
	spin_lock_init(&vram->lock);
	INIT_LIST_HEAD(&vram->live_bos);
	INIT_LIST_HEAD(&vram->dead_bos);
	dev_set_drvdata(dev, vram);
	return vram;
}

/**
 * peer_vram_device_add() - let users at a device
 * @vram: has memory (peer_vram_memory.c)
 *
 * Return: 0; -ENOMEM, -ENOSPC (no number is free), or what misc_register() returns.
 */
int peer_vram_device_add(struct peer_vram_device *vram)
{
	int ret;

	ret = peer_vram_manager_init(vram);
	if (ret)
		return ret;
	ret = peer_vram_register_misc(vram);
	if (ret)
		return ret;
	dev_info(vram->drm.dev, "%s: %llu MiB of %s, %llu MiB may be pinned\n",
		 vram->name, vram->size >> 20,
		 peer_vram_is_ram(vram) ? "system memory as VRAM" : "VRAM",
		 peer_vram_pin_limit(vram) >> 20);
	return 0;
}

/* Takes the device away from its users. Its memory can then go. */
void peer_vram_device_remove(struct peer_vram_device *vram)
{
	misc_deregister(&vram->misc);
	ida_free(&peer_vram_ida, vram->id);
	peer_vram_kill_all(vram);
	/* BOs that still have memory have no references and are being freed. */
	ttm_resource_manager_evict_all(&vram->ttm, &vram->manager.base);
	ttm_resource_manager_set_used(&vram->manager.base, false);
}

/* Is there no device? */
bool peer_vram_no_device(void)
{
	return ida_is_empty(&peer_vram_ida);
}
