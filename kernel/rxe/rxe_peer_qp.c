// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The tasks of a queue pair may wait for pages: in which workqueue they run, and
 * how their waits end when the queue pair stops (error, reset, destruction).
 *
 * Stock rxe runs the tasks of all queue pairs in one workqueue, which runs a
 * limited number at a time. The tasks of a PD with on-demand MRs run in
 * workqueues of their process instead: one for requesters and completers, which
 * may wait long, and one for responders.
 *
 * When a queue pair stops, rxe polls until its tasks have ended. Their waits are
 * therefore cancelled before: an access returns -ECANCELED, the task leaves the
 * operation, and the operation is flushed or dropped like all others. A task
 * that is queued behind waiting tasks of its process moves to rxe_wq, where no
 * task waits for pages.
 */
#include "rxe.h"
#include "rxe_loc.h"

/* Returns the workqueue to run @task in. Context: task->lock is held. */
struct workqueue_struct *rxe_peer_wq(struct rxe_task *task)
{
	struct rxe_qp *qp = task->qp;
	struct ib_umem_peer_workqueues *wqs = READ_ONCE(qp->pd->wqs);

	if (!wqs || ib_umem_peer_is_cancelled(&qp->cancel))
		return rxe_wq;
	return task == &qp->recv_task ? wqs->responders : wqs->requesters;
}

/*
 * Moves a queued task to rxe_wq, so that it does not wait for other tasks of its
 * process. The waits of the queue pair are already cancelled, or the task is
 * drained: nobody queues the task to a workqueue of the process any more.
 */
void rxe_peer_requeue(struct rxe_task *task)
{
	unsigned long flags;

	spin_lock_irqsave(&task->lock, flags);
	if (cancel_work(&task->work))
		queue_work(rxe_wq, &task->work);
	spin_unlock_irqrestore(&task->lock, flags);
}

/* Cancels the waits of the tasks of @qp, and lets none begin. Context: any. */
void rxe_peer_stop_waits(struct rxe_qp *qp)
{
	ib_umem_peer_cancel(&qp->cancel, qp, sizeof(*qp));
	rxe_peer_requeue(&qp->recv_task);
	rxe_peer_requeue(&qp->send_task);
}

/*
 * End of a reset: no task of @qp runs. A responder may have set the state to an
 * error after its access failed, so it is set to RESET again.
 */
void rxe_peer_reset_done(struct rxe_qp *qp)
{
	unsigned long flags;

	spin_lock_irqsave(&qp->state_lock, flags);
	qp->attr.qp_state = IB_QPS_RESET;
	spin_unlock_irqrestore(&qp->state_lock, flags);
	ib_umem_peer_cancel_end(&qp->cancel);
}

/* Called first when @qp is destroyed. */
void rxe_peer_destroy_qp(struct rxe_qp *qp)
{
	rxe_peer_stop_waits(qp);
	rxe_peer_unbind_mws(qp);
}
