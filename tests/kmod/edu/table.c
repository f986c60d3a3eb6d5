// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The translation table of a memory region: the DMA addresses of its pages.
 * Hardware reads such a table by itself; only the valid flag stops it.
 */
#include <linux/dma-resv.h>
#include <linux/dma-buf.h>
#include <rdma/iter.h>

#include "edu.h"

/* Checks the exporter's list: hardware would misinterpret unaligned entries. */
static bool is_page_aligned(struct ib_umem *umem)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(umem->sgt_append.sgt.sgl, sg, umem->sgt_append.sgt.nents, i)
		if (!PAGE_ALIGNED(sg_dma_address(sg) | sg_dma_len(sg)))
			return false;
	return true;
}

int edu_mr_fill(struct edu_mr *mr)
{
	struct ib_block_iter iter;
	size_t n = 0;

	if (mr->dmabuf && !is_page_aligned(mr->umem))
		return -EIO;
	rdma_umem_for_each_dma_block(mr->umem, &iter, PAGE_SIZE)
		mr->pages[n++] = rdma_block_iter_dma_address(&iter);
	if (n != mr->count)
		return -EIO;
	mr->valid = true;
	if (mr->dmabuf)
		atomic64_inc(&mr->dev->stats.mappings);
	return 0;
}

void edu_mr_invalidate(struct edu_mr *mr)
{
	dma_resv_assert_held(mr->dmabuf->attach->dmabuf->resv);

	if (mr->valid)
		atomic64_inc(&mr->dev->stats.unmappings);
	mr->valid = false;
}

int edu_mr_ready(struct edu_mr *mr)
{
	int ret;

	if (!mr->dmabuf)
		return 0;
	dma_resv_assert_held(mr->dmabuf->attach->dmabuf->resv);

	if (mr->revoked)
		return -ESTALE;
	if (mr->valid)
		return 0;
	/* This also waits for the fences of a move. */
	ret = ib_umem_dmabuf_map_pages(mr->dmabuf);
	if (ret)
		return ret;
	return edu_mr_fill(mr);
}
