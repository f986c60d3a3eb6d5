// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_vram: a GPU-like exporter for tests and development.
 *
 * The "GPU" is QEMU's ivshmem-plain PCI device. Its memory BAR is the VRAM, which
 * the kernel's GPU memory manager, DRM/TTM, manages. This file contains the
 * module, the PCI driver, and probe and removal of the device.
 *
 * There is no MODULE_DEVICE_TABLE on purpose: virtual machines also use ivshmem to
 * share memory, and this driver overwrites that memory. Load it by name.
 *
 * Order of removal:
 * 1. The character device is removed: no new opens.
 * 2. The device is marked as removed: no new BOs.
 * 3. Every BO is killed: regions revoked, page tables zapped, memory freed.
 * 4. The BAR is unmapped.
 *
 * The drm_device is never registered, since it has no device nodes of its own. It must
 * therefore not be unplugged: drm_dev_unplug() unregisters it.
 *
 * Files, mappings and regions of users may outlive the removal. They hold
 * references on the drm_device and so on the memory manager, but do not access the
 * hardware any more.
 */
#include <compat/ttm.h>
#include <drm/drm_drv.h>
#include <drm/drm_managed.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/pci.h>

#include "peer_vram_blocks.h"
#include "peer_vram_bo.h"
#include "peer_vram_export.h"
#include "peer_vram_file.h"
#include "peer_vram_ttm.h"
#include "peer_vram_types.h"

#define PEER_VRAM_BAR 2

/* ivshmem-doorbell has this BAR: other virtual machines use its memory. */
#define PEER_VRAM_MSIX_BAR 1

static unsigned int pin_percent = 75;
module_param(pin_percent, uint, 0444);
MODULE_PARM_DESC(pin_percent, "Percentage of VRAM that may be pinned (default: 75)");

static DEFINE_IDA(peer_vram_ida);

static const struct drm_driver peer_vram_drm_driver = {
	.driver_features = DRIVER_GEM,
	.name = "peer_vram",
	.desc = "VRAM exporter on ivshmem",
	.major = 1,
};

/* ---- memory manager --------------------------------------------------- */

static void peer_vram_memory_fini(struct drm_device *drm, void *data)
{
	struct peer_vram_device *vram = data;

	peer_vram_blocks_fini(vram);
	ttm_device_fini(&vram->ttm);
}

static int peer_vram_memory_init(struct peer_vram_device *vram)
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
	return drmm_add_action_or_reset(drm, peer_vram_memory_fini, vram);
}

/* ---- PCI -------------------------------------------------------------- */

static int peer_vram_map_bar(struct peer_vram_device *vram,
			     struct pci_dev *pdev)
{
	resource_size_t length = pci_resource_len(pdev, PEER_VRAM_BAR);
	int ret;

	if (pci_resource_len(pdev, PEER_VRAM_MSIX_BAR)) {
		dev_err(&pdev->dev, "ivshmem-doorbell: use ivshmem-plain\n");
		return -ENODEV;
	}
	vram->size = round_down(length, PEER_VRAM_BLOCK_SIZE);
	if (!vram->size || vram->size >> PEER_VRAM_BLOCK_SHIFT > U32_MAX) {
		dev_err(&pdev->dev, "memory BAR of %pa bytes: not usable\n",
			&length);
		return -ENODEV;
	}
	vram->bar = pci_resource_start(pdev, PEER_VRAM_BAR);
	vram->pin_limit = mul_u64_u64_div_u64(vram->size,
					      min(pin_percent, 100u), 100);

	ret = pcim_enable_device(pdev);
	if (ret)
		return ret;
	ret = pcim_request_region(pdev, PEER_VRAM_BAR, "peer_vram");
	if (ret)
		return ret;
	vram->io = devm_ioremap_wc(&pdev->dev, vram->bar, vram->size);
	return vram->io ? 0 : -ENOMEM;
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

static int peer_vram_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct peer_vram_device *vram;
	int ret;

	vram = devm_drm_dev_alloc(&pdev->dev, &peer_vram_drm_driver,
				  struct peer_vram_device, drm);
	if (IS_ERR(vram))
		return PTR_ERR(vram);
	spin_lock_init(&vram->lock);
	INIT_LIST_HEAD(&vram->live_bos);
	INIT_LIST_HEAD(&vram->dead_bos);
	pci_set_drvdata(pdev, vram);

	ret = peer_vram_map_bar(vram, pdev);
	if (ret)
		return ret;
	ret = peer_vram_memory_init(vram);
	if (ret)
		return ret;
	ret = peer_vram_register_misc(vram);
	if (ret)
		return ret;

	dev_info(&pdev->dev, "%s: %llu MiB of VRAM, %llu MiB may be pinned\n",
		 vram->name, vram->size >> 20, vram->pin_limit >> 20);
	return 0;
}

static void peer_vram_remove(struct pci_dev *pdev)
{
	struct peer_vram_device *vram = pci_get_drvdata(pdev);

	misc_deregister(&vram->misc);
	ida_free(&peer_vram_ida, vram->id);
	peer_vram_kill_all(vram);
	/* BOs that still have memory have no references and are being freed. */
	ttm_resource_manager_evict_all(&vram->ttm, &vram->manager.base);
	ttm_resource_manager_set_used(&vram->manager.base, false);
}

static const struct pci_device_id peer_vram_pci_ids[] = {
	{ PCI_DEVICE(PCI_VENDOR_ID_REDHAT_QUMRANET, 0x1110) },
	{}
};

static struct pci_driver peer_vram_pci_driver = {
	.name = "peer_vram",
	.id_table = peer_vram_pci_ids,
	.probe = peer_vram_probe,
	.remove = peer_vram_remove,
};

/* ---- module ----------------------------------------------------------- */

static int __init peer_vram_init(void)
{
	int ret;

	ret = peer_vram_export_init();
	if (ret)
		return ret;
	ret = pci_register_driver(&peer_vram_pci_driver);
	if (ret)
		peer_vram_export_exit();
	return ret;
}

static void __exit peer_vram_exit(void)
{
	pci_unregister_driver(&peer_vram_pci_driver);
	peer_vram_export_exit();
}

module_init(peer_vram_init);
module_exit(peer_vram_exit);

MODULE_DESCRIPTION("GPU-like exporter of peer memory over ivshmem");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
MODULE_INFO(import_ns, "DMA_BUF");
