/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The RDMA core: the ops of a driver that register memory.
 *
 * These ops get a DMA handle on kernels that have DMA handles.
 * PEER_REG_USER_MR_PARAMS and PEER_REG_USER_MR_DMABUF_PARAMS are the parameters of the
 * ops reg_user_mr and reg_user_mr_dmabuf, and PEER_DMAH is the DMA handle among them. It
 * is NULL on kernels without DMA handles.
 */
#ifndef PEER_COMPAT_RDMA_H
#define PEER_COMPAT_RDMA_H

#include <compat/probed.h>
#include <rdma/ib_umem.h>
#include <rdma/ib_verbs.h>

struct ib_dmah;
struct uverbs_attr_bundle;

#ifdef PEER_HAVE_REG_MR_DMAH
#define PEER_REG_USER_MR_PARAMS							\
	struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,		\
	struct ib_dmah *dmah, struct ib_udata *udata
#define PEER_REG_USER_MR_DMABUF_PARAMS						\
	struct ib_pd *pd, u64 offset, u64 length, u64 iova, int fd, int access,	\
	struct ib_dmah *dmah, struct uverbs_attr_bundle *attrs
#define PEER_DMAH dmah
#else
#define PEER_REG_USER_MR_PARAMS							\
	struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,		\
	struct ib_udata *udata
#define PEER_REG_USER_MR_DMABUF_PARAMS						\
	struct ib_pd *pd, u64 offset, u64 length, u64 iova, int fd, int access,	\
	struct uverbs_attr_bundle *attrs
#define PEER_DMAH ((struct ib_dmah *)NULL)
#endif

typedef struct ib_mr *(*peer_reg_user_mr_fn)(PEER_REG_USER_MR_PARAMS);

/**
 * peer_reg_user_mr() - call the op reg_user_mr of a driver
 * @op:     the op
 * @pd:     first argument of the op; the others follow
 * @start:  address in the calling process
 * @length: bytes
 * @iova:   address in the MR
 * @access: IB_ACCESS_xxx
 * @dmah:   DMA handle or NULL; ignored on kernels without DMA handles
 * @udata:  of the system call
 *
 * Context: as the op.
 * Return: as the op.
 */
static inline struct ib_mr *peer_reg_user_mr(peer_reg_user_mr_fn op, struct ib_pd *pd,
					     u64 start, u64 length, u64 iova, int access,
					     struct ib_dmah *dmah, struct ib_udata *udata)
{
#ifdef PEER_HAVE_REG_MR_DMAH
	return op(pd, start, length, iova, access, dmah, udata);
#else
	return op(pd, start, length, iova, access, udata);
#endif
}

/**
 * peer_reg_user_mr_dmabuf() - call the op reg_user_mr_dmabuf of the driver
 * @pd:     first argument of the op; the others follow
 * @offset: in the dma-buf
 * @length: bytes
 * @iova:   address in the MR
 * @fd:     descriptor of the dma-buf in the calling process
 * @access: IB_ACCESS_xxx
 * @dmah:   DMA handle or NULL; ignored on kernels without DMA handles
 * @attrs:  of the system call
 *
 * Context: as the op.
 * Return: as the op.
 */
static inline struct ib_mr *peer_reg_user_mr_dmabuf(struct ib_pd *pd, u64 offset,
						    u64 length, u64 iova, int fd,
						    int access, struct ib_dmah *dmah,
						    struct uverbs_attr_bundle *attrs)
{
#ifdef PEER_HAVE_REG_MR_DMAH
	return pd->device->ops.reg_user_mr_dmabuf(pd, offset, length, iova, fd, access,
						  dmah, attrs);
#else
	return pd->device->ops.reg_user_mr_dmabuf(pd, offset, length, iova, fd, access,
						  attrs);
#endif
}

#ifndef PEER_HAVE_IB_UMEM_GET_VA
/**
 * ib_umem_get_va() - pin memory of the calling process
 * @ibdev:  the device
 * @addr:   first byte
 * @size:   bytes
 * @access: IB_ACCESS_xxx
 *
 * Context: may sleep.
 * Return: the umem, or ERR_PTR as ib_umem_get().
 */
static inline struct ib_umem *ib_umem_get_va(struct ib_device *ibdev, unsigned long addr,
					     size_t size, int access)
{
	return ib_umem_get(ibdev, addr, size, access);
}
#endif

#endif
