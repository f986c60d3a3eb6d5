// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A work request with a list of buffers moves all of them, however long each is.
 *
 * librxe's ibv_wr_set_sge_list() takes the length of the first for that of all, so
 * that a request moves less than it should, and completes with success. Ours calls it
 * with a first buffer that no other request has, finds the request by that in the send
 * queue, a ring in memory shared with the kernel, and puts right what it says. The
 * kernel sees it only after ibv_wr_complete().
 *
 * Between ibv_wr_start() and ibv_wr_complete() the queue is the caller's thread's.
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

/* Buffers of a request, no more than any device of rxe's has. */
#define MAX_SGE 64

/* @qp: where it is in the tree, and no more: it may be gone */
struct sends {
	const struct ibv_qp *qp;
	struct rxe_queue_buf *queue;
	set_sge_list_fn set_sge_list;
};

/* librxe's, the same for all contexts */
static const overlay_op *rxe;

static void *all_sends;
static pthread_mutex_t sends_lock = PTHREAD_MUTEX_INITIALIZER;

static int compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct sends *)a)->qp;
	uintptr_t y = (uintptr_t)((const struct sends *)b)->qp;

	return x < y ? -1 : x > y;
}

static struct sends *find_sends(const struct ibv_qp *qp)
{
	struct sends key = { .qp = qp };
	struct sends **found;

	pthread_mutex_lock(&sends_lock);
	found = tfind(&key, &all_sends, compare);
	pthread_mutex_unlock(&sends_lock);
	return found ? *found : NULL;
}

static struct rxe_send_wqe *request(struct rxe_queue_buf *queue, uint32_t index)
{
	return (void *)(queue->data +
			((size_t)(index & queue->index_mask)
			 << queue->log2_elem_size));
}

/* Among those that the kernel does not see yet; NULL: librxe has refused it. */
static struct rxe_send_wqe *find_request(struct rxe_queue_buf *queue,
					 size_t num_sge,
					 const struct ibv_sge *first)
{
	struct rxe_send_wqe *wqe;
	uint32_t i;

	for (i = 0; i <= queue->index_mask; i++) {
		wqe = request(queue, queue->producer_index + i);
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

static void set_lengths(struct sends *sends, struct ibv_qp_ex *qp,
			size_t num_sge, const struct ibv_sge *list)
{
	struct ibv_sge marked[MAX_SGE];
	struct rxe_send_wqe *wqe;
	uint32_t total = 0;
	size_t i;

	for (i = 0; i < num_sge; i++)
		total += list[i].length;
	memcpy(marked, list, num_sge * sizeof(*list));
	/* The address of a buffer that no program has: it is our own. */
	marked[0] = (struct ibv_sge){ (uintptr_t)marked, total, ~list[0].lkey };
	sends->set_sge_list(qp, num_sge, marked);
	wqe = find_request(sends->queue, num_sge, marked);
	if (!wqe)
		return;
	memcpy(wqe->dma.sge, list, sizeof(*list));
	wqe->dma.length = total;
	wqe->dma.resid = total;
}

static void set_sge_list(struct ibv_qp_ex *qp, size_t num_sge,
			 const struct ibv_sge *list)
{
	struct sends *sends = find_sends(&qp->qp_base);

	if (same_lengths(num_sge, list) || num_sge > MAX_SGE)
		sends->set_sge_list(qp, num_sge, list);
	else
		set_lengths(sends, qp, num_sge, list);
}

/* Without memory for it, the queue pair keeps librxe's behaviour. */
static void watched(struct ibv_qp *qp)
{
	struct ibv_qp_ex *qpx = qp ? ibv_qp_to_qp_ex(qp) : NULL;
	struct sends *sends;

	if (!qpx || !qpx->wr_set_sge_list || !overlay_seen.queue ||
	    overlay_seen.queue == MAP_FAILED)
		return;
	sends = malloc(sizeof(*sends));
	if (!sends)
		return;
	*sends = (struct sends){ qp, overlay_seen.queue, qpx->wr_set_sge_list };
	pthread_mutex_lock(&sends_lock);
	if (tsearch(sends, &all_sends, compare))
		qpx->wr_set_sge_list = set_sge_list;
	else
		free(sends);
	pthread_mutex_unlock(&sends_lock);
}

/* The queue for sends is the last that librxe maps. */
static struct ibv_qp *create_qp_ex(struct ibv_context *context,
				   struct ibv_qp_init_attr_ex *attr)
{
	create_qp_ex_op create = (create_qp_ex_op)rxe[OVERLAY_CREATE_QP_EX];
	struct ibv_qp *qp;

	overlay_start_watching();
	qp = create(context, attr);
	watched(qp);
	return qp;
}

static int destroy_qp(struct ibv_qp *qp)
{
	destroy_qp_op destroy = (destroy_qp_op)rxe[OVERLAY_DESTROY_QP];
	struct sends *sends = find_sends(qp);
	int ret;

	if (!sends)
		return destroy(qp);
	/* Before another queue pair gets its address. */
	pthread_mutex_lock(&sends_lock);
	tdelete(sends, &all_sends, compare);
	pthread_mutex_unlock(&sends_lock);
	ret = destroy(qp);
	if (!ret) {
		free(sends);
		return 0;
	}
	pthread_mutex_lock(&sends_lock);
	tsearch(sends, &all_sends, compare);
	pthread_mutex_unlock(&sends_lock);
	return ret;
}

void overlay_add_qp_ops(const overlay_op *stock, overlay_op *ops)
{
	rxe = stock;
	ops[OVERLAY_CREATE_QP_EX] = (overlay_op)create_qp_ex;
	ops[OVERLAY_DESTROY_QP] = (overlay_op)destroy_qp;
}
