// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Objects as dma-bufs: descriptors that can be mapped, passed between processes,
 * registered with an RDMA device, and made a handle of again. Whoever has one may
 * do all that the one who shared it may.
 *
 * The RDMA core asks us for such a dma-buf as for a mapping (claim_dmabuf() in
 * peer_vram_export.c). Nobody else gets at the memory by it but by mmap(): an
 * object does not lie in one piece, so there is no kernel mapping of it, and
 * devices that do DMA are not served.
 *
 * A dma-buf has a reservation of its own, not the object's: whoever has the
 * descriptor may put fences into it (DMA_BUF_IOCTL_IMPORT_SYNC_FILE) that are not
 * signalled for long, and TTM would wait for them at each move and each end.
 */
#include <drm/drm_drv.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>

#include "peer_vram_priv.h"

static int peer_vram_dmabuf_attach(struct dma_buf *dmabuf,
				   struct dma_buf_attachment *attach)
{
	return -EOPNOTSUPP;
}

/* Mandatory, and never called: there are no attachments. */
static struct sg_table *
peer_vram_dmabuf_map(struct dma_buf_attachment *attach,
		     enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void peer_vram_dmabuf_unmap(struct dma_buf_attachment *attach,
				   struct sg_table *table,
				   enum dma_data_direction dir)
{
}

static int peer_vram_dmabuf_mmap(struct dma_buf *dmabuf,
				 struct vm_area_struct *vma)
{
	return peer_vram_mmap_shared(dmabuf->priv, vma);
}

static void peer_vram_dmabuf_release(struct dma_buf *dmabuf)
{
	struct peer_vram_object *obj = dmabuf->priv;
	struct peer_vram_device *vram = peer_vram_object_device(obj);

	peer_vram_object_put(obj);
	drm_dev_put(&vram->drm);
}

static const struct dma_buf_ops peer_vram_dmabuf_ops = {
	.attach = peer_vram_dmabuf_attach,
	.map_dma_buf = peer_vram_dmabuf_map,
	.unmap_dma_buf = peer_vram_dmabuf_unmap,
	.mmap = peer_vram_dmabuf_mmap,
	.release = peer_vram_dmabuf_release,
};

/**
 * peer_vram_dmabuf_export() - make a dma-buf of an object
 * @obj:  the caller holds a reference
 *
 * Return: the dma-buf, or ERR_PTR of -ENFILE, -ENOMEM.
 */
struct dma_buf *peer_vram_dmabuf_export(struct peer_vram_object *obj)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	struct dma_buf_export_info info = {
		.exp_name = "peer_vram",
		.owner = THIS_MODULE,
		.ops = &peer_vram_dmabuf_ops,
		.size = peer_vram_object_size(obj),
		.flags = O_RDWR,
		.priv = obj,
	};
	struct dma_buf *dmabuf;

	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return dmabuf;
	drm_dev_get(&vram->drm);
	peer_vram_object_get(obj);
	/* Where TTM looks for page table entries. */
	dmabuf->file->f_mapping = vram->drm.anon_inode->i_mapping;
	return dmabuf;
}

/**
 * peer_vram_dmabuf_object() - the object that a dma-buf is of
 *
 * Return: the object, without a reference: the dma-buf has one; NULL: the dma-buf
 * is of another driver.
 */
struct peer_vram_object *peer_vram_dmabuf_object(struct dma_buf *dmabuf)
{
	return dmabuf->ops == &peer_vram_dmabuf_ops ? dmabuf->priv : NULL;
}

/**
 * peer_vram_import() - the object that a descriptor refers to
 * @vram: the object must belong to it
 * @fd:   descriptor of the current process
 *
 * Return: the object with a reference, or ERR_PTR of -EBADF, -EINVAL.
 */
struct peer_vram_object *peer_vram_import(struct peer_vram_device *vram, int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct peer_vram_object *obj;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	obj = peer_vram_dmabuf_object(dmabuf);
	if (obj && peer_vram_object_device(obj) == vram)
		peer_vram_object_get(obj);
	else
		obj = ERR_PTR(-EINVAL);
	dma_buf_put(dmabuf);
	return obj;
}
