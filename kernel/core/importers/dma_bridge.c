// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The DMA bridge: a dma-buf over a range, for a single registration, which any RDMA
 * driver with reg_user_mr_dmabuf can import (dma_hook.c).
 *
 * The range is claimed before the driver is called, so that it sees only what an
 * exporter owns. Only the task that registers may attach, once.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "importers/dma_attachment.h"
#include "importers/dma_bridge.h"
#include "umem/umem.h"

/*
 * struct ib_peer_bridge - the dma-buf of a registration
 * @link: its only attachment
 * @task: the registering task, as long as it registers: no other task may
 *        attach
 */
struct ib_peer_bridge {
	struct ib_peer_dmabuf share;
	struct ib_peer_attachment *link;
	struct task_struct *task;
};

static int bridge_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;
	struct ib_peer_attachment *link = bridge->link;

	if (current != READ_ONCE(bridge->task) ||
	    link->importer_type != IB_PEER_UNKNOWN ||
	    attach->dev != link->region->dma_device)
		return -EPERM;
	return ib_peer_attachment_connect(link, attach);
}

/*
 * The exporter gets its range back when the driver detaches, or has refused;
 * not when the last reference to the dma-buf is dropped, which may be after
 * the device has gone.
 */
static void bridge_detach(struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;

	ib_peer_attachment_end(bridge->link);
}

static void bridge_free(struct ib_peer_bridge *bridge)
{
	ib_peer_attachment_free(bridge->link);
	ib_peer_dmabuf_fini(&bridge->share);
	kfree(bridge);
}

static void bridge_release(struct dma_buf *dmabuf)
{
	bridge_free(dmabuf->priv);
}

static const struct dma_buf_ops bridge_ops = {
	.attach = bridge_attach,
	.detach = bridge_detach,
	.pin = ib_peer_dmabuf_pin,
	.unpin = ib_peer_dmabuf_unpin,
	.map_dma_buf = ib_peer_dmabuf_map,
	.unmap_dma_buf = ib_peer_dmabuf_unmap,
	.release = bridge_release,
};

static struct dma_buf *bridge_export(struct ib_peer_bridge *bridge)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &bridge_ops,
		.size = bridge->link->region->length,
		.flags = O_RDWR,
		.resv = &bridge->share.resv,
		.priv = bridge,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	if (!IS_ERR(dmabuf))
		bridge->link->dmabuf = dmabuf;
	return dmabuf;
}

static struct ib_peer_bridge *bridge_alloc(void)
{
	struct ib_peer_bridge *bridge;

	bridge = kzalloc(sizeof(*bridge), GFP_KERNEL_ACCOUNT);
	if (!bridge)
		return NULL;
	ib_peer_dmabuf_init(&bridge->share);
	bridge->task = current;
	bridge->link = ib_peer_attachment_alloc(&bridge->share);
	if (bridge->link)
		return bridge;
	bridge_free(bridge);
	return NULL;
}

struct dma_buf *ib_peer_bridge_create(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access)
{
	struct ib_peer_bridge *bridge = bridge_alloc();
	struct dma_buf *dmabuf;
	int ret;

	if (!bridge)
		return ERR_PTR(-ENOMEM);
	ret = ib_peer_attachment_claim_range(bridge->link, ibdev, addr, size,
					     access);
	dmabuf = ret ? ERR_PTR(ret) : bridge_export(bridge);
	if (IS_ERR(dmabuf))
		bridge_free(bridge);
	return dmabuf;
}

enum ib_peer_importer_type ib_peer_bridge_finish(struct dma_buf *dmabuf)
{
	struct ib_peer_bridge *bridge = dmabuf->priv;

	/* The address may be reused for another task. */
	WRITE_ONCE(bridge->task, NULL);
	if (list_empty(&dmabuf->attachments) && bridge->link->peer)
		ib_peer_attachment_end(bridge->link);
	return bridge->link->importer_type;
}
