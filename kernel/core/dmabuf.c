// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * dma-bufs of drivers that are no clients, for CPU importers: an adapter that
 * makes of a dma-buf what a client makes of its memory. Of the two sides of a
 * dma-buf it uses the CPU's: dma_buf_vmap(), inside of what the exporter does at
 * the begin and the end of an access by the CPU. No DMA device is needed.
 *
 * An exporter that moves its buffers (it has a pin op) is attached to, so that it
 * tells before. The mapping is given up then, and had again at the next access.
 * An exporter that does not move is not attached to: that would map the buffer
 * for DMA.
 *
 * An access of the CPU in the sense of dma-buf lasts from one mapping to the
 * next, or to the end: within the notification of a move it cannot be ended, for
 * the exporter's lock is held.
 *
 * An exporter that moves its buffers by an engine maps them before the bytes are
 * there, and says by a fence (DMA_RESV_USAGE_KERNEL) when they are. Each fault waits
 * for those. Fences of users are no business of ours.
 *
 * A buffer that cannot be pinned after a move fails the RDMA access. That is how
 * such an exporter revokes.
 *
 * Locks: import->lock, then the dma-buf's resv. The core's come after that.
 */
#include <linux/dma-buf.h>
#include <linux/dma-fence.h>
#include <linux/dma-resv.h>
#include <linux/err.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <rdma/ib_verbs.h>

#include "fault.h"

/**
 * struct dmabuf_import - a region of a dma-buf
 * @attach: NULL if the exporter does not move its buffers
 * @lock:   one at a time maps; covers @access
 * @access: begun, not ended
 * @map:    of the whole dma-buf, or null; under resv
 */
struct dmabuf_import {
	struct ib_peer_region *region;
	struct dma_buf_attachment *attach;
	struct mutex lock; /* see above */
	bool access;
	struct iosys_map map;
};

static struct ib_peer_client *dmabuf_client;

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
 * The exporter's own part of dma_buf_begin_cpu_access(). The rest of that waits for
 * all fences, those of users, too, however long that takes, and nobody can end it.
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
 * Where the exporter moves its buffers, pinning brings this one, and tells if
 * there is nothing to map any more; a dma_buf_vmap() that fails is taken for a
 * bug. It need not stay: we are told when it goes.
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

/* Return: 0 with resv held and the mapping there, until resv is let go. */
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

/* The exporter holds resv. */
static void import_move_notify(struct dma_buf_attachment *attach)
{
	struct dmabuf_import *import = attach->importer_priv;

	ib_peer_invalidate(import->region, 0, import->region->length);
	import_unmap(import);
}

static const struct dma_buf_attach_ops import_attach_ops = {
	.allow_peer2peer = true,
	.move_notify = import_move_notify,
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

/* ---- the core's calls ---- */

/* Maps at once: what is wrong with the dma-buf is told at registration. */
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
 * A fence that the exporter has put there by itself, of a move or of clearing: until
 * it is signalled the bytes are not what they will be. To be given back; or NULL.
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

/* Reports the mapping; or sets *@pending to a fence to wait for before. */
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
 * Waits for fences with no lock held. The buffer may move meanwhile, so then it is
 * looked at again.
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

/* From within dmabuf_fault(). */
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
	.flags = IB_PEER_LAST,
	.claim_dmabuf = dmabuf_claim,
	.fault = dmabuf_fault,
	.cpu_map = dmabuf_cpu_map,
	.release = dmabuf_release,
};

int ib_peer_dmabuf_init(void)
{
	dmabuf_client = ib_peer_register_client("dma_buf", "1.0", &dmabuf_ops,
						NULL);
	return PTR_ERR_OR_ZERO(dmabuf_client);
}

void ib_peer_dmabuf_exit(void)
{
	ib_peer_unregister_client(dmabuf_client);
}
