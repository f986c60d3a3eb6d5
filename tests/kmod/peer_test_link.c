// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: an exporter of memory that is reached through a private link, as
 * between GPUs. Its addresses are valid only for the RDMA device that the
 * parameter names. No other device can access the memory, nor can the CPU.
 *
 * The memory is that of peer_test_mem.ko, which never moves. The system bus
 * stands for the link.
 */
#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <rdma/ib_verbs.h>
#include <rdma/peer_mem.h>

#include "peer_test_mem.h"

static char *device = "edu0";
module_param(device, charp, 0444);
MODULE_PARM_DESC(device, "RDMA device at the other end of the link");

static int omit = -1;
module_param(omit, int, 0644);
MODULE_PARM_DESC(omit, "page of each range that resolve omits; -1: none");

static unsigned int claim_ms;
module_param(claim_ms, uint, 0644);
MODULE_PARM_DESC(claim_ms, "duration of a claim in ms");

static unsigned int map_error;
module_param(map_error, uint, 0644);
MODULE_PARM_DESC(map_error, "errno of each mapping for DMA; 0: success");

static atomic_t mapped = ATOMIC_INIT(0);
module_param_named(mapped, mapped.counter, int, 0444);
MODULE_PARM_DESC(mapped, "blocks that are mapped for DMA");

struct link_range {
	struct peer_test_object *object;
	unsigned long first;
};

static struct ib_peer_exporter *link_exporter;

/* Check the owner first: other exporters may own the memory. */
static int link_claim(struct ib_peer_region *region)
{
	struct peer_test_object *object;
	struct link_range *range;
	unsigned long first;

	object = peer_test_object_find(region->start, region->length, &first);
	if (!object)
		return -ENXIO;
	if (!region->importer ||
	    strcmp(dev_name(&region->importer->dev), device)) {
		peer_test_object_put(object);
		return -EREMOTEIO;
	}
	range = kmalloc(sizeof(*range), GFP_KERNEL);
	if (!range) {
		peer_test_object_put(object);
		return -ENOMEM;
	}
	range->object = object;
	range->first = first;
	region->priv = range;
	msleep(claim_ms);
	return 0;
}

static void link_release(struct ib_peer_region *region)
{
	struct link_range *range = region->priv;

	peer_test_object_put(range->object);
	kfree(range);
}

static int link_pin(struct ib_peer_region *region)
{
	return 0;
}

static void link_unpin(struct ib_peer_region *region)
{
}

static int link_fault(struct ib_peer_region *region, u64 offset, u64 length,
		      bool write, struct ib_peer_fault *fault)
{
	struct link_range *range = region->priv;
	struct ib_peer_block block = {
		.length = PAGE_SIZE,
		.flags = IB_PEER_BLOCK_WRITE,
	};
	u64 end = offset + length;
	int ret = 0;

	for (; !ret && offset < end; offset += PAGE_SIZE) {
		if (omit >= 0 && offset >> PAGE_SHIFT == omit)
			continue;
		block.offset = offset;
		block.where = peer_test_object_phys(range->object,
						    range->first +
						    (offset >> PAGE_SHIFT));
		ret = ib_peer_fault_add(fault, &block);
	}
	return ret;
}

static int link_dma_map(struct ib_peer_region *region,
			const struct ib_peer_block *block, dma_addr_t *addr)
{
	struct page *page = pfn_to_page(PHYS_PFN(block->where));
	int ret;

	if (map_error)
		return -(int)map_error;
	ret = ib_peer_dma_map_pages(region, page, block->length, addr);
	if (!ret)
		atomic_inc(&mapped);
	return ret;
}

static void link_dma_unmap(struct ib_peer_region *region,
			   const struct ib_peer_block *block, dma_addr_t addr)
{
	ib_peer_dma_unmap_pages(region, addr, block->length);
	atomic_dec(&mapped);
}

static const struct ib_peer_ops link_ops = {
	.claim = link_claim,
	.pin = link_pin,
	.unpin = link_unpin,
	.fault = link_fault,
	.dma_map = link_dma_map,
	.dma_unmap = link_dma_unmap,
	.release = link_release,
};

static int __init link_init(void)
{
	link_exporter = ib_peer_register_exporter("peer_test_link", "1",
						  &link_ops, NULL);
	return PTR_ERR_OR_ZERO(link_exporter);
}

static void __exit link_exit(void)
{
	ib_peer_unregister_exporter(link_exporter);
}

module_init(link_init);
module_exit(link_exit);

MODULE_DESCRIPTION("Private link as peer memory, for tests");
MODULE_LICENSE("Dual BSD/GPL");
