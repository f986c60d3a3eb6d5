// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Adapter: dma-bufs of other drivers as an exporter, for CPU importers. It
 * uses the CPU side of a dma-buf: dma_buf_vmap(), and the exporter's
 * begin_cpu_access and end_cpu_access. No DMA device is needed.
 *
 * If the dma-buf can move (it has a pin op), the adapter attaches to it, so
 * that it is notified before a move. It then drops the mapping and maps again
 * at the next access. If it cannot move, the adapter does not attach, since
 * that would map it for DMA.
 *
 * A CPU access in the sense of dma-buf lasts from one mapping to the next, or
 * to release. It cannot end in invalidate_mappings, because the exporter's lock
 * is held.
 *
 * A driver that moves buffers with an engine maps them before the bytes
 * arrive, and signals a fence (DMA_RESV_USAGE_KERNEL) when they have. Each
 * fault waits for these fences. It ignores fences of users.
 *
 * A dma-buf that cannot be pinned after a move fails the RDMA access: that is
 * how such a driver revokes.
 *
 * Lock order: import->lock, resv of the dma-buf, locks of the core.
 */
#include <compat/dma_buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>
#include <rdma/peer_mem.h>

#include "adapters/dmabuf.h"
#include "hold_point.h"
#include "umem/fault_fence.h"

/*
 * struct dmabuf_import - a region of a dma-buf
 * @attach: NULL if the dma-buf cannot move
 * @lock:   serializes mapping; protects @access
 * @access: begin_cpu_access was called and end_cpu_access not yet
 * @map:    mapping of the whole dma-buf, or null; protected by resv
 */
struct dmabuf_import {
	struct ib_peer_region *region;
	struct dma_buf_attachment *attach;
	struct mutex lock; /* see above */
	bool access;
	struct iosys_map map;
};

static struct ib_peer_exporter *dmabuf_exporter;

static void import_unmap(struct dmabuf_import *import)
{
	struct dma_buf *dmabuf = import->region->dmabuf;

	dma_resv_assert_held(dmabuf->resv);

	if (iosys_map_is_null(&import->map))
		return;
	dma_buf_vunmap(dmabuf, &import->map);
	iosys_map_clear(&import->map);
}

static void import_end_access(struct dmabuf_import *import)
{
	if (import->access)
		dma_buf_end_cpu_access(import->region->dmabuf,
				       DMA_BIDIRECTIONAL);
	import->access = false;
}

/*
 * Calls only the exporter's op. dma_buf_begin_cpu_access() would also wait
 * for all fences, including those of users, without limit and unkillably.
 */
static int import_begin_access(struct dmabuf_import *import)
{
	struct dma_buf *dmabuf = import->region->dmabuf;
	int ret = 0;

	import_end_access(import);
	if (dmabuf->ops->begin_cpu_access)
		ret = dmabuf->ops->begin_cpu_access(dmabuf, DMA_BIDIRECTIONAL);
	import->access = !ret;
	return ret;
}

/*
 * A movable dma-buf is pinned for a moment: that moves it in, and fails if
 * there is nothing to map any more, where a failing dma_buf_vmap() would
 * warn. It need not stay: invalidate_mappings reports when it leaves.
 */
static int import_vmap(struct dmabuf_import *import)
{
	struct dma_buf *dmabuf = import->region->dmabuf;
	int ret;

	dma_resv_assert_held(dmabuf->resv);

	if (!import->attach)
		return dma_buf_vmap(dmabuf, &import->map);
	ret = dma_buf_pin(import->attach);
	if (ret)
		return ret;
	ret = dma_buf_vmap(dmabuf, &import->map);
	dma_buf_unpin(import->attach);
	return ret;
}

/* Return: 0 with resv held; the mapping is valid until resv is dropped. */
static int import_map(struct dmabuf_import *import)
{
	struct dma_buf *dmabuf = import->region->dmabuf;
	int ret;

	lockdep_assert_held(&import->lock);

	dma_resv_lock(dmabuf->resv, NULL);
	if (iosys_map_is_set(&import->map))
		return 0;
	dma_resv_unlock(dmabuf->resv);
	ib_peer_hold(IB_PEER_HOLD_UNMAPPED);

	ret = import_begin_access(import);
	if (ret)
		return ret;
	dma_resv_lock(dmabuf->resv, NULL);
	ret = import_vmap(import);
	if (ret)
		dma_resv_unlock(dmabuf->resv);
	return ret;
}

/* Called with resv held by the exporter. */
static void import_invalidate_mappings(struct dma_buf_attachment *attach)
{
	struct dmabuf_import *import = attach->importer_priv;

	ib_peer_invalidate(import->region, 0, import->region->length);
	import_unmap(import);
}

static const struct dma_buf_attach_ops import_attach_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = import_invalidate_mappings,
};

static int import_attach(struct dmabuf_import *import)
{
	struct ib_peer_region *region = import->region;
	struct dma_buf_attachment *attach;

	if (!region->dmabuf->ops->pin)
		return 0;
	attach = dma_buf_dynamic_attach(region->dmabuf, &region->importer->dev,
					&import_attach_ops, import);
	if (IS_ERR(attach))
		return PTR_ERR(attach);
	import->attach = attach;
	return 0;
}

static void import_free(struct dmabuf_import *import)
{
	struct dma_buf *dmabuf = import->region->dmabuf;

	dma_resv_lock(dmabuf->resv, NULL);
	import_unmap(import);
	dma_resv_unlock(dmabuf->resv);
	import_end_access(import);
	if (import->attach)
		dma_buf_detach(dmabuf, import->attach);
	mutex_destroy(&import->lock);
	kfree(import);
}

/* ---- native ops ---- */

/* Maps immediately, so that registration reports errors of the dma-buf. */
static int dmabuf_claim(struct ib_peer_region *region)
{
	struct dmabuf_import *import;
	int ret;

	if (!region->dmabuf->ops->vmap)
		return -EOPNOTSUPP;
	import = kzalloc(sizeof(*import), GFP_KERNEL_ACCOUNT);
	if (!import)
		return -ENOMEM;
	import->region = region;
	mutex_init(&import->lock);
	region->priv = import;

	ret = import_attach(import);
	if (!ret) {
		mutex_lock(&import->lock);
		ret = import_map(import);
		if (!ret)
			dma_resv_unlock(region->dmabuf->resv);
		mutex_unlock(&import->lock);
	}
	if (ret)
		import_free(import);
	return ret;
}

/*
 * Return: a fence of the driver, such as of a move or of clearing, that has
 * not signaled: the bytes are not valid before. With a reference; or NULL.
 */
static struct dma_fence *import_pending(struct dmabuf_import *import)
{
	struct dma_resv_iter cursor;
	struct dma_fence *fence;

	dma_resv_for_each_fence(&cursor, import->region->dmabuf->resv,
				DMA_RESV_USAGE_KERNEL, fence)
		if (!dma_fence_is_signaled(fence))
			return dma_fence_get(fence);
	return NULL;
}

/* Reports the mapping, or sets *@pending to a fence to wait for first. */
static int import_report(struct dmabuf_import *import,
			 struct ib_peer_fault *fault,
			 struct dma_fence **pending)
{
	struct ib_peer_region *region = import->region;
	struct ib_peer_block block = {
		.length = region->length,
		.flags = region->writable ? IB_PEER_BLOCK_WRITE : 0,
	};
	int ret;

	if (mutex_lock_killable(&import->lock))
		return -EINTR;
	ret = import_map(import);
	if (!ret) {
		*pending = import_pending(import);
		if (!*pending)
			ret = ib_peer_fault_add(fault, &block);
		dma_resv_unlock(region->dmabuf->resv);
	}
	mutex_unlock(&import->lock);
	return ret;
}

/*
 * Waits for fences without locks. The buffer may move meanwhile, so it is
 * checked again.
 */
static int dmabuf_fault(struct ib_peer_region *region, u64 offset, u64 length,
			bool write, struct ib_peer_fault *fault)
{
	struct dma_fence *pending;
	int ret;

	do {
		pending = NULL;
		ret = import_report(region->priv, fault, &pending);
		if (pending) {
			ret = ib_peer_fault_wait(fault, pending);
			dma_fence_put(pending);
		}
	} while (pending && !ret);
	return ret;
}

/* Called by ib_peer_fault_add() in dmabuf_fault(). */
static int dmabuf_cpu_map(struct ib_peer_region *region,
			  const struct ib_peer_block *block,
			  struct iosys_map *map)
{
	struct dmabuf_import *import = region->priv;

	dma_resv_assert_held(region->dmabuf->resv);

	*map = import->map;
	iosys_map_incr(map, region->start + block->offset);
	return 0;
}

static void dmabuf_release(struct ib_peer_region *region)
{
	import_free(region->priv);
}

static const struct ib_peer_ops dmabuf_ops = {
	.flags = IB_PEER_FALLBACK,
	.claim_dmabuf = dmabuf_claim,
	.fault = dmabuf_fault,
	.cpu_map = dmabuf_cpu_map,
	.release = dmabuf_release,
};

int ib_peer_dmabuf_adapter_init(void)
{
	dmabuf_exporter = ib_peer_register_exporter("dma_buf", "1.0", &dmabuf_ops,
						    NULL);
	return PTR_ERR_OR_ZERO(dmabuf_exporter);
}

void ib_peer_dmabuf_adapter_exit(void)
{
	ib_peer_unregister_exporter(dmabuf_exporter);
}
