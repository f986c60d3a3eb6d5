// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over peer memory: rxe as a CPU importer of ib_peer_mem.
 *
 * A pinned registration tries ib_umem_get() first. It comes here only if that
 * fails with an error that peer memory can cause. mr->peer then replaces both
 * mr->umem and the page list of rxe.
 *
 * After the exporter has revoked the memory, accesses fail here with the error
 * that rxe reports for a bad key. The keys stay allocated until the MR is
 * deregistered.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Can @err of ib_umem_get() mean that the range is peer memory? */
static bool error_may_be_peer(long err)
{
	return err == -EFAULT ||	/* no struct page */
	       err == -EREMOTEIO ||	/* P2PDMA pages of a PCI device */
	       err == -EOPNOTSUPP;	/* pages that allow no long-term pin */
}

int rxe_peer_attach(struct rxe_mr *mr, struct ib_umem_peer *peer)
{
	if (IS_ERR(peer))
		return PTR_ERR(peer);
	mr->peer = peer;
	mr->ibmr.type = IB_MR_TYPE_USER;
	mr->state = RXE_MR_STATE_VALID;
	return 0;
}

int rxe_peer_init_user(struct rxe_mr *mr, u64 start, u64 length, int access,
		       struct ib_umem *failed)
{
	struct ib_umem_peer *peer;
	long err = PTR_ERR(failed);

	if (!error_may_be_peer(err))
		return err;
	peer = ib_umem_peer_get(mr->ibmr.device, start, length, access);
	/* No exporter: return the error of ib_umem_get(). */
	if (PTR_ERR(peer) == -EFAULT)
		return err;
	return rxe_peer_attach(mr, peer);
}

int rxe_peer_rereg(struct rxe_mr *mr, int access)
{
	if (mr->peer)
		return ib_umem_peer_rereg(mr->peer, access);
	/* A pinned MR cannot become an on-demand MR. */
	return access & IB_ACCESS_ON_DEMAND ? -EOPNOTSUPP : 0;
}

int rxe_peer_copy(struct rxe_mr *mr, u64 iova, void *addr, unsigned int length,
		  enum rxe_mr_copy_dir dir)
{
	u64 offset = iova - mr->ibmr.iova;

	if (dir == RXE_TO_MR_OBJ)
		return ib_umem_peer_write(mr->peer, offset, addr, length);
	return ib_umem_peer_read(mr->peer, offset, addr, length);
}

static int rxe_peer_resp_state(int err)
{
	switch (err) {
	case 0:
		return 0;
	case -EINVAL:
		return RESPST_ERR_MISALIGNED_ATOMIC;
	default:
		return RESPST_ERR_RKEY_VIOLATION;
	}
}

/* Faults in the 8-byte word that an atomic operation did not find. */
static int rxe_peer_fault_word(struct rxe_mr *mr, u64 offset,
			       unsigned long *until)
{
	return ib_umem_peer_fault_in(mr->peer, offset, sizeof(u64), true,
				     until);
}

int rxe_peer_atomic_op(struct rxe_mr *mr, u64 iova, int opcode, u64 compare,
		       u64 swap_add, u64 *orig_val)
{
	u64 offset = iova - mr->ibmr.iova;
	unsigned long until = 0;
	int err;

	if (mr_check_range(mr, iova, sizeof(*orig_val)))
		return RESPST_ERR_RKEY_VIOLATION;

	do {
		spin_lock_bh(&atomic_ops_lock);
		if (opcode == IB_OPCODE_RC_COMPARE_SWAP)
			err = ib_umem_peer_cmp_swap(mr->peer, offset, compare,
						    swap_add, orig_val);
		else
			err = ib_umem_peer_fetch_add(mr->peer, offset,
						     swap_add, orig_val);
		spin_unlock_bh(&atomic_ops_lock);
	} while (err == -EAGAIN && !(err = rxe_peer_fault_word(mr, offset, &until)));
	return rxe_peer_resp_state(err);
}

int rxe_peer_atomic_write(struct rxe_mr *mr, u64 iova, u64 value)
{
	u64 offset = iova - mr->ibmr.iova;
	unsigned long until = 0;
	int err;

	if (mr_check_range(mr, iova, sizeof(value)))
		return RESPST_ERR_RKEY_VIOLATION;

	do {
		err = ib_umem_peer_store64(mr->peer, offset, value);
	} while (err == -EAGAIN && !(err = rxe_peer_fault_word(mr, offset, &until)));
	return rxe_peer_resp_state(err);
}

int rxe_peer_flush(struct rxe_mr *mr, u64 iova, u64 length)
{
	return ib_umem_peer_flush(mr->peer, iova - mr->ibmr.iova, length);
}

/* The distribution's rdma_rxe has no version. DKMS compares this one. */
MODULE_VERSION(PEERMEM_VERSION);
