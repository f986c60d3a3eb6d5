// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Adapter: PeerDirect clients as exporters.
 *
 *   claim    acquire
 *   pin      get_pages, dma_map, get_page_size
 *   unpin    dma_unmap, put_pages
 *   release  release
 *
 * On demand, the first fault does what pin() does, for the whole region, and
 * release() does what unpin() does. After an invalidation the region is
 * removed: the next access acquires the range again, or finds that it is no
 * longer the client's.
 *
 * Invalidation. The client identifies a range by a ticket (core_context),
 * never by a pointer, since its callback may come at any time after
 * get_pages(), even while the range is being released. Accesses end first.
 * Then:
 *
 *   plain client: the callback or the detaching thread, whichever finds the
 *   range mapped, unmaps it. The callback returns after that. The client's
 *   code may use its context after the callback.
 *   client with PEER_MEM_INVALIDATE_UNMAPS: it unmaps by itself after the
 *   callback. It may hold a lock over the callback that its dma_unmap() takes
 *   too, so the callback must not wait for a thread in dma_unmap().
 *
 * No lock that the callback takes is held over a call into the client.
 *
 * A client reports DMA addresses, for a device. For CPU importers the adapter
 * has a device of its own (peerdirect_device.c), whose DMA addresses are CPU
 * physical addresses, and maps those (peerdirect_pages.c).
 */
#include <compat/workqueue.h>
#include <linux/err.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "adapters/peerdirect_device.h"
#include "adapters/peerdirect_pages.h"
#include "adapters/peerdirect_types.h"
#include "exporters/exporters.h"
#include "hold_point.h"
#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/revoke.h"
#include "umem/umem.h"

/*
 * A client under another licence can only link to EXPORT_SYMBOL(). A client
 * that uses symbol_get() only finds EXPORT_SYMBOL_GPL(). The build chooses.
 */
#ifdef PEERMEM_SYMBOL_GET
#define EXPORT_SYMBOL_PEERDIRECT(symbol) EXPORT_SYMBOL_GPL(symbol)
#else
#define EXPORT_SYMBOL_PEERDIRECT(symbol) EXPORT_SYMBOL(symbol)
#endif

static DEFINE_XARRAY_ALLOC1(clients);

static void pd_range_free(struct kref *kref)
{
	kfree(container_of(kref, struct pd_range, kref));
}

static void pd_range_put(struct pd_range *range)
{
	kref_put(&range->kref, pd_range_free);
}

/* ---- mapping and unmapping ---- */

static void pd_client_unmap(struct pd_range *range)
{
	const struct peer_memory_client *ops = range->client->ops;

	ops->dma_unmap(&range->sgt, range->context, range->dma_device);
	ops->put_pages(&range->sgt, range->context);
}

/*
 * The range that the client is asked for: as registered if pinned, the pages
 * of the region on demand.
 */
static unsigned long pd_addr(const struct ib_peer_region *region)
{
	return region->umem->on_demand ? region->start :
					 region->umem->umem.address;
}

static size_t pd_size(const struct ib_peer_region *region)
{
	return region->umem->on_demand ? region->length :
					 region->umem->umem.length;
}

static int pd_client_map(struct pd_range *range)
{
	const struct peer_memory_client *ops = range->client->ops;
	struct ib_peer_region *region = range->region;
	int ret;

	ret = ops->get_pages(pd_addr(region), pd_size(region), 1,
			     !region->writable, NULL, range->context,
			     range->ticket);
	if (ret)
		return ret;
	ret = ops->dma_map(&range->sgt, range->context, range->dma_device, 0,
			   &range->nmap);
	if (ret) {
		ops->put_pages(&range->sgt, range->context);
		return ret;
	}
	ret = ib_peerdirect_pages_collect(range);
	if (ret)
		pd_client_unmap(range);
	return ret;
}

static int pd_call_as_kthread(struct pd_range *range,
			      int (*fn)(struct pd_range *range))
{
	struct mm_struct *mm = range->region->mm;
	int ret;

	kthread_use_mm(mm);
	ret = fn(range);
	kthread_unuse_mm(mm);
	return ret;
}

struct pd_call {
	struct work_struct work;
	struct pd_range *range;
	int (*fn)(struct pd_range *range);
	int ret;
};

static void pd_call_work(struct work_struct *work)
{
	struct pd_call *call = container_of(work, struct pd_call, work);

	call->ret = pd_call_as_kthread(call->range, call->fn);
}

/*
 * Clients use current->mm. If that is another process's, a kernel thread
 * makes the call. The region's mm is alive.
 */
static int pd_call_in_mm(struct pd_range *range,
			 int (*fn)(struct pd_range *range))
{
	struct pd_call call = { .range = range, .fn = fn };

	if (current->mm == range->region->mm)
		return fn(range);
	if (current->flags & PF_KTHREAD && !current->mm)
		return pd_call_as_kthread(range, fn);
	INIT_WORK_ONSTACK(&call.work, pd_call_work);
	queue_work(system_dfl_wq, &call.work);
	flush_work(&call.work);
	destroy_work_on_stack(&call.work);
	return call.ret;
}

/*
 * When it returns, a mapped range has been unmapped, by this thread or
 * another.
 */
static void pd_unmap(struct pd_range *range)
{
	enum pd_state state;

	spin_lock(&range->lock);
	state = range->state;
	if (state == PD_MAPPED)
		range->state = PD_UNMAPPING;
	spin_unlock(&range->lock);

	if (state == PD_MAPPED) {
		ib_peer_hold(IB_PEER_HOLD_UNMAPPING);
		pd_client_unmap(range);
		complete_all(&range->unmapped);
	} else if (state == PD_UNMAPPING) {
		wait_for_completion(&range->unmapped);
	}
}

/* ---- native ops ---- */

static struct pd_range *pd_range_alloc(struct ib_peer_region *region)
{
	struct pd_range *range;

	range = kzalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return NULL;
	kref_init(&range->kref);
	spin_lock_init(&range->lock);
	mutex_init(&range->map_lock);
	init_completion(&range->mapping);
	init_completion(&range->unmapped);
	range->client = ib_peer_exporter_priv(region->exporter);
	range->region = region;
	range->ticket = NO_TICKET;
	range->dma_device = region->dma_device ?: ib_peerdirect_device();
	return range;
}

static int pd_take_ticket(struct pd_range *range)
{
	struct pd_client *client = range->client;
	int ret;

	if (!client->invalidates)
		return 0;
	ret = xa_alloc_cyclic(&client->ranges, &range->ticket, range,
			      XA_LIMIT(0, NO_TICKET - 1), &client->next_ticket,
			      GFP_KERNEL);
	return ret < 0 ? ret : 0;
}

static int pd_acquire(struct pd_range *range)
{
	struct ib_peer_region *region = range->region;
	int ret;

	ret = range->client->ops->acquire(pd_addr(region), pd_size(region),
					  NULL, NULL, &range->context);
	if (ret > 0)
		return 0;
	return ret ?: -ENXIO;
}

static int pd_claim(struct ib_peer_region *region)
{
	struct pd_range *range;
	int ret;

	range = pd_range_alloc(region);
	if (!range)
		return -ENOMEM;
	ret = pd_call_in_mm(range, pd_acquire);
	if (ret)
		goto err_put;
	ret = pd_take_ticket(range);
	if (ret)
		goto err_release;
	region->priv = range;
	return 0;

err_release:
	if (range->client->ops->release)
		range->client->ops->release(range->context);
err_put:
	pd_range_put(range);
	return ret;
}

static void pd_count_pages(struct pd_range *range, enum ib_peer_counter counter)
{
	ib_peer_count(range->client->native, counter, range->num_pages);
}

static int pd_map(struct pd_range *range)
{
	int ret;

	WRITE_ONCE(range->mapper, current);
	ret = pd_client_map(range);
	WRITE_ONCE(range->mapper, NULL);
	ib_peer_hold(IB_PEER_HOLD_MAPPED);

	if (!ret)
		pd_count_pages(range, IB_PEER_REG_PAGES);
	spin_lock(&range->lock);
	if (!ret)
		range->state = PD_MAPPED;
	spin_unlock(&range->lock);
	complete_all(&range->mapping);
	if (ret)
		return ret;

	ret = ib_peerdirect_pages_map(range);
	if (ret)
		pd_unmap(range);
	return ret;
}

static int pd_pin(struct ib_peer_region *region)
{
	return pd_map(region->priv);
}

static void pd_unpin(struct ib_peer_region *region)
{
	struct pd_range *range = region->priv;

	ib_peerdirect_pages_unmap(range);
	pd_unmap(range);
}

/* On demand: maps the whole region, once. */
static int pd_map_now(struct ib_peer_region *region)
{
	struct pd_range *range = region->priv;
	int ret = 0;

	mutex_lock(&range->map_lock);
	if (!completion_done(&range->mapping))
		ret = pd_call_in_mm(range, pd_map);
	else if (!range->num_pieces)
		ret = -EFAULT;
	mutex_unlock(&range->map_lock);
	if (!ret && READ_ONCE(range->expired))
		ret = -EAGAIN;
	if (ret) {
		/* The next access starts again with a claim. */
		ib_umem_peer_remove_region(region);
		ib_peer_region_kill(region);
	}
	return ret;
}

static int pd_fault(struct ib_peer_region *region, u64 offset, u64 length,
		    bool write, struct ib_peer_fault *fault)
{
	int ret = 0;

	if (write && !region->writable)
		return -EACCES;
	if (region->umem->on_demand)
		ret = pd_map_now(region);
	return ret ?: ib_peerdirect_pages_report(region->priv, fault);
}

static int pd_cpu_map(struct ib_peer_region *region,
		      const struct ib_peer_block *block, struct iosys_map *map)
{
	/* The accessors of I/O memory also work for RAM. */
	iosys_map_set_vaddr_iomem(map, (void __iomem *)block->where);
	return 0;
}

/* The client has mapped it for the device already. */
static int pd_dma_map(struct ib_peer_region *region,
		      const struct ib_peer_block *block, dma_addr_t *addr)
{
	*addr = block->where;
	return 0;
}

static void pd_release(struct ib_peer_region *region)
{
	struct pd_range *range = region->priv;
	struct pd_client *client = range->client;

	if (region->umem->on_demand)
		pd_unpin(region);
	pd_count_pages(range, IB_PEER_DEREG_PAGES);
	spin_lock(&range->lock);
	range->region = NULL;
	spin_unlock(&range->lock);
	if (client->invalidates)
		xa_erase(&client->ranges, range->ticket);
	/* For a callback that waits for a mapping which never came. */
	complete_all(&range->mapping);
	if (client->ops->release)
		client->ops->release(range->context);
	pd_range_put(range);
}

static const struct ib_peer_ops pd_native_ops = {
	.claim = pd_claim,
	.pin = pd_pin,
	.unpin = pd_unpin,
	.fault = pd_fault,
	.cpu_map = pd_cpu_map,
	.dma_map = pd_dma_map,
	.release = pd_release,
};

/* ---- called by the client ---- */

static struct pd_client *pd_client_get(void *reg_handle)
{
	struct pd_client *client;

	xa_lock(&clients);
	client = xa_load(&clients, (unsigned long)reg_handle);
	if (client)
		refcount_inc(&client->users);
	xa_unlock(&clients);
	return client;
}

static void pd_client_put(struct pd_client *client)
{
	if (refcount_dec_and_test(&client->users))
		complete(&client->unused);
}

/* Counts here, where the region and its exporter still exist. */
static struct pd_range *pd_range_get(struct pd_client *client, u64 ticket)
{
	struct pd_range *range;

	if (ticket >= NO_TICKET)
		return NULL;
	xa_lock(&client->ranges);
	range = xa_load(&client->ranges, ticket);
	if (range) {
		kref_get(&range->kref);
		ib_peer_count(client->native, IB_PEER_FREE_CALLBACKS, 1);
	}
	xa_unlock(&client->ranges);
	return range;
}

/*
 * The range has ended. If the client unmaps by itself, it may stay mapped for
 * a while.
 */
static void pd_expire(struct pd_range *range, struct ib_peer_region *region)
{
	if (range->client->unmaps_itself && range->state == PD_MAPPED)
		range->state = PD_UNMAPPED;
	WRITE_ONCE(range->expired, true);
	if (!region)
		return;
	if (region->umem->on_demand)
		ib_peer_invalidate(region, 0, region->length);
	else
		ib_umem_peer_kill(region->umem);
}

/*
 * Makes the range inaccessible. The client uses its context after the
 * callback has returned, so release() is not called here, but at
 * deregistration, or on demand at the next access. Return: the umem of a DMA
 * importer that must be stopped, with a region_refs reference; or NULL.
 */
static struct ib_umem_peer *pd_stop(struct pd_range *range)
{
	struct ib_umem_peer *bridged = NULL;
	struct ib_peer_region *region;

	spin_lock(&range->lock);
	region = range->region;
	if (region && region->umem->dma_ops) {
		bridged = region->umem;
		refcount_inc(&bridged->region_refs);
	}
	pd_expire(range, region);
	spin_unlock(&range->lock);
	return bridged;
}

static void pd_range_invalidate(struct pd_range *range)
{
	struct ib_umem_peer *bridged;

	/* Called within get_pages(): there is nothing to wait for. */
	if (READ_ONCE(range->mapper) != current)
		wait_for_completion(&range->mapping);
	bridged = pd_stop(range);
	ib_peer_hold(IB_PEER_HOLD_STOPPED);
	if (bridged) {
		bridged->dma_ops->stop(bridged, true);
		ib_umem_peer_put_region_ref(bridged);
	}
	if (!range->client->unmaps_itself)
		pd_unmap(range);
}

static int pd_invalidate(void *reg_handle, u64 ticket)
{
	struct pd_client *client = pd_client_get(reg_handle);
	struct pd_range *range;

	if (!client)
		return 0;
	range = pd_range_get(client, ticket);
	if (range) {
		pd_range_invalidate(range);
		pd_range_put(range);
	}
	pd_client_put(client);
	return 0;
}

static bool pd_check_client(const struct peer_memory_client *ops)
{
	return ops && ops->acquire && ops->get_pages && ops->put_pages &&
	       ops->dma_map && ops->dma_unmap &&
	       strnlen(ops->name, IB_PEER_MEMORY_NAME_MAX) <
	       IB_PEER_MEMORY_NAME_MAX;
}

static bool pd_unmaps_itself(const struct peer_memory_client *ops)
{
	const struct peer_memory_client_ex *ex =
		container_of(ops, struct peer_memory_client_ex, client);

	return ops->version[IB_PEER_MEMORY_VER_MAX - 1] &&
	       ex->ex_size >= offsetofend(struct peer_memory_client_ex, flags) &&
	       (ex->flags & PEER_MEM_INVALIDATE_UNMAPS);
}

static int pd_register_native(struct pd_client *client)
{
	char version[IB_PEER_MEMORY_VER_MAX] = {};
	struct ib_peer_exporter *native;

	/* The last byte is a flag. */
	memcpy(version, client->ops->version, sizeof(version) - 1);
	native = ib_peer_exporter_alloc(client->ops->name, version,
					&pd_native_ops, client);
	if (IS_ERR(native))
		return PTR_ERR(native);
	/* Clients return -ERRNO also for memory that is not theirs. */
	native->try_next_on_error = true;
	native->flags |= IB_PEER_PIN_FIRST;
	if (!client->invalidates)
		native->flags |= IB_PEER_PIN_PERMANENT;
	native->counts_own_pages = true;
	client->native = native;
	return ib_peer_exporter_add(native);
}

static struct pd_client *pd_client_alloc(const struct peer_memory_client *ops,
					 bool invalidates)
{
	struct pd_client *client;

	client = kzalloc(sizeof(*client), GFP_KERNEL);
	if (!client)
		return NULL;
	client->ops = ops;
	client->invalidates = invalidates;
	client->unmaps_itself = invalidates && pd_unmaps_itself(ops);
	refcount_set(&client->users, 1);
	init_completion(&client->unused);
	xa_init_flags(&client->ranges, XA_FLAGS_ALLOC);
	return client;
}

/* The callback can no longer run. */
static void pd_client_free(struct pd_client *client)
{
	xa_erase(&clients, client->handle);
	pd_client_put(client);
	wait_for_completion(&client->unused);
	xa_destroy(&client->ranges);
	kfree(client);
}

void *ib_register_peer_memory_client(const struct peer_memory_client *peer_client,
				     invalidate_peer_memory *invalidate_callback)
{
	static u32 next;
	struct pd_client *client;

	if (!pd_check_client(peer_client))
		return NULL;
	client = pd_client_alloc(peer_client, invalidate_callback);
	if (!client)
		return NULL;
	if (xa_alloc_cyclic(&clients, &client->handle, client, xa_limit_31b,
			    &next, GFP_KERNEL) < 0) {
		kfree(client);
		return NULL;
	}
	if (invalidate_callback)
		*invalidate_callback = pd_invalidate;
	if (pd_register_native(client)) {
		pd_client_free(client);
		return NULL;
	}
	return (void *)(unsigned long)client->handle;
}
EXPORT_SYMBOL_PEERDIRECT(ib_register_peer_memory_client);

/* Unregisters the exporter first: its regions may be invalidated until then. */
void ib_unregister_peer_memory_client(void *reg_handle)
{
	struct pd_client *client =
		xa_load(&clients, (unsigned long)reg_handle);

	if (WARN_ON(!client))
		return;
	ib_peer_unregister_exporter(client->native);
	pd_client_free(client);
}
EXPORT_SYMBOL_PEERDIRECT(ib_unregister_peer_memory_client);
