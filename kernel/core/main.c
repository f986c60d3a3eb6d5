// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ib_peer_mem: peer memory for RDMA. Stands between exporters, the drivers that
 * own device memory (include/rdma/peer_mem.h), and importers, the RDMA devices
 * that reach it (include/rdma/ib_umem_peer.h).
 *
 *   client.c     the registry of exporters
 *   region.c     one claimed range: claim, pin, revoke, detach
 *   umem_peer.c  what an importer registers
 *   umem_regions.c  its regions, and what ends them: owner, exporter, mmu notifier
 *   watch.c      the mmu notifier of a range
 *   page_table.c  what may be accessed: publishing and erasing entries
 *   readers.c    accesses in flight, and how an invalidation waits for them
 *   fault.c      where are the pages? whom to ask, and how often
 *   ask.c        asks the system or the exporter
 *   fence.c      waits until a move by an engine is done
 *   fault_work.c the same by a thread of its own, and who waits for that
 *   fault_queue.c  such threads, by process
 *   cancel.c     waits that an importer ends
 *   access.c     what a CPU importer does with it: copy, atomics
 *   flush.c      and pushing its writes into the device
 *   peerdirect.c the PeerDirect client API, as an adapter on the native one
 *   peerdirect_list.c  what the CPU sees of such a client's memory
 *   peerdirect_device.c  the device that it maps for
 *   dmabuf.c     dma-bufs of drivers that are no clients, as an adapter as well
 *   export.c     a range of a process as a dma-buf
 *   bridge_hook.c  ibv_reg_mr() of devices that do DMA
 *   bridge.c     by a dma-buf that is made for it
 *   dma.c        of what such a device reaches of a region
 *   p2p.c        and whom it reaches
 *   sysfs.c      counters
 *   query.c      what would become of a registration?
 *   whose.c      of which process, and may one ask?
 *   roll.c       the registrations there are, and what became of them
 *   node.c       programs ask all that by /dev/peer_mem
 *   hold.c       holds threads at certain points; in builds for tests
 */
#include <linux/module.h>

#include "bridge.h"
#include "ib_peer.h"
#include "readers.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

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
	ret = ib_peer_dmabuf_init();
	if (ret)
		goto err_peerdirect;
	ret = ib_peer_node_init();
	if (ret)
		goto err_dmabuf;
	ret = ib_peer_hook_init();
	if (ret)
		goto err_node;
	ib_peer_hold_init();
	return 0;

err_node:
	ib_peer_node_exit();
err_dmabuf:
	ib_peer_dmabuf_exit();
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
	ib_peer_node_exit();
	ib_peer_dmabuf_exit();
	ib_peerdirect_device_exit();
	ib_peer_sysfs_exit();
	ib_peer_queue_exit();
	ib_peer_region_exit();
}

module_init(ib_peer_mem_init);
module_exit(ib_peer_mem_exit);

MODULE_DESCRIPTION("Peer memory for RDMA");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION("0.1.0");
MODULE_IMPORT_NS(DMA_BUF);
