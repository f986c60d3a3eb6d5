// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over peer memory: rxe as a CPU importer of ib_peer_mem.
 *
 * rxe asks for host memory first, as ever. Only a range that cannot be host
 * memory comes here. From then on mr->peer stands in for mr->umem and for the
 * table of pages; when the exporter revokes it, accesses fail here with what
 * rxe answers for a bad key, while the key itself stays taken until the MR is
 * deregistered.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Did pinning host memory fail because it is not host memory? */
static bool rxe_peer_maybe(long err)
{
	return err == -EFAULT ||	/* no struct pages */
	       err == -EREMOTEIO ||	/* a PCI device's pages */
	       err == -EOPNOTSUPP;	/* pages that must not be pinned for long */
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

	if (!rxe_peer_maybe(err))
		return err;
	peer = ib_umem_peer_get(mr->ibmr.device, start, length, access);
	/* Nobody's: then what was wrong with it as host memory counts. */
	if (PTR_ERR(peer) == -EFAULT)
		return err;
	return rxe_peer_attach(mr, peer);
}

int rxe_peer_rereg(struct rxe_mr *mr, int access)
{
	if (mr->peer)
		return ib_umem_peer_rereg(mr->peer, access);
	/* What is pinned stays so. */
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

/* Waits for a word that an atomic did not find. */
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

/* Which rxe it is, for people and for DKMS: the distribution's has none. */
MODULE_VERSION("0.1.0");
