// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory regions: registration, deregistration, and keys.
 *
 * A key stays allocated until deregistration, also if the MR is revoked.
 */
#include <compat/dma_buf.h>
#include <compat/rdma.h>
#include <linux/dma-resv.h>
#include <linux/overflow.h>
#include <linux/slab.h>

#define UVERBS_MODULE_NAME edu_rdma
#include <rdma/uverbs_named_ioctl.h>

#include "edu.h"

#define ACCESS (IB_ACCESS_LOCAL_WRITE | IB_ACCESS_REMOTE_WRITE | \
		IB_ACCESS_REMOTE_READ)

static struct edu_mr *mr_alloc(struct ib_pd *pd, u64 length, u64 iova,
			       int access, struct ib_udata *udata)
{
	struct edu_mr *mr;
	u64 last;

	if (udata && udata->inlen &&
	    !ib_is_udata_cleared(udata, 0, udata->inlen))
		return ERR_PTR(-EINVAL);
	access &= ~IB_ACCESS_OPTIONAL;
	if (access & ~ACCESS)
		return ERR_PTR(-EOPNOTSUPP);
	if (length && check_add_overflow(iova, length - 1, &last))
		return ERR_PTR(-EINVAL);
	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	mr->dev = to_edu_device(pd->device);
	mr->access = access;
	mr->iova = iova;
	refcount_set(&mr->users, 1);
	init_completion(&mr->unused);
	mr->ib.length = length;
	return mr;
}

/* Makes the MR visible to accesses. */
static int mr_publish(struct edu_mr *mr)
{
	struct edu_device *dev = mr->dev;
	u32 index;
	int ret;

	ret = xa_alloc(&dev->mrs, &index, NULL, XA_LIMIT(1, 0xffffff),
		       GFP_KERNEL);
	if (ret)
		return ret;
	mr->key = index << 8 | (atomic_inc_return(&dev->salt) & 0xff);
	mr->ib.lkey = mr->key;
	mr->ib.rkey = mr->key;
	/* Cannot fail: the index is reserved. */
	xa_store(&dev->mrs, index, mr, GFP_KERNEL);
	atomic64_inc(&dev->stats.mrs);
	return 0;
}

static int mr_alloc_pages(struct edu_mr *mr)
{
	mr->count = ib_umem_num_pages(mr->umem);
	mr->pages = kvcalloc(mr->count, sizeof(*mr->pages), GFP_KERNEL);
	return mr->pages ? 0 : -ENOMEM;
}

static void mr_free(struct edu_mr *mr)
{
	kvfree(mr->pages);
	kfree(mr);
}

/* ---- system memory ---- */

static struct ib_mr *edu_reg_user_mr(PEER_REG_USER_MR_PARAMS)
{
	struct edu_mr *mr;
	int ret;

	if (PEER_DMAH)
		return ERR_PTR(-EOPNOTSUPP);
	mr = mr_alloc(pd, length, iova, access, udata);
	if (IS_ERR(mr))
		return ERR_CAST(mr);
	mr->umem = ib_umem_get_va(pd->device, start, length, access);
	if (IS_ERR(mr->umem)) {
		ret = PTR_ERR(mr->umem);
		goto err_free;
	}
	ret = mr_alloc_pages(mr);
	if (!ret)
		ret = edu_mr_fill(mr);
	if (!ret)
		ret = mr_publish(mr);
	if (ret)
		goto err_release;
	return &mr->ib;

err_release:
	ib_umem_release(mr->umem);
err_free:
	mr_free(mr);
	return ERR_PTR(ret);
}

/* ---- dma-bufs ---- */

/* Called before a move with resv held: no access is in progress. */
static void dynamic_invalidate(struct dma_buf_attachment *attach)
{
	struct ib_umem_dmabuf *umem = attach->importer_priv;
	struct edu_mr *mr = umem->private;

	dma_resv_assert_held(attach->dmabuf->resv);

	if (!mr)
		return;
	atomic64_inc(&mr->dev->stats.notifies);
	edu_mr_invalidate(mr);
	ib_umem_dmabuf_unmap_pages(umem);
}

static const struct dma_buf_attach_ops dynamic_ops = {
	.allow_peer2peer = true,
	.invalidate_mappings = dynamic_invalidate,
};

/* Called once: at revocation, or else at deregistration. */
static void revocable_revoke(void *priv)
{
	struct edu_mr *mr = priv;

	dma_resv_assert_held(mr->dmabuf->attach->dmabuf->resv);

	edu_mr_invalidate(mr);
	mr->revoked = true;
	if (mr->ending)
		return;
	atomic64_inc(&mr->dev->stats.notifies);
	atomic64_inc(&mr->dev->stats.revocations);
}

/* Returns with the resv held. */
static struct ib_umem_dmabuf *import_and_lock(struct edu_mr *mr, u64 offset,
					      int fd)
{
	struct ib_device *ib = &mr->dev->ib;
	struct ib_umem_dmabuf *umem;

	switch (mr->how) {
	case EDU_RDMA_DYNAMIC:
		umem = ib_umem_dmabuf_get(ib, offset, mr->ib.length, fd,
					  mr->access, &dynamic_ops);
		break;
	case EDU_RDMA_PINNED:
		umem = ib_umem_dmabuf_get_pinned(ib, offset, mr->ib.length, fd,
						 mr->access);
		break;
	default:
		return ib_umem_dmabuf_get_pinned_revocable_and_lock(ib, offset,
								    mr->ib.length,
								    fd,
								    mr->access);
	}
	if (!IS_ERR(umem))
		dma_resv_lock(umem->attach->dmabuf->resv, NULL);
	return umem;
}

/* Sets the function that gets notifications, and fills the table. */
static int connect_locked(struct edu_mr *mr)
{
	int ret;

	dma_resv_assert_held(mr->dmabuf->attach->dmabuf->resv);

	mr->umem->iova = mr->umem->address;
	ret = mr_alloc_pages(mr);
	if (ret)
		return ret;
	if (mr->how == EDU_RDMA_REVOCABLE)
		ib_umem_dmabuf_set_revoke_locked(mr->dmabuf, revocable_revoke,
						 mr);
	if (mr->how != EDU_RDMA_DYNAMIC)
		return edu_mr_fill(mr);
	mr->dmabuf->private = mr;
	return edu_mr_ready(mr);
}

/* No access is in progress, and none can start. */
static void disconnect(struct edu_mr *mr)
{
	struct dma_resv *resv;

	if (mr->dmabuf) {
		resv = mr->dmabuf->attach->dmabuf->resv;
		dma_resv_lock(resv, NULL);
		mr->ending = true;
		edu_mr_invalidate(mr);
		/* Unmap now: notifications stop. */
		if (mr->how == EDU_RDMA_DYNAMIC) {
			mr->dmabuf->private = NULL;
			ib_umem_dmabuf_unmap_pages(mr->dmabuf);
		}
		dma_resv_unlock(resv);
	}
	ib_umem_release(mr->umem);
}

static int mr_import(struct edu_mr *mr, u64 offset, int fd)
{
	int ret;

	mr->dmabuf = import_and_lock(mr, offset, fd);
	if (IS_ERR(mr->dmabuf))
		return PTR_ERR(mr->dmabuf);
	mr->umem = &mr->dmabuf->umem;
	ret = connect_locked(mr);
	dma_resv_unlock(mr->dmabuf->attach->dmabuf->resv);
	if (!ret)
		ret = mr_publish(mr);
	if (ret)
		disconnect(mr);
	return ret;
}

static struct ib_mr *edu_reg_user_mr_dmabuf(PEER_REG_USER_MR_DMABUF_PARAMS)
{
	struct edu_mr *mr;
	u32 flags = 0;
	int ret;

	if (PEER_DMAH)
		return ERR_PTR(-EOPNOTSUPP);
	if (uverbs_attr_is_valid(attrs, EDU_RDMA_ATTR_REG_FLAGS)) {
		ret = uverbs_get_flags32(&flags, attrs,
					 EDU_RDMA_ATTR_REG_FLAGS,
					 EDU_RDMA_REG_PINNED);
		if (ret)
			return ERR_PTR(ret);
	}
	mr = mr_alloc(pd, length, iova, access, &attrs->driver_udata);
	if (IS_ERR(mr))
		return ERR_CAST(mr);
	mr->how = mr->dev->index;
	if (mr->how == EDU_RDMA_DYNAMIC && flags & EDU_RDMA_REG_PINNED)
		mr->how = EDU_RDMA_PINNED;
	ret = mr_import(mr, offset, fd);
	if (ret) {
		mr_free(mr);
		return ERR_PTR(ret);
	}
	return &mr->ib;
}

ADD_UVERBS_ATTRIBUTES_SIMPLE(edu_reg_dmabuf, UVERBS_OBJECT_MR,
			     UVERBS_METHOD_REG_DMABUF_MR,
			     UVERBS_ATTR_FLAGS_IN(EDU_RDMA_ATTR_REG_FLAGS,
						  enum edu_rdma_reg_flags,
						  UA_OPTIONAL));

const struct uapi_definition edu_mr_uapi[] = {
	UAPI_DEF_CHAIN_OBJ_TREE(UVERBS_OBJECT_MR, &edu_reg_dmabuf),
	{}
};

static int edu_dereg_mr(struct ib_mr *ib, struct ib_udata *udata)
{
	struct edu_mr *mr = to_edu_mr(ib);

	if (!refcount_dec_and_test(&mr->users))
		wait_for_completion(&mr->unused);
	disconnect(mr);
	/* Another MR may reuse the key only now. */
	xa_erase(&mr->dev->mrs, mr->key >> 8);
	atomic64_dec(&mr->dev->stats.mrs);
	mr_free(mr);
	return 0;
}

const struct ib_device_ops edu_mr_ops = {
	.dereg_mr = edu_dereg_mr,
	.reg_user_mr = edu_reg_user_mr,
	.reg_user_mr_dmabuf = edu_reg_user_mr_dmabuf,
};
