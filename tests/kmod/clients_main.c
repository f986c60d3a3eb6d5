// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: registers the clients of one or more products (see clients.h),
 * and has their common parts.
 *
 * Lock order: locks of the clients, ranges_lock, range->lock.
 */
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "clients.h"

#define MAX_PRODUCTS 4

static char *like[MAX_PRODUCTS];
static int num_products;
module_param_array(like, charp, &num_products, 0444);
MODULE_PARM_DESC(like, "products whose clients are registered, in this order");

static unsigned long window_start, window_size;
module_param(window_start, ulong, 0444);
MODULE_PARM_DESC(window_start, "first address of the device window");
module_param(window_size, ulong, 0444);
MODULE_PARM_DESC(window_size, "size of the device window in bytes");

static unsigned int delay_ms;
module_param(delay_ms, uint, 0644);
MODULE_PARM_DESC(delay_ms, "duration of get_pages() in ms");

static struct client_type *const client_types[] = {
	&type_nv_mem, &type_nv_mem_nc, &type_nvidia_peermem, &type_npu,
	&type_amdkfd, &type_dmabuf, &type_devmm, &type_mlu,
};

static struct workqueue_struct *workqueue;
static LIST_HEAD(ranges);
static DEFINE_MUTEX(ranges_lock);
static atomic_t pinned_ranges;

/* ---- ranges ---- */

static void range_free(struct kref *kref)
{
	struct client_range *range =
		container_of(kref, struct client_range, kref);

	peer_test_object_put(range->object);
	kfree(range);
}

static void range_put(struct client_range *range)
{
	kref_put(&range->kref, range_free);
}

static void range_invalidate_work(struct work_struct *work)
{
	struct client_range *range =
		container_of(work, struct client_range, invalidate_work);

	range->type->invalidate(range);
	range_put(range);
}

static struct client_range *range_new(struct client_type *type,
				      struct peer_test_object *object,
				      unsigned long first, unsigned long addr,
				      size_t size)
{
	struct client_range *range;

	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return NULL;
	kref_init(&range->kref);
	spin_lock_init(&range->lock);
	init_completion(&range->invalidate_started);
	INIT_WORK(&range->invalidate_work, range_invalidate_work);
	range->type = type;
	range->object = object;
	range->addr = addr;
	range->size = size;
	range->pages = peer_test_align(type->page_size, addr, size, &first);
	range->first = first;
	range->number = peer_test_new_range();
	return range;
}

bool client_in_window(unsigned long addr, size_t size)
{
	return addr >= window_start && size <= window_size &&
	       addr - window_start <= window_size - size;
}

static int acquire_refused(struct peer_test_object *object, int ret)
{
	if (object)
		peer_test_object_put(object);
	peer_test_record_call(0, ret ? 'e' : 'a');
	return ret;
}

int client_acquire(struct client_type *type, struct peer_test_object *object,
		   unsigned long first, unsigned long addr, size_t size,
		   void **context)
{
	struct client_range *range;
	int yes = 1;

	if (!object)
		return acquire_refused(NULL, 0);
	if (peer_test_take_event(object, PEER_TEST_FAIL_ACQUIRE, &yes) &&
	    yes < 0)
		return acquire_refused(object, yes);
	range = range_new(type, object, first, addr, size);
	if (!range)
		return acquire_refused(object, -ENOMEM);
	if (type->holds_module)
		__module_get(THIS_MODULE);
	mutex_lock(&ranges_lock);
	list_add_tail(&range->node, &ranges);
	mutex_unlock(&ranges_lock);
	client_note(range, 'A');
	*context = range;
	return yes;
}

/*
 * Invalidates in another thread, which has started when this function returns.
 */
static void range_invalidate_async(struct client_range *range)
{
	spin_lock(&range->lock);
	range->invalidated = true;
	spin_unlock(&range->lock);
	kref_get(&range->kref);
	queue_work(workqueue, &range->invalidate_work);
	wait_for_completion(&range->invalidate_started);
}

int client_get_pages(struct client_range *range, unsigned long addr,
		     size_t size, int write, struct sg_table *sg_head,
		     u64 core_context)
{
	int error;

	if (sg_head || write != 1 || addr != range->addr ||
	    size != range->size)
		peer_test_count(PEER_TEST_ERR_ARGUMENT);
	if (peer_test_take_event(range->object, PEER_TEST_FAIL_GET_PAGES,
				 &error)) {
		client_note(range, 'g');
		return error;
	}
	client_note(range, 'G');
	msleep(delay_ms);
	range->core_context = core_context;
	atomic_inc(&pinned_ranges);
	spin_lock(&range->lock);
	range->pinned = true;
	spin_unlock(&range->lock);
	if (range->type->invalidate &&
	    peer_test_take_event(range->object, PEER_TEST_INVALIDATE_BESIDE,
				 &error))
		range_invalidate_async(range);
	return 0;
}

/* Reads members of struct pci_dev, as vendors' clients do. */
static bool client_sees_pci_device(struct device *dma_device)
{
	struct pci_dev *pdev = to_pci_dev(dma_device);

	return pdev->bus && pdev->bus->bridge &&
	       !pci_resource_flags(pdev, PCI_STD_NUM_BARS - 1);
}

int client_begin_map(struct client_range *range, struct device *dma_device,
		     int dmasync)
{
	int error = 0;

	if (dmasync)
		peer_test_count(PEER_TEST_ERR_ARGUMENT);
	if (!dma_device || !dma_get_mask(dma_device) ||
	    !client_sees_pci_device(dma_device))
		peer_test_count(PEER_TEST_ERR_DEVICE);
	range->dma_device = dma_device;
	if (peer_test_take_event(range->object, PEER_TEST_FAIL_DMA_MAP, &error))
		client_note(range, 'd');
	return error;
}

int client_end_map(struct client_range *range, struct sg_table *sg_head,
		   int entries, int *nmap)
{
	client_note(range, 'D');
	spin_lock(&range->lock);
	range->mapped = true;
	spin_unlock(&range->lock);
	*sg_head = range->sgt;
	*nmap = entries;
	return 0;
}

bool client_check_table(struct client_range *range, struct sg_table *sg_head)
{
	bool same = !memcmp(sg_head, &range->sgt, sizeof(*sg_head));

	if (!same)
		peer_test_count(PEER_TEST_ERR_TABLE);
	return same;
}

bool client_unmap(struct client_range *range)
{
	bool was;

	spin_lock(&range->lock);
	was = range->mapped;
	range->mapped = false;
	spin_unlock(&range->lock);
	return was;
}

bool client_unpin(struct client_range *range)
{
	bool was;

	spin_lock(&range->lock);
	was = range->pinned;
	range->pinned = false;
	spin_unlock(&range->lock);
	if (was)
		atomic_dec(&pinned_ranges);
	return was;
}

void client_free_table(struct sg_table *sgt)
{
	struct scatterlist *sg;
	int i;

	for_each_sg(sgt->sgl, sg, sgt->nents, i) {
		sg_dma_address(sg) = 0x6b6b6b6b6b6b6b6bULL;
		sg_dma_len(sg) = 0x6b6b6b6b;
	}
	sg_free_table(sgt);
}

/* A pinned range may be released only if the client frees it by itself soon. */
void client_release(struct client_range *range)
{
	bool module = range->type->holds_module;

	client_note(range, 'R');
	mutex_lock(&ranges_lock);
	if (list_empty(&range->node))
		peer_test_count(PEER_TEST_ERR_ORDER);
	list_del_init(&range->node);
	mutex_unlock(&ranges_lock);
	spin_lock(&range->lock);
	if (range->pinned || range->mapped)
		peer_test_count(range->invalidated ? PEER_TEST_EARLY_RELEASE :
					       PEER_TEST_ERR_ORDER);
	spin_unlock(&range->lock);
	range_put(range);
	if (module)
		module_put(THIS_MODULE);
}

/* ---- invalidation ---- */

void client_call_back(struct client_range *range)
{
	peer_test_count(PEER_TEST_INVALIDATE);
	client_note(range, 'I');
	complete_all(&range->invalidate_started);
	range->type->callback(range->type->handle, range->core_context);
	client_note(range, 'i');
}

void client_invalidate(struct client_range *range)
{
	client_call_back(range);
	spin_lock(&range->lock);
	if (range->pinned || range->mapped)
		peer_test_count(PEER_TEST_ERR_CONTRACT);
	spin_unlock(&range->lock);
}

/* A range is invalidated once. */
static bool range_set_invalidated(struct client_range *range,
				  struct peer_test_object *object)
{
	bool take;

	if (range->object != object || !range->type->invalidate)
		return false;
	spin_lock(&range->lock);
	take = range->pinned && !range->invalidated;
	range->invalidated |= take;
	spin_unlock(&range->lock);
	return take;
}

void client_page_size_event(struct client_range *range)
{
	int error;

	if (peer_test_take_event(range->object, PEER_TEST_INVALIDATE_ASKED,
				 &error) &&
	    range_set_invalidated(range, range->object))
		client_call_back(range);
}

/*
 * Invalidates the ranges that are pinned now. Traffic may acquire more for
 * ever.
 */
static int object_invalidate(struct peer_test_object *object)
{
	struct client_range *range, *next;
	LIST_HEAD(list);

	mutex_lock(&ranges_lock);
	list_for_each_entry(range, &ranges, node) {
		if (range_set_invalidated(range, object)) {
			kref_get(&range->kref);
			list_add_tail(&range->invalidate_node, &list);
		}
	}
	mutex_unlock(&ranges_lock);
	list_for_each_entry_safe(range, next, &list, invalidate_node) {
		range->type->invalidate(range);
		range_put(range);
	}
	return 0;
}

/* ---- the module ---- */

/*
 * Frees the contexts of a client without release(), which it keeps until now.
 */
static void free_remaining_ranges(void)
{
	struct client_range *range, *next;

	list_for_each_entry_safe(range, next, &ranges, node) {
		if (WARN_ON(range->type->ex.client.release))
			continue;
		list_del(&range->node);
		range_put(range);
	}
}

static void unregister_all(void)
{
	void *handle;
	int i;

	for (i = 0; i < ARRAY_SIZE(client_types); i++) {
		handle = client_types[i]->handle;
		if (handle)
			ib_unregister_peer_memory_client(handle);
	}
}

/* Calls the callback after unregistration, for no range. */
static void call_back_late(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(client_types); i++) {
		if (client_types[i]->callback)
			client_types[i]->callback(client_types[i]->handle, 0);
	}
}

static bool register_client(struct client_type *type)
{
	invalidate_peer_memory *callback = &type->callback;

	if (!type->wants_callback)
		callback = NULL;
	type->handle = ib_register_peer_memory_client(&type->ex.client,
						      callback);
	return type->handle;
}

static int register_product(const char *product)
{
	int i, found = 0;

	for (i = 0; i < ARRAY_SIZE(client_types); i++) {
		if (strcmp(client_types[i]->product, product))
			continue;
		if (!register_client(client_types[i]))
			return -EINVAL;
		found++;
	}
	return found ? 0 : -ENOENT;
}

static int __init clients_init(void)
{
	int i, ret = 0;

	workqueue = alloc_workqueue("peerdirect_clients", WQ_UNBOUND, 0);
	if (!workqueue)
		return -ENOMEM;
	for (i = 0; !ret && i < num_products; i++)
		ret = register_product(like[i]);
	if (ret) {
		unregister_all();
		destroy_workqueue(workqueue);
		return ret;
	}
	peer_test_set_invalidate(object_invalidate);
	return 0;
}

/*
 * Memory may be freed while the clients unregister, as it may with vendors'
 * clients. Invalidations that have started are waited for afterwards.
 */
static void __exit clients_exit(void)
{
	unregister_all();
	peer_test_set_invalidate(NULL);
	destroy_workqueue(workqueue);
	call_back_late();
	free_remaining_ranges();
	WARN_ON(atomic_read(&pinned_ranges));
}

module_init(clients_init);
module_exit(clients_exit);

MODULE_DESCRIPTION("PeerDirect clients like those of vendors, for tests");
MODULE_LICENSE("Dual BSD/GPL");
