// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The tasks of a queue pair, which may wait for pages: where they wait, and how that
 * ends when the queue pair stops, by an error, a reset, or for good.
 *
 * rxe does the tasks of all queue pairs in one workqueue, so many at a time. Those of
 * a PD with on-demand MRs are done in workqueues of their process: one for requesters
 * and completers, which may wait long, and one for responders.
 *
 * rxe waits for the tasks of a queue pair that stops, in a loop. So the tasks' waits end
 * before that; they are told -ECANCELED, and leave what they were at, which is flushed
 * or dropped with all the rest. A task that has not begun, since others of its process
 * wait, goes to the workqueue where none does.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Where its tasks are done. Called under the task's lock. */
struct workqueue_struct *rxe_peer_wq(struct rxe_task *task)
{
	struct rxe_qp *qp = task->qp;
	struct ib_umem_peer_workqueues *wqs = READ_ONCE(qp->pd->wqs);

	if (!wqs || ib_umem_peer_is_cancelled(&qp->cancel))
		return rxe_wq;
	return task == &qp->recv_task ? wqs->responders : wqs->requesters;
}

/*
 * It does not wait for its turn. Whoever queues it from now on sees that its waits are
 * cancelled, or that it is drained.
 */
void rxe_peer_requeue(struct rxe_task *task)
{
	unsigned long flags;

	spin_lock_irqsave(&task->lock, flags);
	if (cancel_work(&task->work))
		queue_work(rxe_wq, &task->work);
	spin_unlock_irqrestore(&task->lock, flags);
}

/* What its tasks wait for is not done any more. Context: any. */
void rxe_peer_stop_waits(struct rxe_qp *qp)
{
	ib_umem_peer_cancel(&qp->cancel, qp, sizeof(*qp));
	rxe_peer_requeue(&qp->recv_task);
	rxe_peer_requeue(&qp->send_task);
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
