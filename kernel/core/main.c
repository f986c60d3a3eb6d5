// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ib_peer_mem: peer memory for RDMA. Stands between exporters, the drivers that
 * own device memory (include/rdma/peer_mem.h), and importers, the RDMA devices
 * that reach it (include/rdma/ib_umem_peer.h).
 *
 * The rooms, from the ground floor up. A room calls the rooms below it.
 *
 *   exporters/  registry of exporters, their counters in sysfs, helpers for them
 *   umem/       struct ib_umem_peer: registration, regions, page table, faults,
 *               access, invalidation
 *   importers/  DMA importers: the DMA bridge, the hook of ibv_reg_mr(), P2P routes
 *   adapters/   PeerDirect clients and other drivers' dma-bufs, as exporters
 *   user/       /dev/peer_mem
 *
 * hold_point.c stops threads in builds for tests; trace.h has the tracepoints.
 */
#include <linux/module.h>

#include "adapters/dmabuf.h"
#include "adapters/peerdirect_device.h"
#include "exporters/exporters.h"
#include "hold_point.h"
#include "importers/device_list.h"
#include "importers/dma_hook.h"
#include "umem/fault_queue.h"
#include "umem/readers.h"
#include "umem/region.h"
#include "user/user.h"

static int __init ib_peer_mem_init(void)
{
	int ret;

	ib_peer_readers_init();
	ret = ib_peer_region_init();
	if (ret)
		return ret;
	ret = ib_peer_queue_init();
	if (ret)
		goto err_region;
	ret = ib_peer_sysfs_init();
	if (ret)
		goto err_queue;
	ret = ib_peerdirect_device_init();
	if (ret)
		goto err_sysfs;
	ret = ib_peer_dmabuf_adapter_init();
	if (ret)
		goto err_peerdirect;
	ret = ib_peer_device_list_init();
	if (ret)
		goto err_dmabuf;
	ret = ib_peer_chardev_init();
	if (ret)
		goto err_devices;
	ret = ib_peer_hook_init();
	if (ret)
		goto err_chardev;
	ib_peer_hold_init();
	return 0;

err_chardev:
	ib_peer_chardev_exit();
err_devices:
	ib_peer_device_list_exit();
err_dmabuf:
	ib_peer_dmabuf_adapter_exit();
err_peerdirect:
	ib_peerdirect_device_exit();
err_sysfs:
	ib_peer_sysfs_exit();
err_queue:
	ib_peer_queue_exit();
err_region:
	ib_peer_region_exit();
	return ret;
}

static void __exit ib_peer_mem_exit(void)
{
	ib_peer_hold_exit();
	ib_peer_hook_exit();
	ib_peer_chardev_exit();
	ib_peer_device_list_exit();
	ib_peer_dmabuf_adapter_exit();
	ib_peerdirect_device_exit();
	ib_peer_sysfs_exit();
	ib_peer_queue_exit();
	ib_peer_region_exit();
}

module_init(ib_peer_mem_init);
module_exit(ib_peer_mem_exit);

MODULE_DESCRIPTION("Peer memory for RDMA");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
MODULE_INFO(import_ns, "DMA_BUF");
