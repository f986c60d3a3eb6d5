// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Several queue pairs write to one on-demand MR, compared with one pinned MR. A
 * lock that each access of the MR takes would show here as lower bandwidth.
 *
 * This program and Soft-RoCE's workers may run on all processors. With one
 * processor nothing runs in parallel, so only the cost of the accesses is
 * compared.
 */
#include <errno.h>
#include <stdio.h>

#include "bench.h"

#define QPS 8
#define QP_DEPTH 16
#define ROOM (64 * 1024)	/* bytes of the MR for each QP */

static const struct {
	uint32_t size;
	int ops;	/* for each QP */
} amounts[] = {
	{ 64, 256 },
	{ 4096, 128 },
	{ 65536, 24 },
};

struct qps {
	struct vt_pair pair[QPS];
	struct ibv_comp_channel *channel;
	struct vt_mem from_mem;
	struct ibv_mr *from;
	int posted[QPS];
	int done[QPS];
};

static void qps_open(struct qps *q, struct vt_dev *dev)
{
	struct vt_pair_opts opts = {
		.depth = 2 * QP_DEPTH, .mtu = IBV_MTU_4096,
	};
	int i;

	q->channel = ibv_create_comp_channel(dev->ctx);
	if (!q->channel)
		bench_die("ibv_create_comp_channel", -errno);
	opts.channel = q->channel;
	for (i = 0; i < QPS; i++)
		bench_check("connecting",
			    vt_pair_open(&q->pair[i], dev, &opts));
	bench_alloc(&q->from_mem, &vt_mem_host, ROOM);
	q->from = bench_reg(dev->pd, q->from_mem.addr, ROOM, false);
}

static void qps_close(struct qps *q)
{
	int i;

	for (i = 0; i < QPS; i++)
		vt_pair_close(&q->pair[i]);
	ibv_destroy_comp_channel(q->channel);
	bench_dereg(q->from);
	vt_mem_free(&q->from_mem);
}

static void post(struct qps *q, int i, struct ibv_mr *to, uint32_t size)
{
	struct ibv_sge sge = {
		(uintptr_t)q->from_mem.addr, size, q->from->lkey
	};
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma.remote_addr = (uintptr_t)to->addr + i * ROOM,
		.wr.rdma.rkey = to->rkey,
	};

	bench_check("ibv_post_send", vt_post_send(&q->pair[i].end[0], &wr));
	q->posted[i]++;
}

/* Polls all completions that are present. Returns their number. */
static int collect(struct qps *q, int i)
{
	struct ibv_wc wc[QP_DEPTH];
	int n = ibv_poll_cq(q->pair[i].end[0].cq, QP_DEPTH, wc);
	int k;

	if (n < 0)
		bench_die("ibv_poll_cq", -EIO);
	for (k = 0; k < n; k++)
		if (wc[k].status)
			bench_die("completion", wc[k].status);
	q->done[i] += n;
	return n;
}

static int collect_all(struct qps *q)
{
	int i, n = 0;

	for (i = 0; i < QPS; i++)
		n += collect(q, i);
	return n;
}

/* Returns after at least one completion has been polled. */
static void wait_some(struct qps *q)
{
	struct ibv_cq *cq;
	void *context;
	int i;

	if (collect_all(q))
		return;
	for (i = 0; i < QPS; i++)
		if (ibv_req_notify_cq(q->pair[i].end[0].cq, 0))
			bench_die("ibv_req_notify_cq", -EIO);
	while (!collect_all(q)) {
		if (ibv_get_cq_event(q->channel, &cq, &context))
			bench_die("ibv_get_cq_event", -errno);
		ibv_ack_cq_events(cq, 1);
	}
}

/* Returns bytes per second of all queue pairs together. */
static double bandwidth(struct qps *q, struct ibv_mr *to, uint32_t size,
			int ops)
{
	int64_t start = bench_now();
	int left, i;

	for (i = 0; i < QPS; i++)
		q->posted[i] = q->done[i] = 0;
	do {
		left = 0;
		for (i = 0; i < QPS; i++) {
			while (q->posted[i] < ops &&
			       q->posted[i] < q->done[i] + QP_DEPTH)
				post(q, i, to, size);
			left += ops - q->done[i];
		}
		if (left)
			wait_some(q);
	} while (left);
	return (double)QPS * ops * size * 1e9 / (bench_now() - start);
}

/* Measures pinned and on demand alternately. */
static void measure_kind(struct qps *q, struct vt_dev *dev,
			 const struct vt_mem_kind *kind,
			 const struct bench_opts *opts)
{
	static const char *const config[] = { "pinned", "on demand" };
	struct vt_mem mem;
	struct ibv_mr *mr[2];
	unsigned int i;
	char name[64];
	int k;

	bench_alloc(&mem, kind, QPS * ROOM);
	for (k = 0; k < 2; k++)
		mr[k] = bench_reg(dev->pd, mem.addr, QPS * ROOM, k);
	bench_prefetch(mr[1], mem.addr, QPS * ROOM);
	for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
		snprintf(name, sizeof(name), "%-4s %6s", kind->name,
			 bench_size(amounts[i].size));
		for (k = 0; k < 2; k++)
			bandwidth(q, mr[k], amounts[i].size, 2);
		for (k = 0; k < 2; k++)
			bench_result(name, config[k], "bandwidth",
				     bandwidth(q, mr[k], amounts[i].size,
					       bench_amount(opts,
							    amounts[i].ops,
							    2)));
	}
	bench_check_kind(kind, 2);
	for (k = 0; k < 2; k++)
		bench_dereg(mr[k]);
	vt_mem_free(&mem);
}

void bench_qps(struct vt_dev *dev, const struct bench_opts *opts)
{
	static struct qps q;
	int round;

	qps_open(&q, dev);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("qps", round);
		measure_kind(&q, dev, &vt_mem_host, opts);
		measure_kind(&q, dev, &vt_mem_vram, opts);
	}
	qps_close(&q);
}
