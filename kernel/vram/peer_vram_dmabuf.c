// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Shares BOs as dma-bufs.
 *
 * A dma-buf can be mapped, passed to another process, registered with an RDMA
 * device, and imported again to get a handle. A holder of the descriptor has all
 * rights of the process that shared the BO.
 *
 * The RDMA core claims such a dma-buf from this driver, as it claims a mapping
 * (peer_vram_claim_dmabuf()). All others can only mmap() it: a BO is not
 * contiguous, so there is no vmap(), and DMA devices cannot attach.
 *
 * A dma-buf has a reservation object of its own. It must not be that of the BO: a
 * user of the descriptor can add fences to it (DMA_BUF_IOCTL_IMPORT_SYNC_FILE),
 * and TTM waits for the fences of a BO before it moves or frees it.
 */
#include <drm/drm_drv.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/module.h>

#include "peer_vram_dmabuf.h"
#include "peer_vram_mmap.h"
#include "peer_vram_types.h"

static int peer_vram_dmabuf_attach(struct dma_buf *dmabuf,
				   struct dma_buf_attachment *attach)
{
	return -EOPNOTSUPP;
}

/* dma_buf_export() requires it. Without attachments it is never called. */
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
	return peer_vram_mmap_dmabuf(dmabuf->priv, vma);
}

static void peer_vram_dmabuf_release(struct dma_buf *dmabuf)
{
	struct peer_vram_bo *bo = dmabuf->priv;
	struct peer_vram_device *vram = bo->vram;

	peer_vram_bo_put(bo);
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
 * peer_vram_dmabuf_export() - create a dma-buf of a BO
 * @bo: the caller has a reference
 *
 * Return: the dma-buf, or ERR_PTR of -ENFILE, -ENOMEM.
 */
struct dma_buf *peer_vram_dmabuf_export(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = bo->vram;
	struct dma_buf_export_info info = {
		.exp_name = "peer_vram",
		.owner = THIS_MODULE,
		.ops = &peer_vram_dmabuf_ops,
		.size = peer_vram_bo_size(bo),
		.flags = O_RDWR,
		.priv = bo,
	};
	struct dma_buf *dmabuf;

	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return dmabuf;
	drm_dev_get(&vram->drm);
	peer_vram_bo_get(bo);
	/* TTM zaps the page table entries of a BO through this address_space. */
	dmabuf->file->f_mapping = vram->drm.anon_inode->i_mapping;
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
	return dmabuf->ops == &peer_vram_dmabuf_ops ? dmabuf->priv : NULL;
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
