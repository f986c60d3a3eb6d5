// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: an exporter of the memory of peer_test_mem.ko, mapped or placed
 * at an address. PEER_TEST_IOC_INVALIDATE revokes all regions of an object, as
 * a driver does that frees memory. A later claim of the same addresses
 * succeeds, unless the parameter "refuse" is set.
 *
 * Locks: regions_lock is held during ib_peer_revoke(), which does not call
 * back.
 */
#include <linux/err.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <rdma/peer_mem.h>

#include "peer_test_mem.h"

static unsigned int refuse;
module_param(refuse, uint, 0644);
MODULE_PARM_DESC(refuse, "errno of each claim of this memory; 0: success");

static bool pins = true;
module_param(pins, bool, 0444);
MODULE_PARM_DESC(pins, "the exporter can pin");

static bool unaligned;
module_param(unaligned, bool, 0644);
MODULE_PARM_DESC(unaligned, "report blocks that are not page aligned");

static unsigned int iomem = UINT_MAX;
module_param(iomem, uint, 0644);
MODULE_PARM_DESC(iomem, "first page of an object that is mapped as I/O memory");

struct native_range {
	struct list_head node;
	struct ib_peer_region *region;
	struct peer_test_object *object;
	unsigned long first;
};

static struct ib_peer_exporter *native_exporter;
static LIST_HEAD(ranges);
static DEFINE_MUTEX(regions_lock);

static int native_claim(struct ib_peer_region *region)
{
	struct peer_test_object *object;
	struct native_range *range;
	unsigned long first;

	object = peer_test_object_find_in(region->mm, region->start,
					  region->length, &first);
	if (!object)
		return -ENXIO;
	range = kmalloc(sizeof(*range), GFP_KERNEL);
	if (!range || refuse) {
		peer_test_object_put(object);
		kfree(range);
		return refuse ? -(int)refuse : -ENOMEM;
	}
	range->region = region;
	range->object = object;
	range->first = first;
	region->priv = range;
	mutex_lock(&regions_lock);
	list_add_tail(&range->node, &ranges);
	mutex_unlock(&regions_lock);
	return 0;
}

static void native_release(struct ib_peer_region *region)
{
	struct native_range *range = region->priv;

	mutex_lock(&regions_lock);
	list_del(&range->node);
	mutex_unlock(&regions_lock);
	peer_test_object_put(range->object);
	kfree(range);
}

/* The memory never moves. */
static int native_pin(struct ib_peer_region *region)
{
	return 0;
}

static void native_unpin(struct ib_peer_region *region)
{
}

static int native_fault(struct ib_peer_region *region, u64 offset, u64 length,
			bool write, struct ib_peer_fault *fault)
{
	struct native_range *range = region->priv;
	struct ib_peer_block block = {
		.length = PAGE_SIZE + READ_ONCE(unaligned),
		.flags = IB_PEER_BLOCK_WRITE,
	};
	u64 end = offset + length;
	int ret = 0;

	for (; !ret && offset < end; offset += PAGE_SIZE) {
		block.offset = offset;
		block.where = peer_test_object_phys(range->object,
						    range->first +
						    (offset >> PAGE_SHIFT));
		ret = ib_peer_fault_add(fault, &block);
	}
	return ret;
}

static int native_cpu_map(struct ib_peer_region *region,
			  const struct ib_peer_block *block,
			  struct iosys_map *map)
{
	const struct native_range *range = region->priv;
	void *vaddr = phys_to_virt(block->where);

	if (range->first + (block->offset >> PAGE_SHIFT) >= iomem)
		iosys_map_set_vaddr_iomem(map, (void __iomem *)vaddr);
	else
		iosys_map_set_vaddr(map, vaddr);
	return 0;
}

static struct ib_peer_ops native_ops = {
	.claim = native_claim,
	.pin = native_pin,
	.unpin = native_unpin,
	.fault = native_fault,
	.cpu_map = native_cpu_map,
	.release = native_release,
};

/* For PEER_TEST_IOC_INVALIDATE. */
static int native_revoke(struct peer_test_object *object)
{
	struct native_range *range;

	mutex_lock(&regions_lock);
	list_for_each_entry(range, &ranges, node)
		if (range->object == object)
			ib_peer_revoke(range->region);
	mutex_unlock(&regions_lock);
	return 0;
}

static int __init native_init(void)
{
	if (!pins) {
		native_ops.pin = NULL;
		native_ops.unpin = NULL;
	}
	native_exporter = ib_peer_register_exporter("peer_test_native", "1",
						    &native_ops, NULL);
	if (IS_ERR(native_exporter))
		return PTR_ERR(native_exporter);
	peer_test_set_invalidate(native_revoke);
	return 0;
}

static void __exit native_exit(void)
{
	peer_test_set_invalidate(NULL);
	ib_peer_unregister_exporter(native_exporter);
}

module_init(native_init);
module_exit(native_exit);

MODULE_DESCRIPTION("Native exporter that revokes, for tests of peer memory");
MODULE_LICENSE("Dual BSD/GPL");
