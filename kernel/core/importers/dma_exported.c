// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DMA devices attach to dma-bufs that are given away: those of exporters, and ranges
 * that a process has exported (umem/export.c). Any driver that imports dma-bufs may
 * attach, any number of times. Each attachment claims the whole dma-buf for its device.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "importers/dma_attachment.h"
#include "importers/dma_exported.h"
#include "umem/export.h"

/* ---- for exporters ---- */

int ib_peer_dmabuf_attach(struct ib_peer_dmabuf *share, struct dma_buf *dmabuf,
			  struct dma_buf_attachment *attach)
{
	struct ib_peer_attachment *link;
	int ret;

	/* Nobody prevents a device from writing. */
	if (!(dmabuf->file->f_mode & FMODE_WRITE))
		return -EACCES;
	link = ib_peer_attachment_alloc(share);
	if (!link)
		return -ENOMEM;
	link->dmabuf = dmabuf;
	ret = ib_peer_attachment_claim_dmabuf(link, dmabuf, attach->dev);
	if (!ret)
		ret = ib_peer_attachment_connect(link, attach);
	if (ret)
		ib_peer_attachment_free(link);
	return ret;
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_attach);

void ib_peer_dmabuf_detach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	ib_peer_attachment_free(attach->priv);
}
EXPORT_SYMBOL_GPL(ib_peer_dmabuf_detach);

/* ---- exported ranges ---- */

static int exported_attach(struct dma_buf *dmabuf,
			   struct dma_buf_attachment *attach)
{
	struct ib_peer_export *export = dmabuf->priv;

	return ib_peer_dmabuf_attach(&export->share, dmabuf, attach);
}

static const struct dma_buf_ops exported_ops = {
	.attach = exported_attach,
	.detach = ib_peer_dmabuf_detach,
	.pin = ib_peer_dmabuf_pin,
	.unpin = ib_peer_dmabuf_unpin,
	.map_dma_buf = ib_peer_dmabuf_map,
	.unmap_dma_buf = ib_peer_dmabuf_unmap,
	.release = ib_peer_export_release,
};

struct dma_buf *ib_peer_export_to_dmabuf(struct ib_peer_export *export,
					 bool writable)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &exported_ops,
		.size = export->length,
		.flags = writable ? O_RDWR : O_RDONLY,
		.resv = &export->share.resv,
		.priv = export,
	};
	struct dma_buf *dmabuf = dma_buf_export(&info);

	if (IS_ERR(dmabuf))
		ib_peer_export_put(export);
	return dmabuf;
}
