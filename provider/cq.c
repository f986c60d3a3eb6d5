// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Removes the completions of a queue pair from its completion queues when the queue
 * pair is reset.
 *
 * Other providers do this in the transition to RESET. librxe keeps the completions, so a
 * program that reuses a failed queue pair takes old errors for errors of new work.
 * Programs that use rereg_mr do that: an access fails, they change the MR, reset the
 * queue pair and continue.
 *
 * A completion queue is a ring in memory that librxe shares with the kernel. The kernel
 * only appends. The entries between the two indices belong to the program and change
 * under librxe's lock of that queue. capture.c finds the ring and the lock while librxe
 * creates the queue.
 *
 * Lock order: rings_lock, then the lock of a ring, which librxe takes to poll. As with
 * other providers, a program must not reset a queue pair between ibv_start_poll() and
 * ibv_end_poll() of its own completion queue.
 */
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rdma/rdma_user_rxe.h>

#include "overlay.h"

/* @cq: key in the tree; never dereferenced, because the CQ may be destroyed */
struct ring {
	const struct ibv_cq *cq;
	struct rxe_queue_buf *queue;
	pthread_spinlock_t *lock;
};

typedef struct ibv_cq *(*create_cq_op)(struct ibv_context *context, int cqe,
				       struct ibv_comp_channel *channel,
				       int vector);
typedef struct ibv_cq_ex *(*create_cq_ex_op)(struct ibv_context *context,
					     struct ibv_cq_init_attr_ex *attr);
typedef int (*resize_cq_op)(struct ibv_cq *cq, int cqe);
typedef int (*destroy_cq_op)(struct ibv_cq *cq);
typedef int (*modify_qp_op)(struct ibv_qp *qp, struct ibv_qp_attr *attr,
			    int mask);

/* The operations of librxe, the same for all contexts. */
static const overlay_op *rxe;

/* The rings of all completion queues, a tree by queue. rings_lock protects it. */
static void *rings;
static pthread_mutex_t rings_lock = PTHREAD_MUTEX_INITIALIZER;

static int compare(const void *a, const void *b)
{
	uintptr_t x = (uintptr_t)((const struct ring *)a)->cq;
	uintptr_t y = (uintptr_t)((const struct ring *)b)->cq;

	return x < y ? -1 : x > y;
}

/* The caller holds rings_lock. */
static struct ring *find_ring(const struct ibv_cq *cq)
{
	struct ring key = { .cq = cq };
	struct ring **found = tfind(&key, &rings, compare);

	return found ? *found : NULL;
}

/* Without memory for the tree node, the queue keeps the behaviour of librxe. */
static void add_ring(struct ring *ring)
{
	pthread_mutex_lock(&rings_lock);
	if (!tsearch(ring, &rings, compare))
		free(ring);
	pthread_mutex_unlock(&rings_lock);
}

static struct ring *remove_ring(const struct ibv_cq *cq)
{
	struct ring *ring;

	pthread_mutex_lock(&rings_lock);
	ring = find_ring(cq);
	if (ring)
		tdelete(ring, &rings, compare);
	pthread_mutex_unlock(&rings_lock);
	return ring;
}

static void track_cq(const struct ibv_cq *cq)
{
	struct ring *ring;

	if (!cq || !overlay_capture.queue || !overlay_capture.lock)
		return;
	ring = malloc(sizeof(*ring));
	if (!ring)
		return;
	*ring = (struct ring){ cq, overlay_capture.queue, overlay_capture.lock };
	add_ring(ring);
}

static struct ibv_cq *create_cq(struct ibv_context *context, int cqe,
				struct ibv_comp_channel *channel, int vector)
{
	create_cq_op create = (create_cq_op)rxe[OVERLAY_CREATE_CQ];
	struct ibv_cq *cq;

	overlay_capture_reset();
	cq = create(context, cqe, channel, vector);
	track_cq(cq);
	return cq;
}

static struct ibv_cq_ex *create_cq_ex(struct ibv_context *context,
				      struct ibv_cq_init_attr_ex *attr)
{
	create_cq_ex_op create = (create_cq_ex_op)rxe[OVERLAY_CREATE_CQ_EX];
	struct ibv_cq_ex *cq;

	overlay_capture_reset();
	cq = create(context, attr);
	track_cq(cq ? ibv_cq_ex_to_cq(cq) : NULL);
	return cq;
}

/* Resizing moves the ring. If it fails after unmapping, the ring is MAP_FAILED. */
static int resize_cq(struct ibv_cq *cq, int cqe)
{
	resize_cq_op resize = (resize_cq_op)rxe[OVERLAY_RESIZE_CQ];
	struct ring *ring;
	int ret;

	pthread_mutex_lock(&rings_lock);
	overlay_capture_reset();
	ret = resize(cq, cqe);
	ring = find_ring(cq);
	if (ring && overlay_capture.queue)
		ring->queue = overlay_capture.queue;
	pthread_mutex_unlock(&rings_lock);
	return ret;
}

/* Calls librxe without rings_lock: librxe waits until events are acknowledged. */
static int destroy_cq(struct ibv_cq *cq)
{
	destroy_cq_op destroy = (destroy_cq_op)rxe[OVERLAY_DESTROY_CQ];
	struct ring *ring = remove_ring(cq);
	int ret = destroy(cq);

	if (ring && ret)
		add_ring(ring);
	else
		free(ring);
	return ret;
}

static struct ib_uverbs_wc *get_completion(struct rxe_queue_buf *queue,
					   uint32_t index)
{
	return (void *)(queue->data +
			((size_t)index << queue->log2_elem_size));
}

/*
 * Moves the completions of other queue pairs to the end of the ring, and advances the
 * consumer index past the rest.
 */
static void purge_ring(struct rxe_queue_buf *queue, uint32_t qp_num)
{
	uint32_t end = __atomic_load_n(&queue->producer_index,
				       __ATOMIC_ACQUIRE);
	uint32_t from = end, to = end;

	while (from != queue->consumer_index) {
		from = (from - 1) & queue->index_mask;
		if (get_completion(queue, from)->qp_num == qp_num)
			continue;
		to = (to - 1) & queue->index_mask;
		if (to != from)
			memcpy(get_completion(queue, to),
			       get_completion(queue, from),
			       (size_t)1 << queue->log2_elem_size);
	}
	__atomic_store_n(&queue->consumer_index, to, __ATOMIC_RELEASE);
}

static void purge(const struct ibv_cq *cq, uint32_t qp_num)
{
	struct ring *ring;

	pthread_mutex_lock(&rings_lock);
	ring = find_ring(cq);
	if (ring && ring->queue != MAP_FAILED) {
		pthread_spin_lock(ring->lock);
		purge_ring(ring->queue, qp_num);
		pthread_spin_unlock(ring->lock);
	}
	pthread_mutex_unlock(&rings_lock);
}

/* After a successful reset the kernel adds no completions for old work. */
static int modify_qp(struct ibv_qp *qp, struct ibv_qp_attr *attr, int mask)
{
	modify_qp_op modify = (modify_qp_op)rxe[OVERLAY_MODIFY_QP];
	int ret = modify(qp, attr, mask);

	if (ret || !(mask & IBV_QP_STATE) || attr->qp_state != IBV_QPS_RESET)
		return ret;
	purge(qp->send_cq, qp->qp_num);
	if (qp->recv_cq != qp->send_cq)
		purge(qp->recv_cq, qp->qp_num);
	return 0;
}

void overlay_add_cq_ops(const overlay_op *stock, overlay_op *ops)
{
	rxe = stock;
	ops[OVERLAY_CREATE_CQ] = (overlay_op)create_cq;
	ops[OVERLAY_CREATE_CQ_EX] = (overlay_op)create_cq_ex;
	ops[OVERLAY_RESIZE_CQ] = (overlay_op)resize_cq;
	ops[OVERLAY_DESTROY_CQ] = (overlay_op)destroy_cq;
	ops[OVERLAY_MODIFY_QP] = (overlay_op)modify_qp;
}
