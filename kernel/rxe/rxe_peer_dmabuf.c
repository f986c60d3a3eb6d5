// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over dma-bufs. Stock rxe does not support them, because it has no DMA
 * device that could attach. The core accesses the buffer with the CPU. Except
 * for its registration, such an MR is an on-demand MR.
 */
#include "rxe.h"
#include "rxe_loc.h"

static int peer_init_dmabuf(struct rxe_mr *mr, u64 offset, u64 length, u64 iova,
			    int fd, int access)
{
	rxe_mr_init(access, mr);
	return rxe_peer_attach_on_demand(mr,
					 ib_umem_peer_get_dmabuf(mr->ibmr.device,
								 fd, offset,
								 length, access),
					 iova, length);
}

struct ib_mr *rxe_peer_reg_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length,
				  u64 iova, int fd, int access,
				  struct uverbs_attr_bundle *attrs)
{
	struct rxe_mr *mr;
	int err;

	mr = kzalloc(sizeof(*mr), GFP_KERNEL);
	if (!mr)
		return ERR_PTR(-ENOMEM);
	err = rxe_add_to_pool(&to_rdev(ibpd->device)->mr_pool, mr);
	if (err)
		goto err_free;
	rxe_get(to_rpd(ibpd));
	mr->ibmr.pd = ibpd;
	mr->ibmr.device = ibpd->device;
	err = peer_init_dmabuf(mr, offset, length, iova, fd, access);
	if (err)
		goto err_cleanup;
	rxe_finalize(mr);
	return &mr->ibmr;

err_cleanup:
	/* Drops the reference to the PD. */
	if (rxe_cleanup(mr))
		return ERR_PTR(err);
err_free:
	kfree(mr);
	return ERR_PTR(err);
}
