// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Behaves like dmabuf_peer_mem. Programs tell it by ioctl which of their
 * addresses belong to which dma-buf (here: "placed" objects). It uses the
 * callback without PEER_MEM_INVALIDATE_UNMAPS. Its list covers the whole
 * buffer; the first and last entry of the range are trimmed in place. The
 * sg_table points to the first entry of the range and has the number of its
 * entries; orig_nents is 0. The list is freed in dma_unmap().
 */
#include <linux/mm.h>
#include <linux/slab.h>

#include "clients.h"

/*
 * struct buffer - context of a range
 * @range: the range
 * @whole: the list of the whole object
 * @first, @last: first and last entry of the range
 * @head, @tail: bytes that were trimmed from these entries
 */
struct buffer {
	struct client_range *range;
	struct sg_table whole;
	struct scatterlist *first;
	struct scatterlist *last;
	unsigned long head;
	unsigned long tail;
};

static int dmabuf_acquire(unsigned long addr, size_t size, void *private_data,
			  char *name, void **context)
{
	struct peer_test_object *object;
	struct buffer *buffer;
	unsigned long first = 0;
	void *range;
	int ret;

	object = peer_test_object_find_placed(addr, size, &first);
	ret = client_acquire(&type_dmabuf, object, first, addr, size, &range);
	if (ret <= 0)
		return ret;
	buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	if (!buffer) {
		client_release(range);
		return -ENOMEM;
	}
	buffer->range = range;
	*context = buffer;
	return ret;
}

static int dmabuf_get_pages(unsigned long addr, size_t size, int write,
			    int force, struct sg_table *sg_head, void *context,
			    u64 core_context)
{
	struct buffer *buffer = context;

	return client_get_pages(buffer->range, addr, size, write, sg_head,
				core_context);
}

/* Return: the number of remaining entries. */
static int buffer_trim(struct buffer *buffer, unsigned long start,
		       unsigned long end)
{
	unsigned long at = 0, next;
	struct scatterlist *sg;
	int i, n = 0;

	for_each_sg(buffer->whole.sgl, sg, buffer->whole.nents, i) {
		next = at + sg_dma_len(sg);
		if (at <= start && start < next) {
			buffer->first = sg;
			buffer->head = start - at;
		}
		if (at < end && start < next)
			n++;
		if (at < end && end <= next) {
			buffer->last = sg;
			buffer->tail = next - end;
		}
		at = next;
	}
	sg_dma_address(buffer->first) += buffer->head;
	sg_dma_len(buffer->first) -= buffer->head;
	sg_dma_len(buffer->last) -= buffer->tail;
	return n;
}

static int dmabuf_dma_map(struct sg_table *sg_head, void *context,
			  struct device *dma_device, int dmasync, int *nmap)
{
	struct buffer *buffer = context;
	struct client_range *range = buffer->range;
	int ret = client_begin_map(range, dma_device, dmasync);

	if (!ret)
		ret = peer_test_fill_table(&buffer->whole, range->object, 0,
					   peer_test_object_pages(range->object),
					   range->type->max_pages);
	if (ret)
		return ret;
	range->sgt.nents = buffer_trim(buffer, range->first << PAGE_SHIFT,
				       (range->first + range->pages) <<
				       PAGE_SHIFT);
	range->sgt.sgl = buffer->first;
	return client_end_map(range, sg_head, range->sgt.nents, nmap);
}

static int dmabuf_dma_unmap(struct sg_table *sg_head, void *context,
			    struct device *dma_device)
{
	struct buffer *buffer = context;
	struct client_range *range = buffer->range;

	client_note(range, client_unmap(range) ? 'U' : 'u');
	client_check_table(range, sg_head);
	client_free_table(&buffer->whole);
	return 0;
}

static void dmabuf_put_pages(struct sg_table *sg_head, void *context)
{
	struct buffer *buffer = context;

	client_note(buffer->range, client_unpin(buffer->range) ? 'P' : 'p');
}

static unsigned long dmabuf_get_page_size(void *context)
{
	struct buffer *buffer = context;

	client_note(buffer->range, 'S');
	client_page_size_event(buffer->range);
	return PAGE_SIZE;
}

static void dmabuf_release(void *context)
{
	struct buffer *buffer = context;

	client_release(buffer->range);
	kfree(buffer);
}

struct client_type type_dmabuf = {
	.product = "dmabuf_peer_mem",
	.ex.client = {
		.name = "dmabuf_peer_mem",
		.version = "1.0",
		.acquire = dmabuf_acquire,
		.get_pages = dmabuf_get_pages,
		.dma_map = dmabuf_dma_map,
		.dma_unmap = dmabuf_dma_unmap,
		.put_pages = dmabuf_put_pages,
		.get_page_size = dmabuf_get_page_size,
		.release = dmabuf_release,
	},
	.page_size = PAGE_SIZE,
	.max_pages = 8,
	.wants_callback = true,
	.invalidate = client_invalidate,
};
