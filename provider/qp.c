// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Corrects the length of work requests with several buffers (SGEs).
 *
 * librxe's ibv_wr_set_sge_list() uses the length of the first SGE for all of them. A
 * request with SGEs of different lengths then transfers too few bytes and completes
 * with success. The overlay calls librxe with a unique first SGE and finds the request
 * by that SGE in the send queue, a ring in memory that librxe shares with the kernel. It
 * then corrects the SGE and the lengths. The kernel sees the request only after
 * ibv_wr_complete().
 *
 * Between ibv_wr_start() and ibv_wr_complete() the caller's thread owns the send queue.
 */
#include <search.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rdma/rdma_user_rxe.h>

#include "overlay.h"

typedef void (*set_sge_list_fn)(struct ibv_qp_ex *qp, size_t num_sge,
				const struct ibv_sge *list);
typedef struct ibv_qp *(*create_qp_ex_op)(struct ibv_context *context,
					  struct ibv_qp_init_attr_ex *attr);
typedef int (*destroy_qp_op)(struct ibv_qp *qp);

/* SGEs of a request; no rxe device supports more. */
#define MAX_SGE 64

/* @qp: key in the tree; never dereferenced, because the QP may be destroyed */
struct send_queue {
	const struct ibv_qp *qp;
	struct rxe_queue_buf *queue;
	set_sge_list_fn set_sge_list;
};

/* The operations of librxe, the same for all contexts. */
static const overlay_op *rxe;

/* The send queues of all queue pairs, a tree by queue pair. */
static void *send_queues;
static pthread_mutex_t send_queues_lock = PTHREAD_MUTEX_INITIALIZER;

static int compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct send_queue *)a)->qp;
	uintptr_t y = (uintptr_t)((const struct send_queue *)b)->qp;

	return x < y ? -1 : x > y;
}

static struct send_queue *find_send_queue(const struct ibv_qp *qp)
{
	struct send_queue key = { .qp = qp };
	struct send_queue **found;

	pthread_mutex_lock(&send_queues_lock);
	found = tfind(&key, &send_queues, compare);
	pthread_mutex_unlock(&send_queues_lock);
	return found ? *found : NULL;
}

static struct rxe_send_wqe *get_wqe(struct rxe_queue_buf *queue, uint32_t index)
{
	return (void *)(queue->data +
			((size_t)(index & queue->index_mask)
			 << queue->log2_elem_size));
}

/*
 * Finds a request by its first SGE among those that the kernel does not see yet. Return:
 * NULL if librxe has rejected the request.
 */
static struct rxe_send_wqe *find_wqe(struct rxe_queue_buf *queue,
				     size_t num_sge,
					 const struct ibv_sge *first)
{
	struct rxe_send_wqe *wqe;
	uint32_t i;

	for (i = 0; i <= queue->index_mask; i++) {
		wqe = get_wqe(queue, queue->producer_index + i);
		if (wqe->dma.num_sge == num_sge &&
		    !memcmp(wqe->dma.sge, first, sizeof(*first)))
			return wqe;
	}
	return NULL;
}

static bool same_lengths(size_t num_sge, const struct ibv_sge *list)
{
	size_t i;

	for (i = 1; i < num_sge; i++)
		if (list[i].length != list[0].length)
			return false;
	return true;
}

static void set_different_lengths(struct send_queue *sq, struct ibv_qp_ex *qp,
				  size_t num_sge, const struct ibv_sge *list)
{
	struct ibv_sge marked[MAX_SGE];
	struct rxe_send_wqe *wqe;
	uint32_t total = 0;
	size_t i;

	for (i = 0; i < num_sge; i++)
		total += list[i].length;
	memcpy(marked, list, num_sge * sizeof(*list));
	/* A unique address: no program has a buffer there. */
	marked[0] = (struct ibv_sge){ (uintptr_t)marked, total, ~list[0].lkey };
	sq->set_sge_list(qp, num_sge, marked);
	wqe = find_wqe(sq->queue, num_sge, marked);
	if (!wqe)
		return;
	memcpy(wqe->dma.sge, list, sizeof(*list));
	wqe->dma.length = total;
	wqe->dma.resid = total;
}

static void set_sge_list(struct ibv_qp_ex *qp, size_t num_sge,
			 const struct ibv_sge *list)
{
	struct send_queue *sq = find_send_queue(&qp->qp_base);

	if (same_lengths(num_sge, list) || num_sge > MAX_SGE)
		sq->set_sge_list(qp, num_sge, list);
	else
		set_different_lengths(sq, qp, num_sge, list);
}

/* Without memory for the tree node, the queue pair keeps the behaviour of librxe. */
static void track_qp(struct ibv_qp *qp)
{
	struct ibv_qp_ex *qpx = qp ? ibv_qp_to_qp_ex(qp) : NULL;
	struct send_queue *sq;

	if (!qpx || !qpx->wr_set_sge_list || !overlay_capture.queue ||
	    overlay_capture.queue == MAP_FAILED)
		return;
	sq = malloc(sizeof(*sq));
	if (!sq)
		return;
	*sq = (struct send_queue){ qp, overlay_capture.queue,
				    qpx->wr_set_sge_list };
	pthread_mutex_lock(&send_queues_lock);
	if (tsearch(sq, &send_queues, compare))
		qpx->wr_set_sge_list = set_sge_list;
	else
		free(sq);
	pthread_mutex_unlock(&send_queues_lock);
}

/* librxe maps the send queue last. */
static struct ibv_qp *create_qp_ex(struct ibv_context *context,
				   struct ibv_qp_init_attr_ex *attr)
{
	create_qp_ex_op create = (create_qp_ex_op)rxe[OVERLAY_CREATE_QP_EX];
	struct ibv_qp *qp;

	overlay_capture_reset();
	qp = create(context, attr);
	track_qp(qp);
	return qp;
}

static int destroy_qp(struct ibv_qp *qp)
{
	destroy_qp_op destroy = (destroy_qp_op)rxe[OVERLAY_DESTROY_QP];
	struct send_queue *sq = find_send_queue(qp);
	int ret;

	if (!sq)
		return destroy(qp);
	/* Another queue pair may get this address as soon as the QP is freed. */
	pthread_mutex_lock(&send_queues_lock);
	tdelete(sq, &send_queues, compare);
	pthread_mutex_unlock(&send_queues_lock);
	ret = destroy(qp);
	if (!ret) {
		free(sq);
		return 0;
	}
	pthread_mutex_lock(&send_queues_lock);
	tsearch(sq, &send_queues, compare);
	pthread_mutex_unlock(&send_queues_lock);
	return ret;
}

void overlay_add_qp_ops(const overlay_op *stock, overlay_op *ops)
{
	rxe = stock;
	ops[OVERLAY_CREATE_QP_EX] = (overlay_op)create_qp_ex;
	ops[OVERLAY_DESTROY_QP] = (overlay_op)destroy_qp;
}
