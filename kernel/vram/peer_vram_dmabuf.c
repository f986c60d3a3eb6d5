// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shares BOs as dma-bufs.
 *
 * A dma-buf can be mapped, passed to another process, registered with an RDMA
 * device, and imported again to get a handle. A holder of the descriptor has all
 * rights of the process that shared the BO.
 *
 * The RDMA core claims such a dma-buf from this driver, as it claims a mapping
 * (peer_vram_claim_dmabuf()), for RDMA devices that copy and for all devices that
 * attach. There is no vmap(): a BO is not contiguous.
 *
 * A dma-buf has a reservation object of its own. It must not be that of the BO: a
 * user of the descriptor can add fences to it (DMA_BUF_IOCTL_IMPORT_SYNC_FILE),
 * and TTM waits for the fences of a BO before it moves or frees it. Importers hold it
 * when they map, and this driver holds that of the BO when it moves.
 */
#include <drm/drm_drv.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <rdma/peer_mem.h>

#include "peer_vram_dmabuf.h"
#include "peer_vram_mmap.h"
#include "peer_vram_types.h"

/**
 * struct peer_vram_dmabuf - a dma-buf
 * @bo:    holds a reference, and one on the device
 * @share: for the devices that attach
 */
struct peer_vram_dmabuf {
	struct peer_vram_bo *bo;
	struct ib_peer_dmabuf share;
};

static int peer_vram_dmabuf_attach(struct dma_buf *dmabuf,
				   struct dma_buf_attachment *attach)
{
	struct peer_vram_dmabuf *priv = dmabuf->priv;

	return ib_peer_dmabuf_attach(&priv->share, dmabuf, attach);
}

static int peer_vram_dmabuf_mmap(struct dma_buf *dmabuf,
				 struct vm_area_struct *vma)
{
	struct peer_vram_dmabuf *priv = dmabuf->priv;

	return peer_vram_mmap_dmabuf(priv->bo, vma);
}

static void peer_vram_dmabuf_free(struct peer_vram_dmabuf *priv)
{
	struct peer_vram_device *vram = priv->bo->vram;

	ib_peer_dmabuf_fini(&priv->share);
	peer_vram_bo_put(priv->bo);
	kfree(priv);
	drm_dev_put(&vram->drm);
}

static void peer_vram_dmabuf_release(struct dma_buf *dmabuf)
{
	peer_vram_dmabuf_free(dmabuf->priv);
}

static const struct dma_buf_ops peer_vram_dmabuf_ops = {
	.attach = peer_vram_dmabuf_attach,
	.detach = ib_peer_dmabuf_detach,
	.pin = ib_peer_dmabuf_pin,
	.unpin = ib_peer_dmabuf_unpin,
	.map_dma_buf = ib_peer_dmabuf_map,
	.unmap_dma_buf = ib_peer_dmabuf_unmap,
	.mmap = peer_vram_dmabuf_mmap,
	.release = peer_vram_dmabuf_release,
};

/**
 * peer_vram_dmabuf_export() - create a dma-buf of a BO
 * @bo: the caller has a reference
 *
 * Return: the dma-buf, or ERR_PTR of -ENFILE, -ENOMEM.
 */
struct dma_buf *peer_vram_dmabuf_export(struct peer_vram_bo *bo)
{
	struct dma_buf_export_info info = {
		.exp_name = "peer_vram",
		.owner = THIS_MODULE,
		.ops = &peer_vram_dmabuf_ops,
		.size = peer_vram_bo_size(bo),
		.flags = O_RDWR,
	};
	struct peer_vram_dmabuf *priv;
	struct dma_buf *dmabuf;

	priv = kzalloc(sizeof(*priv), GFP_KERNEL_ACCOUNT);
	if (!priv)
		return ERR_PTR(-ENOMEM);
	drm_dev_get(&bo->vram->drm);
	peer_vram_bo_get(bo);
	priv->bo = bo;
	ib_peer_dmabuf_init(&priv->share);
	info.priv = priv;
	info.resv = &priv->share.resv;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf)) {
		peer_vram_dmabuf_free(priv);
		return dmabuf;
	}
	/* The page table entries of a BO are zapped through this address_space. */
	dmabuf->file->f_mapping = bo->vram->drm.anon_inode->i_mapping;
	return dmabuf;
}

/**
 * peer_vram_dmabuf_bo() - find the BO of a dma-buf
 * @dmabuf: of any driver
 *
 * Return: the BO, without a reference of its own: the dma-buf holds one. NULL if
 * the dma-buf is of another driver.
 */
struct peer_vram_bo *peer_vram_dmabuf_bo(struct dma_buf *dmabuf)
{
	struct peer_vram_dmabuf *priv = dmabuf->priv;

	return dmabuf->ops == &peer_vram_dmabuf_ops ? priv->bo : NULL;
}

/**
 * peer_vram_dmabuf_import() - find the BO of a dma-buf descriptor
 * @vram: the device that the BO must belong to
 * @fd:   descriptor in the current process
 *
 * Return: the BO with a reference; or ERR_PTR of -EBADF not a descriptor; -EINVAL
 * not a dma-buf of this device.
 */
struct peer_vram_bo *peer_vram_dmabuf_import(struct peer_vram_device *vram,
					     int fd)
{
	struct dma_buf *dmabuf = dma_buf_get(fd);
	struct peer_vram_bo *bo;

	if (IS_ERR(dmabuf))
		return ERR_CAST(dmabuf);
	bo = peer_vram_dmabuf_bo(dmabuf);
	if (bo && bo->vram == vram)
		peer_vram_bo_get(bo);
	else
		bo = ERR_PTR(-EINVAL);
	dma_buf_put(dmabuf);
	return bo;
}
