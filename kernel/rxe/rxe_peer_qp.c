// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queue pairs that stop: by an error, a reset, or for good. rxe waits for the tasks of
 * a queue pair then, in a loop, and such a task may wait for a page. So the tasks'
 * waits end first; they are told -ECANCELED, and leave what they were at, which is
 * flushed or dropped with all the rest.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* What its tasks wait for is not done any more. Context: any. */
void rxe_peer_stop_waits(struct rxe_qp *qp)
{
	ib_umem_peer_cancel(&qp->cancel, qp, sizeof(*qp));
}

/* Its tasks do nothing; a responder may have found its access to be an error. */
void rxe_peer_was_reset(struct rxe_qp *qp)
{
	unsigned long flags;

	spin_lock_irqsave(&qp->state_lock, flags);
	qp->attr.qp_state = IB_QPS_RESET;
	spin_unlock_irqrestore(&qp->state_lock, flags);
	ib_umem_peer_cancel_end(&qp->cancel);
}

/* It is about to be destroyed. */
void rxe_peer_leave(struct rxe_qp *qp)
{
	rxe_peer_stop_waits(qp);
	rxe_peer_drop_windows(qp);
}
