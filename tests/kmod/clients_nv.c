// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Behaves like nv_peer_mem, like nvidia-peermem, and like a client for NPUs
 * that was derived from them.
 *
 * None of them looks at mappings. acquire() detects its memory by pinning and
 * unpinning it: here, "placed" objects are in the device. Pages are 64 KiB and
 * have no struct page. The list is freed in release(). dma_unmap() and
 * put_pages() reject an sg_table that differs from what dma_map() has returned.
 *
 * device_lock is the lock of the driver below. The driver takes it to unpin,
 * and holds it while it calls the client to invalidate memory. So the client
 * takes it in dma_unmap() and put_pages(), and holds it while it calls the
 * core's callback. Such a client needs PEER_MEM_INVALIDATE_UNMAPS. The two
 * others call the callback without a lock.
 */
#include <linux/delay.h>
#include <linux/mutex.h>
#include <linux/sched.h>
#include <linux/sizes.h>

#include "clients.h"

#define PAD 0x6e765f6d656d2121ULL

static DEFINE_MUTEX(device_lock);

/* Returns the object that covers all device pages of the range, or NULL. */
static struct peer_test_object *device_find(unsigned long page_size,
					    unsigned long addr, size_t size,
					    unsigned long *first)
{
	unsigned long start = ALIGN_DOWN(addr, page_size);
	struct peer_test_object *object;

	object = peer_test_object_find_placed(start,
					      ALIGN(addr + size, page_size) -
					      start, first);
	*first += (addr - start) >> PAGE_SHIFT;
	return object;
}

/* Pins and unpins, for which the driver takes its lock. */
static int nv_acquire(struct client_type *type, unsigned long addr, size_t size,
		      void **context)
{
	struct peer_test_object *object;
	struct client_range *range;
	unsigned long first = 0;
	int ret;

	mutex_lock(&device_lock);
	object = device_find(type->page_size, addr, size, &first);
	mutex_unlock(&device_lock);
	ret = client_acquire(type, object, first, addr, size, context);
	if (ret > 0) {
		range = *context;
		range->pads[0] = PAD;
		range->pads[1] = PAD;
	}
	return ret;
}

#define NV_ACQUIRE(_type)						\
	static int _type##_acquire(unsigned long addr, size_t size,	\
				   void *private_data, char *name,	\
				   void **context)			\
	{								\
		if (private_data || name)				\
			peer_test_count(PEER_TEST_ERR_ARGUMENT);	\
		return nv_acquire(&type_##_type, addr, size, context);	\
	}

NV_ACQUIRE(nv_mem)
NV_ACQUIRE(nv_mem_nc)
NV_ACQUIRE(nvidia_peermem)
NV_ACQUIRE(npu)

/* Checks that this is a valid context. Calls for an invalid one are ignored. */
static bool nv_is_context(struct client_range *range)
{
	if (range->pads[0] == PAD && range->pads[1] == PAD)
		return true;
	peer_test_count(PEER_TEST_ERR_ORDER);
	return false;
}

static int nv_get_pages(unsigned long addr, size_t size, int write, int force,
			struct sg_table *sg_head, void *context,
			u64 core_context)
{
	struct client_range *range = context;

	if (!nv_is_context(range))
		return -EINVAL;
	return client_get_pages(range, addr, size, write, sg_head,
				core_context);
}

static int nv_dma_map(struct sg_table *sg_head, void *context,
		      struct device *dma_device, int dmasync, int *nmap)
{
	struct client_range *range = context;
	int ret = client_begin_map(range, dma_device, dmasync);

	if (ret)
		return ret;
	/*
	 * The memory was invalidated meanwhile, and the driver has nothing to
	 * map.
	 */
	if (READ_ONCE(range->invalidated) && range->type == &type_nv_mem) {
		client_note(range, 'd');
		return -EINVAL;
	}
	ret = peer_test_fill_table(&range->sgt, range->object, range->first,
				   range->pages, range->type->max_pages);
	if (ret)
		return ret;
	return client_end_map(range, sg_head, range->sgt.nents, nmap);
}

static int nv_dma_unmap(struct sg_table *sg_head, void *context,
			struct device *dma_device)
{
	struct client_range *range = context;

	if (!nv_is_context(range) || !client_check_table(range, sg_head) ||
	    READ_ONCE(range->callback_task) == current) {
		client_note(range, 'u');
		return 0;
	}
	if (dma_device != range->dma_device)
		peer_test_count(PEER_TEST_ERR_DEVICE);
	mutex_lock(&device_lock);
	client_note(range, client_unmap(range) ? 'U' : 'u');
	mutex_unlock(&device_lock);
	return 0;
}

static void nv_put_pages(struct sg_table *sg_head, void *context)
{
	struct client_range *range = context;

	if (!nv_is_context(range) || !client_check_table(range, sg_head) ||
	    READ_ONCE(range->callback_task) == current) {
		client_note(range, 'p');
		return;
	}
	mutex_lock(&device_lock);
	client_note(range, client_unpin(range) ? 'P' : 'p');
	mutex_unlock(&device_lock);
}

/* The page size is known only after get_pages(). */
static unsigned long nv_get_page_size(void *context)
{
	struct client_range *range = context;

	client_note(range, 'S');
	if (!range->pinned) {
		peer_test_count(PEER_TEST_ERR_ORDER);
		return 0;
	}
	return range->type->page_size;
}

static void nv_release(void *context)
{
	struct client_range *range = context;

	if (!nv_is_context(range))
		return;
	range->pads[0] = 0;
	sg_free_table(&range->sgt);
	client_release(range);
}

/* The client frees everything else by itself. */
static void nv_notify_and_free(struct client_range *range)
{
	bool mapped;

	WRITE_ONCE(range->callback_task, current);
	client_call_back(range);
	/* Gives the core time to do whatever it does after the callback. */
	usleep_range(1000, 2000);
	WRITE_ONCE(range->callback_task, NULL);
	mapped = client_unmap(range);
	if (client_unpin(range) || mapped)
		client_note(range, 'F');
}

/* The core is not notified about a range that is pinned and not mapped yet. */
static void nv_invalidate(struct client_range *range)
{
	mutex_lock(&device_lock);
	if (READ_ONCE(range->mapped))
		nv_notify_and_free(range);
	else if (READ_ONCE(range->pinned))
		client_note(range, 'x');
	complete_all(&range->invalidate_started);
	mutex_unlock(&device_lock);
}

static void npu_invalidate(struct client_range *range)
{
	nv_notify_and_free(range);
}

#define NV_CALLBACKS(_type)				\
	.acquire = _type##_acquire,			\
	.get_pages = nv_get_pages,			\
	.dma_map = nv_dma_map,				\
	.dma_unmap = nv_dma_unmap,			\
	.put_pages = nv_put_pages,			\
	.release = nv_release

struct client_type type_nv_mem = {
	.product = "nv_peer_mem",
	.ex = {
		.client = {
			.name = "nv_mem",
			.version = { '1', '.', '3', '-', '0', [15] = 1 },
			NV_CALLBACKS(nv_mem),
			.get_page_size = nv_get_page_size,
		},
		.ex_size = sizeof(struct peer_memory_client_ex),
		.flags = PEER_MEM_INVALIDATE_UNMAPS,
	},
	.page_size = SZ_64K,
	.max_pages = SZ_64K >> PAGE_SHIFT,
	.wants_callback = true,
	.holds_module = true,
	.invalidate = nv_invalidate,
};

/*
 * Memory that is pinned permanently. It is not asked if the first client claims
 * the range.
 */
struct client_type type_nv_mem_nc = {
	.product = "nv_peer_mem",
	.ex.client = {
		.name = "nv_mem_nc",
		.version = "1.3-0",
		NV_CALLBACKS(nv_mem_nc),
		.get_page_size = nv_get_page_size,
	},
	.page_size = SZ_64K,
	.max_pages = SZ_64K >> PAGE_SHIFT,
	.holds_module = true,
};

struct client_type type_nvidia_peermem = {
	.product = "nvidia-peermem",
	.ex.client = {
		.name = "nv_mem",
		.version = "595.45.04",
		NV_CALLBACKS(nvidia_peermem),
		.get_page_size = nv_get_page_size,
	},
	.page_size = SZ_64K,
	.max_pages = SZ_64K >> PAGE_SHIFT,
	.holds_module = true,
};

/*
 * Sets PEER_MEM_INVALIDATE_UNMAPS, which is ignored without the flag in the
 * version. The core calls dma_unmap() and put_pages() from within the callback.
 * The client detects that and does nothing.
 */
struct client_type type_npu = {
	.product = "npu",
	.ex = {
		.client = {
			.name = "npu_mem",
			.version = "1.0",
			NV_CALLBACKS(npu),
		},
		.ex_size = sizeof(struct peer_memory_client_ex),
		.flags = PEER_MEM_INVALIDATE_UNMAPS,
	},
	.page_size = PAGE_SIZE,
	.max_pages = 1,
	.wants_callback = true,
	.invalidate = npu_invalidate,
};
