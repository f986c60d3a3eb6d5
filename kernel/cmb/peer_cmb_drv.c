// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_cmb: controller memory buffers (CMB) of NVMe controllers as peer memory.
 *
 * ib_peer_bar allocates the memory. This module finds it:
 *   - in controllers that are bound to this driver (peer_cmb_pci.c). It drives them
 *     and moves data between the buffer and their disks (peer_cmb_disk.c);
 *   - on kernels with CONFIG_PCI_P2PDMA, in the p2pmem pools that the kernel's nvme
 *     driver publishes (peer_cmb_pool_notifier.c).
 *
 * Lock order, outermost first:
 *
 *   device_lock() (probe, remove, reset, bus notifiers)
 *     peer_cmb_pools_lock
 *       ib_peer_bar_enter()
 *         peer_cmb_controller.lock
 */
#include <linux/module.h>

#include "peer_cmb_pci.h"
#include "peer_cmb_pool_notifier.h"

static int __init peer_cmb_init(void)
{
	int ret;

	ret = peer_cmb_pci_init();
	if (ret)
		return ret;
	ret = peer_cmb_pool_init();
	if (ret)
		peer_cmb_pci_exit();
	return ret;
}

static void __exit peer_cmb_exit(void)
{
	peer_cmb_pool_exit();
	peer_cmb_pci_exit();
}

module_init(peer_cmb_init);
module_exit(peer_cmb_exit);

MODULE_DESCRIPTION("Controller memory buffers of NVMe controllers as peer memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
