// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory windows. Stock rxe compares an access with the MR behind a window, and not
 * with the window, so that a window of some bytes opens all of the MR; with an MR of a
 * whole address space, the process. These are the checks that are missing.
 *
 * A bound window of type 2 has a reference on its queue pair. When that one goes, so
 * does what is bound by it.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Does the window hold all that the packet's operation is to access? */
bool rxe_peer_mw_holds(const struct rxe_qp *qp, struct rxe_pkt_info *pkt,
		       const struct rxe_mw *mw)
{
	u64 start = qp->resp.va;

	/* No bytes are meant, nor read. */
	if (pkt->mask & RXE_FLUSH_MASK && feth_sel(pkt) == IB_FLUSH_MR)
		return true;
	if (!(mw->access & IB_ZERO_BASED)) {
		if (start < mw->addr)
			return false;
		start -= mw->addr;
	}
	return start <= mw->length && qp->resp.resid <= mw->length - start;
}

/* Called under mw->lock. */
bool rxe_peer_may_bind(const struct rxe_qp *qp, const struct rxe_send_wqe *wqe)
{
	u64 end;

	return !READ_ONCE(qp->leaving) &&
	       !check_add_overflow(wqe->wr.wr.mw.addr, wqe->wr.wr.mw.length,
				   &end);
}

static void mw_drop(struct rxe_mw *mw, struct rxe_qp *qp)
{
	struct rxe_mr *mr;

	spin_lock_bh(&mw->lock);
	if (mw->qp != qp) {
		spin_unlock_bh(&mw->lock);
		return;
	}
	mr = mw->mr;
	mw->qp = NULL;
	mw->mr = NULL;
	mw->access = 0;
	mw->addr = 0;
	mw->length = 0;
	mw->state = RXE_MW_STATE_FREE;
	spin_unlock_bh(&mw->lock);
	atomic_dec(&mr->num_mw);
	rxe_put(mr);
	rxe_put(qp);
}

/* Whoever binds a window meanwhile sees that the queue pair leaves, or is found. */
void rxe_peer_drop_windows(struct rxe_qp *qp)
{
	struct rxe_pool *pool = &to_rdev(qp->ibqp.device)->mw_pool;
	unsigned long index = 0;
	struct rxe_mw *mw;

	WRITE_ONCE(qp->leaving, true);
	while (xa_find(&pool->xa, &index, ULONG_MAX, XA_PRESENT)) {
		mw = rxe_pool_get_index(pool, index);
		if (mw) {
			mw_drop(mw, qp);
			rxe_put(mw);
		}
		index++;
	}
}
