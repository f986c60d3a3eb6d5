// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Behaves like amdgpu. It finds its buffer by device address, then by mapping.
 * It never invalidates, and pins in get_pages(). It returns a table that it has
 * allocated, with entries of any size, and frees the table in dma_unmap().
 */
#include <linux/mm.h>

#include "clients.h"

static int amd_acquire(unsigned long addr, size_t size, void *private_data,
		       char *name, void **context)
{
	struct peer_test_object *object;
	unsigned long first = 0;

	object = peer_test_object_find_placed(addr, size, &first);
	if (!object)
		object = peer_test_object_find(addr, size, &first);
	return client_acquire(&type_amdkfd, object, first, addr, size, context);
}

static int amd_get_pages(unsigned long addr, size_t size, int write, int force,
			 struct sg_table *sg_head, void *context,
			 u64 core_context)
{
	return client_get_pages(context, addr, size, write, sg_head,
				core_context);
}

static int amd_dma_map(struct sg_table *sg_head, void *context,
		       struct device *dma_device, int dmasync, int *nmap)
{
	struct client_range *range = context;
	int ret = client_begin_map(range, dma_device, dmasync);

	if (!ret)
		ret = peer_test_fill_table(&range->sgt, range->object,
					   range->first, range->pages,
					   range->type->max_pages);
	return ret ?: client_end_map(range, sg_head, range->sgt.nents, nmap);
}

static int amd_dma_unmap(struct sg_table *sg_head, void *context,
			 struct device *dma_device)
{
	struct client_range *range = context;

	client_note(range, client_unmap(range) ? 'U' : 'u');
	client_check_table(range, sg_head);
	client_free_table(&range->sgt);
	return 0;
}

static void amd_put_pages(struct sg_table *sg_head, void *context)
{
	struct client_range *range = context;

	client_note(range, client_unpin(range) ? 'P' : 'p');
}

static unsigned long amd_get_page_size(void *context)
{
	client_note(context, 'S');
	return PAGE_SIZE;
}

static void amd_release(void *context)
{
	client_release(context);
}

struct client_type type_amdkfd = {
	.product = "amdgpu",
	.ex.client = {
		.name = "amdkfd",
		.version = "1.0",
		.acquire = amd_acquire,
		.get_pages = amd_get_pages,
		.dma_map = amd_dma_map,
		.dma_unmap = amd_dma_unmap,
		.put_pages = amd_put_pages,
		.get_page_size = amd_get_page_size,
		.release = amd_release,
	},
	.page_size = PAGE_SIZE,
	.max_pages = ULONG_MAX,
};
