// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The blocks of a region with their DMA addresses for a device, as a
 * scatterlist. It has no pages; only the device can use it.
 *
 * The result may be stale. Its user compares the sequence of the region with
 * that from before resolving, under the lock that invalidation takes
 * (dma_bridge.c).
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "exporters/exporters.h"
#include "hold_point.h"
#include "importers/dma_pages.h"
#include "umem/fault_request.h"
#include "umem/region.h"

/* Limit of one entry: its length is an unsigned int, in whole pages. */
#define DMA_ENTRY_MAX ((u64)SZ_2G)

/* Size of the first array. It doubles when it is full. */
#define DMA_ROOM 16

static int dma_grow(struct ib_peer_dma *dma)
{
	struct ib_peer_dma_block *blocks;
	unsigned int room = dma->room ? 2 * dma->room : DMA_ROOM;

	if (dma->num < dma->room)
		return 0;
	blocks = kvmalloc_array(room, sizeof(*blocks), GFP_KERNEL_ACCOUNT);
	if (!blocks)
		return -ENOMEM;
	if (dma->num)
		memcpy(blocks, dma->blocks, dma->num * sizeof(*blocks));
	kvfree(dma->blocks);
	dma->blocks = blocks;
	dma->room = room;
	return 0;
}

static int dma_add_block(struct ib_peer_fault *fault,
			 const struct ib_peer_block *block)
{
	struct ib_peer_dma *dma = fault->dma;
	struct ib_peer_region *region = dma->region;
	const struct ib_peer_ops *ops = region->exporter->ops;
	struct ib_peer_dma_block *new;
	int ret;

	if (!ops->dma_map)
		return -EOPNOTSUPP;
	if (region->writable && !(block->flags & IB_PEER_BLOCK_WRITE))
		return -EACCES;
	ret = dma_grow(dma);
	if (ret)
		return ret;
	new = &dma->blocks[dma->num];
	new->block = *block;
	ret = ops->dma_map(region, block, &new->addr);
	if (!ret)
		dma->num++;
	return ret;
}

static int dma_compare(const void *a, const void *b)
{
	const struct ib_peer_dma_block *left = a, *right = b;

	if (left->block.offset == right->block.offset)
		return 0;
	return left->block.offset < right->block.offset ? -1 : 1;
}

/* Checks that each byte of the region is in exactly one block. */
static int dma_sort_and_check(struct ib_peer_dma *dma)
{
	unsigned int i;
	u64 end = 0;

	sort(dma->blocks, dma->num, sizeof(*dma->blocks), dma_compare, NULL);
	for (i = 0; i < dma->num; i++) {
		if (dma->blocks[i].block.offset != end)
			return -EFAULT;
		end += dma->blocks[i].block.length;
	}
	return end == dma->region->length ? 0 : -EFAULT;
}

static u64 dma_entry_max(const struct ib_peer_dma *dma)
{
	u64 max = dma_get_max_seg_size(dma->region->dma_device);

	return max_t(u64, ALIGN_DOWN(min(max, DMA_ENTRY_MAX), PAGE_SIZE),
		     PAGE_SIZE);
}

/* Fills the table unless @sg is NULL. Return: the number of entries. */
static unsigned int dma_fill_table(const struct ib_peer_dma *dma,
				   struct scatterlist *sg)
{
	u64 max = dma_entry_max(dma);
	unsigned int i, entries = 0;

	for (i = 0; i < dma->num; i++) {
		u64 left = dma->blocks[i].block.length;
		dma_addr_t addr = dma->blocks[i].addr;

		for (; left; entries++) {
			unsigned int length = min(left, max);

			if (sg) {
				sg_set_page(sg, NULL, length, 0);
				sg_dma_address(sg) = addr;
				sg_dma_len(sg) = length;
				sg = sg_next(sg);
			}
			addr += length;
			left -= length;
		}
	}
	return entries;
}

static int dma_make_table(struct ib_peer_dma *dma)
{
	int ret = sg_alloc_table(&dma->table, dma_fill_table(dma, NULL),
				 GFP_KERNEL_ACCOUNT);

	if (!ret)
		dma_fill_table(dma, dma->table.sgl);
	return ret;
}

static int dma_fault_region(struct ib_peer_dma *dma, unsigned long *seq)
{
	struct ib_peer_region *region = dma->region;
	struct ib_umem_peer *peer = region->umem;
	struct ib_peer_fault fault = {
		.peer = peer,
		.flags = region->writable ? PEER_FAULT_WRITE : 0,
		.until = ib_umem_peer_deadline(),
		.add_block = dma_add_block,
		.dma = dma,
	};

	xa_lock(&peer->pages);
	*seq = region->seq;
	xa_unlock(&peer->pages);
	fault.window.region = region;
	ib_peer_hold(IB_PEER_HOLD_RESOLVE);
	return region->exporter->ops->fault(region, 0, region->length,
					  region->writable, &fault);
}

struct ib_peer_dma *ib_peer_dma_resolve(struct ib_peer_region *region,
					unsigned long *seq)
{
	struct ib_peer_dma *dma;
	int ret;

	dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);
	if (!dma)
		return ERR_PTR(-ENOMEM);
	ib_peer_region_get_active(region);
	dma->region = region;
	ret = dma_fault_region(dma, seq);
	if (!ret)
		ret = dma_sort_and_check(dma);
	if (!ret)
		ret = dma_make_table(dma);
	ib_peer_hold(IB_PEER_HOLD_RESOLVED);
	if (ret) {
		ib_peer_dma_free(dma);
		return ERR_PTR(ret);
	}
	ib_peer_count(region->exporter, IB_PEER_FAULTS, 1);
	return dma;
}

void ib_peer_dma_free(struct ib_peer_dma *dma)
{
	const struct ib_peer_ops *ops;
	unsigned int i;

	if (!dma)
		return;
	ops = dma->region->exporter->ops;
	for (i = 0; ops->dma_unmap && i < dma->num; i++)
		ops->dma_unmap(dma->region, &dma->blocks[i].block,
			       dma->blocks[i].addr);
	ib_peer_region_put_active(dma->region);
	sg_free_table(&dma->table);
	kvfree(dma->blocks);
	kfree(dma);
}
