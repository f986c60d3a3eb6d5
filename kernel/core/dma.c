// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What a DMA importer reaches of a region: the exporter's blocks, each with an
 * address that the device understands, as a scatterlist. There are no pages in it,
 * and nobody but the device can do anything with it.
 *
 * The answer is as old as the question. Whoever wants to use it compares the
 * region's sequence with that from before, under the lock that invalidation takes
 * (bridge.c).
 */
#include <linux/dma-mapping.h>
#include <linux/err.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "dma.h"
#include "fault.h"

/* One entry's most: its length is an unsigned int, in whole pages. */
#define DMA_ENTRY_MAX ((u64)SZ_2G)

/* The first array; it doubles. */
#define DMA_ROOM 16

static int dma_make_room(struct ib_peer_dma *dma)
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

int ib_peer_dma_add(struct ib_peer_dma *dma, const struct ib_peer_block *block)
{
	struct ib_peer_region *region = dma->region;
	const struct ib_peer_ops *ops = region->client->ops;
	struct ib_peer_dma_block *new;
	int ret;

	if (!ops->dma_map)
		return -EOPNOTSUPP;
	if (region->writable && !(block->flags & IB_PEER_BLOCK_WRITE))
		return -EACCES;
	ret = dma_make_room(dma);
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

/* Is every byte of the region in exactly one block? */
static int dma_check(struct ib_peer_dma *dma)
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

/* Fills the table if there is one; returns how many entries it takes. */
static unsigned int dma_lay_out(const struct ib_peer_dma *dma,
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
	int ret = sg_alloc_table(&dma->table, dma_lay_out(dma, NULL),
				 GFP_KERNEL_ACCOUNT);

	if (!ret)
		dma_lay_out(dma, dma->table.sgl);
	return ret;
}

static int dma_ask_exporter(struct ib_peer_dma *dma, unsigned long *seq)
{
	struct ib_peer_region *region = dma->region;
	struct ib_umem_peer *peer = region->umem;
	struct ib_peer_fault fault = {
		.peer = peer,
		.flags = region->writable ? PEER_FAULT_WRITE : 0,
		.until = ib_umem_peer_deadline(),
		.dma = dma,
	};

	xa_lock(&peer->pages);
	*seq = region->seq;
	xa_unlock(&peer->pages);
	fault.answer.region = region;
	ib_peer_hold(IB_PEER_HOLD_ASK);
	return region->client->ops->fault(region, 0, region->length,
					  region->writable, &fault);
}

struct ib_peer_dma *ib_peer_dma_ask(struct ib_peer_region *region,
				    unsigned long *seq)
{
	struct ib_peer_dma *dma;
	int ret;

	dma = kzalloc(sizeof(*dma), GFP_KERNEL_ACCOUNT);
	if (!dma)
		return ERR_PTR(-ENOMEM);
	ib_peer_region_use(region);
	dma->region = region;
	ret = dma_ask_exporter(dma, seq);
	if (!ret)
		ret = dma_check(dma);
	if (!ret)
		ret = dma_make_table(dma);
	ib_peer_hold(IB_PEER_HOLD_ANSWERED);
	if (ret) {
		ib_peer_dma_free(dma);
		return ERR_PTR(ret);
	}
	ib_peer_count(region->client, IB_PEER_FAULTS, 1);
	return dma;
}

void ib_peer_dma_free(struct ib_peer_dma *dma)
{
	const struct ib_peer_ops *ops;
	unsigned int i;

	if (!dma)
		return;
	ops = dma->region->client->ops;
	for (i = 0; ops->dma_unmap && i < dma->num; i++)
		ops->dma_unmap(dma->region, &dma->blocks[i].block,
			       dma->blocks[i].addr);
	ib_peer_region_unuse(dma->region);
	sg_free_table(&dma->table);
	kvfree(dma->blocks);
	kfree(dma);
}
