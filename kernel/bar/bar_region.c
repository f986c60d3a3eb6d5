// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA registrations: the struct ib_peer_ops of all bars.
 *
 * The memory never moves. So pinning costs nothing, and on-demand MRs differ only
 * in when their pages become present.
 *
 * memory->lock serializes ib_peer_revoke() with ib_peer_fault_add(), as the core
 * requires. A revoked region is not in memory->regions and is never reported.
 */
#include <linux/err.h>
#include <linux/pci.h>
#include <linux/slab.h>

#include "bar.h"
#include "bar_memory.h"
#include "bar_mmap.h"
#include "bar_region.h"

/* ---- claim and release ------------------------------------------------ */

static int bar_check_policy(struct ib_peer_bar *bar, struct ib_peer_region *region)
{
	const struct ib_peer_bar_ops *ops = bar->desc.ops;

	return ops && ops->allow ? ops->allow(region, bar->desc.priv) : 0;
}

/*
 * Without a P2P route the claim fails: the memory has no copy in system memory.
 * Return: 0, -EREMOTEIO.
 */
static int bar_check_p2p(struct ib_peer_bar *bar, struct ib_peer_region *region)
{
	if (!dev_is_pci(bar->desc.device))
		return -EREMOTEIO;
	return ib_peer_p2p(region->dma_device, to_pci_dev(bar->desc.device));
}

static int bar_region_add(struct bar_region *reg)
{
	struct ib_peer_bar_memory *memory = reg->memory;
	int ret = 0;

	mutex_lock(&memory->lock);
	if (memory->dead)
		ret = -ENODEV;
	else
		list_add_tail(&reg->node, &memory->regions);
	mutex_unlock(&memory->lock);
	return ret;
}

static int bar_claim(struct ib_peer_region *region)
{
	struct ib_peer_bar *bar = ib_peer_exporter_priv(region->exporter);
	struct bar_region *reg;
	int ret;

	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg)
		return -ENOMEM;
	reg->region = region;
	reg->memory = bar_find_memory(bar, region->mm, region->start,
				      region->length, region->writable,
				      &reg->offset);
	if (IS_ERR(reg->memory)) {
		ret = PTR_ERR(reg->memory);
		goto err_free;
	}
	ret = bar_check_policy(bar, region);
	if (!ret && region->dma_device)
		ret = bar_check_p2p(bar, region);
	if (ret)
		goto err_put;
	region->priv = reg;
	ret = bar_region_add(reg);
	if (!ret)
		return 0;

err_put:
	ib_peer_bar_memory_put(reg->memory);
err_free:
	kfree(reg);
	return ret;
}

static void bar_release(struct ib_peer_region *region)
{
	struct bar_region *reg = region->priv;

	mutex_lock(&reg->memory->lock);
	list_del_init(&reg->node);
	mutex_unlock(&reg->memory->lock);
	ib_peer_bar_memory_put(reg->memory);
	kfree(reg);
}

/* ---- pages ------------------------------------------------------------ */

static int bar_pin(struct ib_peer_region *region)
{
	struct bar_region *reg = region->priv;
	int ret;

	mutex_lock(&reg->memory->lock);
	ret = list_empty(&reg->node) ? -ENODEV : 0;
	mutex_unlock(&reg->memory->lock);
	return ret;
}

static void bar_unpin(struct ib_peer_region *region)
{
}

static int bar_fault(struct ib_peer_region *region, u64 offset, u64 length,
		     bool write, struct ib_peer_fault *fault)
{
	struct bar_region *reg = region->priv;
	struct ib_peer_block block = {
		.offset = offset,
		.length = length,
		.where = reg->offset + offset,
		.flags = region->writable ? IB_PEER_BLOCK_WRITE : 0,
	};
	int ret;

	if (bar_is_registers(reg->memory->bar))
		block.flags |= IB_PEER_BLOCK_REGISTERS;

	if (write && !region->writable)
		return -EACCES;
	mutex_lock(&reg->memory->lock);
	if (list_empty(&reg->node))
		ret = -EFAULT;
	else
		ret = ib_peer_fault_add(fault, &block);
	mutex_unlock(&reg->memory->lock);
	return ret;
}

static int bar_cpu_map(struct ib_peer_region *region,
		       const struct ib_peer_block *block, struct iosys_map *map)
{
	struct bar_region *reg = region->priv;

	iosys_map_set_vaddr_iomem(map, reg->memory->bar->io + block->where);
	return 0;
}

static int bar_dma_map(struct ib_peer_region *region,
		       const struct ib_peer_block *block, dma_addr_t *addr)
{
	struct ib_peer_bar *bar = ib_peer_exporter_priv(region->exporter);

	return ib_peer_dma_map(region, to_pci_dev(bar->desc.device),
			       bar->desc.start + block->where, block->length,
			       addr);
}

static void bar_dma_unmap(struct ib_peer_region *region,
			  const struct ib_peer_block *block, dma_addr_t addr)
{
	ib_peer_dma_unmap(region, addr, block->length);
}

const struct ib_peer_ops bar_region_ops = {
	.claim = bar_claim,
	.pin = bar_pin,
	.unpin = bar_unpin,
	.fault = bar_fault,
	.cpu_map = bar_cpu_map,
	.dma_map = bar_dma_map,
	.dma_unmap = bar_dma_unmap,
	.release = bar_release,
};
