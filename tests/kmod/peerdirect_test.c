// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: a PeerDirect client for the memory of peer_test_mem.ko. It
 * checks what vendors' clients rely on: the order of calls, each call once; the
 * sg_table comes back unchanged; the same DMA device at mapping and unmapping;
 * nothing is mapped when the invalidation callback has returned. It counts
 * errors.
 *
 * Parameter "flavour": without invalidation; with invalidation; with
 * PEER_MEM_INVALIDATE_UNMAPS, where the client holds a lock during the callback
 * that its unmap calls also take. The device's pages can be larger than the
 * CPU's.
 *
 * Lock order: range->unmap_lock, ranges_lock, range->lock. In the last flavour
 * unmap_lock is held during the callback and taken by the unmap calls.
 * get_pages() and dma_map() never take it: the callback waits for them.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/workqueue.h>
#include <rdma/peer_mem.h>

#include "peer_test_mem.h"

/* Maximum pages of a list entry. */
#define MOST_PAGES 8

enum flavour {
	NEVER_INVALIDATES,
	INVALIDATES,
	UNMAPS_ITSELF,
};

static int flavour = INVALIDATES;
module_param(flavour, int, 0444);
MODULE_PARM_DESC(flavour, "0: never invalidates, 1: invalidates, 2: also unmaps by itself");

static int device_page_shift = PAGE_SHIFT;
module_param_named(page_shift, device_page_shift, int, 0444);
MODULE_PARM_DESC(page_shift, "page shift of the device: 12 to 16");

static bool no_page_size;
module_param(no_page_size, bool, 0444);
MODULE_PARM_DESC(no_page_size, "the client has no get_page_size()");

static bool incomplete;
module_param(incomplete, bool, 0444);
MODULE_PARM_DESC(incomplete, "the client has no dma_map(), which is mandatory");

static unsigned int delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "duration of get_pages() in ms");

enum state {
	ACQUIRED,
	PINNED,
	MAPPED,
	UNMAPPED,
	PUT,
	SELF_UNMAPPED,
};

/**
 * struct pt_range - created by acquire(), freed by release()
 * @kref:   held by the core until release(), and by an invalidation
 * @node:   entry in ranges, until release()
 * @number: ranges are numbered in the order of acquire()
 * @object: the memory
 * @addr:   start address of the range
 * @size:   length of the range in bytes
 * @first:  first page of the object, aligned down to the device's page size
 * @pages:  number of pages, aligned up
 * @unmap_lock: see above
 * @lock:   guards @state
 * @state:  last call
 * @unmapping: set before the callback of a client that unmaps by itself
 * @sgt:    as returned by dma_map(); its list lives until release()
 * @sum:    checksum of the list's entries
 * @dma_device: the device that dma_map() was called for
 * @core_context: the core's cookie for the callback
 * @invalidate_work: invalidates the range in another thread
 */
struct pt_range {
	struct kref kref;
	struct list_head node;
	u64 number;
	struct peer_test_object *object;
	unsigned long addr;
	size_t size;
	unsigned long first;
	unsigned long pages;
	struct mutex unmap_lock; /* guards unmapping */
	spinlock_t lock; /* guards state */
	enum state state;
	bool unmapping;
	struct sg_table sgt;
	u64 sum;
	struct device *dma_device;
	u64 core_context;
	struct work_struct invalidate_work;
};

static struct workqueue_struct *workqueue;
static LIST_HEAD(ranges);
static u64 ranges_acquired;
static DEFINE_MUTEX(ranges_lock);
static void *reg_handle;
static invalidate_peer_memory invalidate_callback;

/* The cookie of the last range that was released. */
static u64 last_cookie;

static int call_late(const char *text, const struct kernel_param *param)
{
	if (!invalidate_callback)
		return -EOPNOTSUPP;
	return invalidate_callback(reg_handle, READ_ONCE(last_cookie));
}

static const struct kernel_param_ops call_late_ops = { .set = call_late };
module_param_cb(call_late, &call_late_ops, NULL, 0200);
MODULE_PARM_DESC(call_late, "call the core's callback for the last range that was released");

static void range_free(struct kref *kref)
{
	struct pt_range *range = container_of(kref, struct pt_range, kref);

	sg_free_table(&range->sgt);
	peer_test_object_put(range->object);
	kfree(range);
}

static void range_put(struct pt_range *range)
{
	kref_put(&range->kref, range_free);
}

/*
 * Behind an IOMMU the pages are mapped for the device. Without an IOMMU the
 * device uses physical addresses.
 */
static void range_unmap(struct pt_range *range)
{
	struct scatterlist *sg;
	int i;

	if (!device_iommu_mapped(range->dma_device))
		return;
	for_each_sg(range->sgt.sgl, sg, range->sgt.nents, i)
		dma_unmap_page_attrs(range->dma_device, sg_dma_address(sg),
				     sg_dma_len(sg), DMA_BIDIRECTIONAL,
				     DMA_ATTR_SKIP_CPU_SYNC);
}

static int range_map(struct pt_range *range)
{
	struct device *device = range->dma_device;
	struct scatterlist *sg;
	int i;

	if (!device_iommu_mapped(device))
		return 0;
	for_each_sg(range->sgt.sgl, sg, range->sgt.nents, i) {
		struct page *page = pfn_to_page(PHYS_PFN(sg_dma_address(sg)));

		sg_dma_address(sg) = dma_map_page_attrs(device, page, 0,
							sg_dma_len(sg),
							DMA_BIDIRECTIONAL,
							DMA_ATTR_SKIP_CPU_SYNC);
		if (dma_mapping_error(device, sg_dma_address(sg))) {
			range->sgt.nents = i;
			range_unmap(range);
			return -EIO;
		}
	}
	return 0;
}

/* Depends on the order, so that swapped entries are detected. */
static u64 table_sum(const struct sg_table *sgt)
{
	struct scatterlist *sg;
	u64 sum = sgt->nents;
	int i;

	for_each_sg(sgt->sgl, sg, sgt->nents, i)
		sum = sum * 31 + sg_dma_address(sg) * 7 + sg_dma_len(sg) * 5 +
		      sg->offset * 3 + sg->length;
	return sum;
}

static void check_table(struct pt_range *range, struct sg_table *sgt)
{
	if (memcmp(sgt, &range->sgt, sizeof(*sgt)) ||
	    table_sum(sgt) != range->sum)
		peer_test_count(PEER_TEST_ERR_TABLE);
}

static enum state get_state(struct pt_range *range)
{
	enum state state;

	spin_lock(&range->lock);
	state = range->state;
	spin_unlock(&range->lock);
	return state;
}

static void move_state(struct pt_range *range, enum state from, enum state to)
{
	spin_lock(&range->lock);
	if (range->state != from)
		peer_test_count(PEER_TEST_ERR_ORDER);
	range->state = to;
	spin_unlock(&range->lock);
}

/* ---- invalidation ---- */

/* After the callback the range is unmapped: the core has called dma_unmap(). */
static void invalidate_plain(struct pt_range *range)
{
	enum state state;

	invalidate_callback(reg_handle, range->core_context);
	state = get_state(range);
	if (state == MAPPED || state == UNMAPPED)
		peer_test_count(PEER_TEST_ERR_CONTRACT);
}

static void invalidate_and_unmap(struct pt_range *range)
{
	mutex_lock(&range->unmap_lock);
	WRITE_ONCE(range->unmapping, true);
	invalidate_callback(reg_handle, range->core_context);
	/* Gives the importer time to do whatever it does after the callback. */
	usleep_range(1000, 2000);
	if (get_state(range) == MAPPED) {
		range_unmap(range);
		move_state(range, MAPPED, SELF_UNMAPPED);
		peer_test_count(PEER_TEST_SELF_UNMAP);
	}
	mutex_unlock(&range->unmap_lock);
}

static void range_invalidate(struct pt_range *range)
{
	peer_test_count(PEER_TEST_INVALIDATE);
	if (flavour == UNMAPS_ITSELF)
		invalidate_and_unmap(range);
	else
		invalidate_plain(range);
}

static void invalidate_work(struct work_struct *work)
{
	struct pt_range *range =
		container_of(work, struct pt_range, invalidate_work);

	range_invalidate(range);
	range_put(range);
}

static bool range_pinned(struct pt_range *range)
{
	enum state state = get_state(range);

	return state == PINNED || state == MAPPED;
}

/*
 * Returns a pinned range of the object, with a reference, whose number is at
 * most
 * @last. NULL: there is none.
 */
static struct pt_range *find_pinned(struct peer_test_object *object, u64 last)
{
	struct pt_range *range;

	mutex_lock(&ranges_lock);
	list_for_each_entry(range, &ranges, node) {
		if (range->number > last)
			break;
		if (range->object == object && range_pinned(range)) {
			kref_get(&range->kref);
			mutex_unlock(&ranges_lock);
			return range;
		}
	}
	mutex_unlock(&ranges_lock);
	return NULL;
}

/*
 * Ignores ranges that are acquired meanwhile: traffic could acquire for ever.
 */
static int pt_invalidate(struct peer_test_object *object)
{
	struct pt_range *range;
	u64 last;

	if (flavour == NEVER_INVALIDATES)
		return -EOPNOTSUPP;
	mutex_lock(&ranges_lock);
	last = ranges_acquired;
	mutex_unlock(&ranges_lock);
	while ((range = find_pinned(object, last))) {
		range_invalidate(range);
		range_put(range);
	}
	return 0;
}

/* ---- calls of the core ---- */

static int pt_acquire(unsigned long addr, size_t size, void *private_data,
		      char *name, void **context)
{
	unsigned long first;
	struct peer_test_object *object;
	struct pt_range *range;
	int error;

	peer_test_count(PEER_TEST_ACQUIRE);
	if (private_data || name || !size)
		peer_test_count(PEER_TEST_ERR_ARGUMENT);
	object = peer_test_object_find(addr, size, &first);
	if (!object)
		return 0;
	if (peer_test_take_event(object, PEER_TEST_FAIL_ACQUIRE, &error)) {
		peer_test_object_put(object);
		return error;
	}
	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range) {
		peer_test_object_put(object);
		return -ENOMEM;
	}
	kref_init(&range->kref);
	mutex_init(&range->unmap_lock);
	spin_lock_init(&range->lock);
	INIT_WORK(&range->invalidate_work, invalidate_work);
	range->object = object;
	range->addr = addr;
	range->size = size;
	range->pages = peer_test_align(1UL << device_page_shift, addr, size,
				       &first);
	range->first = first;
	mutex_lock(&ranges_lock);
	range->number = ++ranges_acquired;
	list_add_tail(&range->node, &ranges);
	mutex_unlock(&ranges_lock);
	*context = range;
	peer_test_count(PEER_TEST_ACQUIRED);
	return 1;
}

static void invalidate_early(struct pt_range *range)
{
	int error;

	if (flavour == NEVER_INVALIDATES)
		return;
	if (peer_test_take_event(range->object, PEER_TEST_INVALIDATE_WITHIN,
				 &error)) {
		peer_test_count(PEER_TEST_INVALIDATE);
		invalidate_callback(reg_handle, range->core_context);
	}
	if (peer_test_take_event(range->object, PEER_TEST_INVALIDATE_BESIDE,
				 &error)) {
		kref_get(&range->kref);
		queue_work(workqueue, &range->invalidate_work);
		/* Let the invalidation start before dma_map(). */
		msleep(20);
	}
}

static int pt_get_pages(unsigned long addr, size_t size, int write, int force,
			struct sg_table *sg_head, void *context,
			u64 core_context)
{
	struct pt_range *range = context;
	int error;

	peer_test_count(PEER_TEST_GET_PAGES);
	msleep(delay_ms);
	if (sg_head || write != 1 || addr != range->addr ||
	    size != range->size)
		peer_test_count(PEER_TEST_ERR_ARGUMENT);
	if (peer_test_take_event(range->object, PEER_TEST_FAIL_GET_PAGES,
				 &error))
		return error;
	range->core_context = core_context;
	move_state(range, ACQUIRED, PINNED);
	invalidate_early(range);
	return 0;
}

static int pt_dma_map(struct sg_table *sg_head, void *context,
		      struct device *dma_device, int dmasync, int *nmap)
{
	struct pt_range *range = context;
	int ret;

	peer_test_count(PEER_TEST_DMA_MAP);
	if (dmasync)
		peer_test_count(PEER_TEST_ERR_ARGUMENT);
	if (!dma_device || !dma_get_mask(dma_device))
		peer_test_count(PEER_TEST_ERR_DEVICE);
	if (peer_test_take_event(range->object, PEER_TEST_FAIL_DMA_MAP, &ret))
		return ret;
	ret = peer_test_fill_table(&range->sgt, range->object, range->first,
				   range->pages, MOST_PAGES);
	if (ret)
		return ret;
	range->dma_device = dma_device;
	ret = range_map(range);
	if (ret)
		return ret;
	range->sum = table_sum(&range->sgt);
	*sg_head = range->sgt;
	*nmap = range->sgt.nents;
	move_state(range, PINNED, MAPPED);
	return 0;
}

static int pt_dma_unmap(struct sg_table *sg_head, void *context,
			struct device *dma_device)
{
	struct pt_range *range = context;

	peer_test_count(PEER_TEST_DMA_UNMAP);
	mutex_lock(&range->unmap_lock);
	check_table(range, sg_head);
	if (dma_device != range->dma_device)
		peer_test_count(PEER_TEST_ERR_DEVICE);
	if (get_state(range) == SELF_UNMAPPED) {
		peer_test_count(PEER_TEST_LATE_UNMAP);
	} else {
		range_unmap(range);
		move_state(range, MAPPED, UNMAPPED);
	}
	mutex_unlock(&range->unmap_lock);
	return 0;
}

static void pt_put_pages(struct sg_table *sg_head, void *context)
{
	struct pt_range *range = context;

	peer_test_count(PEER_TEST_PUT_PAGES);
	mutex_lock(&range->unmap_lock);
	switch (get_state(range)) {
	case SELF_UNMAPPED:
		break;
	case PINNED:
		/* After a dma_map() that failed. */
		move_state(range, PINNED, PUT);
		break;
	default:
		check_table(range, sg_head);
		move_state(range, UNMAPPED, PUT);
	}
	mutex_unlock(&range->unmap_lock);
}

static unsigned long pt_get_page_size(void *context)
{
	struct pt_range *range = context;
	enum state state = get_state(range);

	peer_test_count(PEER_TEST_GET_PAGE_SIZE);
	if (state == ACQUIRED || state == PINNED)
		peer_test_count(PEER_TEST_ERR_ORDER);
	return 1UL << device_page_shift;
}

static void pt_release(void *context)
{
	struct pt_range *range = context;
	enum state state = get_state(range);

	peer_test_count(PEER_TEST_RELEASE);
	WRITE_ONCE(last_cookie, range->core_context);
	mutex_lock(&ranges_lock);
	if (list_empty(&range->node))
		peer_test_count(PEER_TEST_ERR_ORDER);
	list_del_init(&range->node);
	mutex_unlock(&ranges_lock);
	if (state == MAPPED && READ_ONCE(range->unmapping))
		peer_test_count(PEER_TEST_EARLY_RELEASE);
	else if (state == MAPPED || state == UNMAPPED)
		peer_test_count(PEER_TEST_ERR_ORDER);
	range_put(range);
}

static struct peer_memory_client_ex client = {
	.client = {
		.name = "peerdirect_test",
		.version = "1.0",
		.acquire = pt_acquire,
		.get_pages = pt_get_pages,
		.dma_map = pt_dma_map,
		.dma_unmap = pt_dma_unmap,
		.put_pages = pt_put_pages,
		.get_page_size = pt_get_page_size,
		.release = pt_release,
	},
	.ex_size = sizeof(client),
};

static bool pt_register(void)
{
	invalidate_peer_memory *callback = &invalidate_callback;

	if (flavour == NEVER_INVALIDATES)
		callback = NULL;
	if (no_page_size)
		client.client.get_page_size = NULL;
	if (incomplete)
		client.client.dma_map = NULL;
	if (flavour == UNMAPS_ITSELF) {
		client.flags = PEER_MEM_INVALIDATE_UNMAPS;
		client.client.version[IB_PEER_MEMORY_VER_MAX - 1] = 1;
	}
	reg_handle = ib_register_peer_memory_client(&client.client, callback);
	return reg_handle;
}

static int __init pt_init(void)
{
	if (flavour < NEVER_INVALIDATES || flavour > UNMAPS_ITSELF ||
	    device_page_shift < PAGE_SHIFT || device_page_shift > 16)
		return -EINVAL;
	workqueue = alloc_workqueue("peerdirect_test", WQ_UNBOUND, 0);
	if (!workqueue)
		return -ENOMEM;
	if (!pt_register()) {
		destroy_workqueue(workqueue);
		return -EINVAL;
	}
	peer_test_set_invalidate(pt_invalidate);
	return 0;
}

static void __exit pt_exit(void)
{
	peer_test_set_invalidate(NULL);
	ib_unregister_peer_memory_client(reg_handle);
	destroy_workqueue(workqueue);
	WARN_ON(!list_empty(&ranges));
}

module_init(pt_init);
module_exit(pt_exit);

MODULE_DESCRIPTION("PeerDirect client for tests");
MODULE_LICENSE("Dual BSD/GPL");
