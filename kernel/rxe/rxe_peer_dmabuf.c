// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over dma-bufs. Stock rxe has none, for it has no DMA device to map one
 * for; the core reaches them by the CPU. In all but its making such an MR is an
 * on-demand one.
 */
#include "rxe.h"
#include "rxe_loc.h"

static int peer_init_dmabuf(struct rxe_mr *mr, u64 offset, u64 length, u64 iova,
			    int fd, int access)
{
	int err;

	rxe_mr_init(access, mr);
	err = rxe_peer_attach_on_demand(mr,
					ib_umem_peer_get_dmabuf(mr->ibmr.device,
								fd, offset,
								length, access));
	if (err)
		return err;
	mr->ibmr.iova = iova;
	mr->ibmr.length = length;
	return 0;
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
	/* Gives the reference on the PD back. */
	if (rxe_cleanup(mr))
		return ERR_PTR(err);
err_free:
	kfree(mr);
	return ERR_PTR(err);
}
