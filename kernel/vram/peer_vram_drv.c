// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_vram: a GPU-like exporter for tests and development. The kernel's GPU memory
 * manager, DRM/TTM, manages its memory.
 *
 * This file contains the module. Its devices: peer_vram_pci.c, peer_vram_ram.c.
 */
#include <linux/module.h>

#include "peer_vram_device.h"
#include "peer_vram_export.h"
#include "peer_vram_pci.h"
#include "peer_vram_ram.h"

static int __init peer_vram_init_devices(void)
{
	int ret;

	ret = peer_vram_pci_init();
	if (ret)
		return ret;
	ret = peer_vram_ram_init();
	if (ret) {
		peer_vram_pci_exit();
		return ret;
	}
	if (peer_vram_no_device())
		pr_info("peer_vram: no device; ram_mb=N makes one of N MiB of system memory\n");
	return 0;
}

static int __init peer_vram_init(void)
{
	int ret;

	ret = peer_vram_export_init();
	if (ret)
		return ret;
	ret = peer_vram_init_devices();
	if (ret)
		peer_vram_export_exit();
	return ret;
}

static void __exit peer_vram_exit(void)
{
	peer_vram_ram_exit();
	peer_vram_pci_exit();
	peer_vram_export_exit();
}

module_init(peer_vram_init);
module_exit(peer_vram_exit);

MODULE_DESCRIPTION("GPU-like exporter of peer memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
MODULE_INFO(import_ns, "DMA_BUF");
