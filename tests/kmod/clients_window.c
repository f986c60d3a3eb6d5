// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Behaves like Huawei's devmm and Cambricon's mlu: a fixed window of addresses
 * belongs to the device. devmm returns -ERRNO for other addresses, requests the
 * callback and never uses it, has 2 MiB pages and no release(). mlu returns 0
 * for other addresses, requests no callback, and maps its 16 KiB pages, which
 * have a struct page, through the DMA API.
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sizes.h>

#include "clients.h"

static int window_acquire(struct client_type *type, unsigned long addr,
			  size_t size, void **context)
{
	struct peer_test_object *object;
	unsigned long first = 0;

	object = peer_test_object_find(addr, size, &first);
	return client_acquire(type, object, first, addr, size, context);
}

static int devmm_acquire(unsigned long addr, size_t size, void *private_data,
			 char *name, void **context)
{
	if (!client_in_window(addr, size)) {
		peer_test_record_call(0, 'e');
		return -EINVAL;
	}
	return window_acquire(&type_devmm, addr, size, context);
}

static int mlu_acquire(unsigned long addr, size_t size, void *private_data,
		       char *name, void **context)
{
	if (!client_in_window(addr, size)) {
		peer_test_record_call(0, 'a');
		return 0;
	}
	return window_acquire(&type_mlu, addr, size, context);
}

static int window_get_pages(unsigned long addr, size_t size, int write,
			    int force, struct sg_table *sg_head, void *context,
			    u64 core_context)
{
	return client_get_pages(context, addr, size, write, sg_head,
				core_context);
}

static int window_fill(struct client_range *range)
{
	return peer_test_fill_table(&range->sgt, range->object, range->first,
				    range->pages, range->type->max_pages);
}

static int devmm_dma_map(struct sg_table *sg_head, void *context,
			 struct device *dma_device, int dmasync, int *nmap)
{
	struct client_range *range = context;
	int ret = client_begin_map(range, dma_device, dmasync) ?:
		  window_fill(range);

	return ret ?: client_end_map(range, sg_head, range->sgt.nents, nmap);
}

static int mlu_dma_map(struct sg_table *sg_head, void *context,
		       struct device *dma_device, int dmasync, int *nmap)
{
	struct client_range *range = context;
	int ret = client_begin_map(range, dma_device, dmasync) ?:
		  window_fill(range);
	struct scatterlist *sg;
	int i, entries;

	if (ret)
		return ret;
	for_each_sg(range->sgt.sgl, sg, range->sgt.nents, i)
		sg_set_page(sg, pfn_to_page(PHYS_PFN(sg_dma_address(sg))),
			    sg_dma_len(sg), 0);
	entries = dma_map_sg(dma_device, range->sgt.sgl, range->sgt.nents,
			     DMA_BIDIRECTIONAL);
	if (!entries) {
		sg_free_table(&range->sgt);
		return -EIO;
	}
	return client_end_map(range, sg_head, entries, nmap);
}

static int window_dma_unmap(struct sg_table *sg_head, void *context,
			    struct device *dma_device)
{
	struct client_range *range = context;

	client_note(range, client_unmap(range) ? 'U' : 'u');
	client_check_table(range, sg_head);
	if (range->type == &type_mlu)
		dma_unmap_sg(dma_device, range->sgt.sgl, range->sgt.nents,
			     DMA_BIDIRECTIONAL);
	client_free_table(&range->sgt);
	return 0;
}

static void window_put_pages(struct sg_table *sg_head, void *context)
{
	struct client_range *range = context;

	client_note(range, client_unpin(range) ? 'P' : 'p');
}

static unsigned long window_get_page_size(void *context)
{
	struct client_range *range = context;

	client_note(range, 'S');
	return range->type->page_size;
}

static void window_release(void *context)
{
	client_release(context);
}

#define WINDOW_CALLBACKS				\
	.get_pages = window_get_pages,			\
	.dma_unmap = window_dma_unmap,			\
	.put_pages = window_put_pages,			\
	.get_page_size = window_get_page_size

struct client_type type_devmm = {
	.product = "devmm",
	.ex.client = {
		.name = "devmm",
		.version = "1.0",
		.acquire = devmm_acquire,
		.dma_map = devmm_dma_map,
		WINDOW_CALLBACKS,
	},
	.page_size = SZ_2M,
	.max_pages = SZ_2M >> PAGE_SHIFT,
	.wants_callback = true,
};

struct client_type type_mlu = {
	.product = "mlu",
	.ex.client = {
		.name = "mlu_peer_mem",
		.version = "1.0",
		.acquire = mlu_acquire,
		.dma_map = mlu_dma_map,
		WINDOW_CALLBACKS,
		.release = window_release,
	},
	.page_size = SZ_16K,
	.max_pages = SZ_16K >> PAGE_SHIFT,
};
