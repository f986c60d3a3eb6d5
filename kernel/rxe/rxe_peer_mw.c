// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory windows (MWs): the checks that stock rxe lacks.
 *
 * Stock rxe compares an access with the bounds of the MR below the window, not
 * with those of the window. A window of a few bytes would open the whole MR. For
 * an implicit MR this is the whole address space.
 *
 * A bound type 2 window holds a reference to its queue pair. The windows of a
 * queue pair are unbound when it is destroyed.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Does @mw contain the whole range that the packet's operation accesses? */
bool rxe_peer_mw_covers(const struct rxe_qp *qp, struct rxe_pkt_info *pkt,
			const struct rxe_mw *mw)
{
	u64 start = qp->resp.va;

	/* A FLUSH of the whole MR has no range, and reads no bytes. */
	if (pkt->mask & RXE_FLUSH_MASK && feth_sel(pkt) == IB_FLUSH_MR)
		return true;
	if (!(mw->access & IB_ZERO_BASED)) {
		if (start < mw->addr)
			return false;
		start -= mw->addr;
	}
	return start <= mw->length && qp->resp.resid <= mw->length - start;
}

/* Context: the caller holds mw->lock. */
bool rxe_peer_may_bind(const struct rxe_qp *qp, const struct rxe_send_wqe *wqe)
{
	u64 end;

	return !READ_ONCE(qp->leaving) &&
	       !check_add_overflow(wqe->wr.wr.mw.addr, wqe->wr.wr.mw.length,
				   &end);
}

static void mw_unbind(struct rxe_mw *mw, struct rxe_qp *qp)
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

/*
 * Unbinds all windows of @qp. A concurrent bind either fails because it sees
 * qp->leaving, or takes effect before the walk, which then unbinds the window.
 */
void rxe_peer_unbind_mws(struct rxe_qp *qp)
{
	struct rxe_pool *pool = &to_rdev(qp->ibqp.device)->mw_pool;
	unsigned long index = 0;
	struct rxe_mw *mw;

	WRITE_ONCE(qp->leaving, true);
	while (xa_find(&pool->xa, &index, ULONG_MAX, XA_PRESENT)) {
		mw = rxe_pool_get_index(pool, index);
		if (mw) {
			mw_unbind(mw, qp);
			rxe_put(mw);
		}
		index++;
	}
}
