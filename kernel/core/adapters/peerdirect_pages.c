// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The memory of a range that a PeerDirect client has mapped: its list of DMA
 * addresses, merged into contiguous pieces. For a CPU importer these are
 * physical addresses of the adapter's device, and each piece gets a kernel
 * mapping.
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "adapters/peerdirect_pages.h"
#include "adapters/peerdirect_types.h"

void ib_peerdirect_pages_unmap(struct pd_range *range)
{
	int i;

	for (i = 0; i < range->num_pieces; i++)
		if (range->pieces[i].map)
			memunmap(range->pieces[i].map);
	kvfree(range->pieces);
	range->pieces = NULL;
	range->num_pieces = 0;
}

/*
 * Merges the client's entries into pieces. Only counts them if @pieces is
 * NULL.
 */
static int pd_collect(struct pd_range *range, struct pd_piece *pieces,
		      u64 *total)
{
	struct scatterlist *sg;
	struct pd_piece last = {};
	int i, n = 0;

	*total = 0;
	for_each_sg(range->sgt.sgl, sg, range->nmap, i) {
		dma_addr_t dma = sg_dma_address(sg);
		u64 length = sg_dma_len(sg);

		if (!PAGE_ALIGNED(dma) || !PAGE_ALIGNED(length) || !length)
			return -EINVAL;
		if (n && dma == last.dma + last.length) {
			last.length += length;
		} else {
			last = (struct pd_piece){ .offset = *total, .dma = dma,
						  .length = length };
			n++;
		}
		if (pieces)
			pieces[n - 1] = last;
		*total += length;
	}
	return n;
}

/* Return: the client's page size, if it is valid; otherwise PAGE_SIZE. */
static unsigned long pd_page_size(struct pd_range *range)
{
	unsigned long page_size = 0;

	if (range->client->ops->get_page_size)
		page_size = range->client->ops->get_page_size(range->context);
	if (page_size < PAGE_SIZE || !is_power_of_2(page_size))
		page_size = PAGE_SIZE;
	return page_size;
}

int ib_peerdirect_pages_collect(struct pd_range *range)
{
	struct ib_peer_region *region = range->region;
	unsigned long page_size = pd_page_size(range);
	u64 total;
	int n;

	/* The list is aligned to the client's pages; the region is not. */
	range->skip = region->start & (page_size - 1);
	n = pd_collect(range, NULL, &total);
	if (n <= 0)
		return n ?: -EINVAL;
	range->pieces = kvcalloc(n, sizeof(*range->pieces), GFP_KERNEL);
	if (!range->pieces)
		return -ENOMEM;
	range->num_found = pd_collect(range, range->pieces, &total);
	range->num_pages = DIV_ROUND_UP(range->skip + region->length,
					page_size);
	return 0;
}

static int pd_map_piece(struct pd_piece *piece)
{
	piece->map = memremap(piece->dma, piece->length,
			      page_is_ram(PHYS_PFN(piece->dma)) ?
			      MEMREMAP_WB : MEMREMAP_WC);
	return piece->map ? 0 : -ENOMEM;
}

int ib_peerdirect_pages_map(struct pd_range *range)
{
	bool for_cpu = !range->region->dma_device;
	int ret = 0;

	for (; !ret && range->num_pieces < range->num_found;
	     range->num_pieces++)
		if (for_cpu)
			ret = pd_map_piece(&range->pieces[range->num_pieces]);
	if (ret)
		ib_peerdirect_pages_unmap(range);
	return ret;
}

int ib_peerdirect_pages_report(struct pd_range *range,
			       struct ib_peer_fault *fault)
{
	struct ib_peer_region *region = range->region;
	u64 skip = range->skip;
	int i, ret = 0;

	for (i = 0; !ret && i < range->num_pieces; i++) {
		struct pd_piece *piece = &range->pieces[i];
		u64 start = max(piece->offset, skip);
		u64 end = min(piece->offset + piece->length,
			      skip + region->length);
		struct ib_peer_block block = {
			.offset = start - skip,
			.where = (piece->map ? (unsigned long)piece->map :
				  piece->dma) + start - piece->offset,
			.flags = IB_PEER_BLOCK_WRITE,
		};

		if (start >= end)
			continue;
		block.length = end - start;
		ret = ib_peer_fault_add(fault, &block);
	}
	return ret;
}
