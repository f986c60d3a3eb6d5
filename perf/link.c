// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations over a connected pair of queue pairs, both in this process.
 *
 * Completions are polled on a processor that Soft-RoCE's workers do not use
 * (bench_guest.sh). With one processor, the program waits for events instead.
 */
#include <errno.h>

#include "bench.h"

const char *const bench_op_name[] = { "write", "read", "send" };

void link_open(struct bench_link *link, struct vt_dev *dev, bool wait)
{
	struct vt_pair_opts opts = {
		.depth = 2 * LINK_DEPTH, .mtu = IBV_MTU_4096,
	};

	*link = (struct bench_link){ 0 };
	if (wait) {
		link->channel = ibv_create_comp_channel(dev->ctx);
		if (!link->channel)
			bench_die("ibv_create_comp_channel", -errno);
		opts.channel = link->channel;
	}
	bench_check("connecting", vt_pair_open(&link->pair, dev, &opts));
}

void link_close(struct bench_link *link)
{
	vt_pair_close(&link->pair);
	if (link->channel)
		ibv_destroy_comp_channel(link->channel);
}

struct bench_way link_way(enum bench_op op, struct ibv_mr *local,
			  const void *from, struct ibv_mr *remote,
			  const void *to, uint32_t size)
{
	return (struct bench_way){
		.op = op,
		.local = { (uintptr_t)from, size, local->lkey },
		.remote = { (uintptr_t)to, size,
			    op == BENCH_SEND ? remote->lkey : remote->rkey },
	};
}

void link_post(struct bench_link *link, const struct bench_way *way)
{
	struct ibv_sge local = way->local, remote = way->remote;
	struct ibv_send_wr wr = {
		.opcode = way->op == BENCH_WRITE ? IBV_WR_RDMA_WRITE :
			  way->op == BENCH_READ ? IBV_WR_RDMA_READ :
						  IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &local,
		.num_sge = 1,
	};

	if (way->op == BENCH_SEND) {
		bench_check("ibv_post_recv",
			    vt_post_recv(&link->pair.end[1], &remote, 1));
	} else {
		wr.wr.rdma.remote_addr = remote.addr;
		wr.wr.rdma.rkey = remote.lkey;
	}
	bench_check("ibv_post_send", vt_post_send(&link->pair.end[0], &wr));
}

static bool poll_once(struct vt_end *end)
{
	struct ibv_wc wc;
	int n = ibv_poll_cq(end->cq, 1, &wc);

	if (n < 0)
		bench_die("ibv_poll_cq", -EIO);
	if (n && wc.status)
		bench_die("completion", wc.status);
	return n;
}

/*
 * Sleeps until an event arrives. If a completion arrived before the CQ was armed,
 * counts it in link->early and returns at once.
 */
static void wait_event(struct bench_link *link, int which)
{
	struct vt_end *end = &link->pair.end[which];
	struct ibv_cq *cq;
	void *context;

	if (ibv_req_notify_cq(end->cq, 0))
		bench_die("ibv_req_notify_cq", -EIO);
	if (poll_once(end)) {
		link->early[which]++;
		return;
	}
	if (ibv_get_cq_event(link->channel, &cq, &context))
		bench_die("ibv_get_cq_event", -errno);
	ibv_ack_cq_events(cq, 1);
}

static void reap(struct bench_link *link, int which)
{
	long tries;

	/* The completion is expected soon, so the limit needs no clock. */
	for (tries = 0; tries < 4000000000; tries++) {
		if (link->early[which]) {
			link->early[which]--;
			return;
		}
		if (poll_once(&link->pair.end[which]))
			return;
		if (link->channel)
			wait_event(link, which);
	}
	bench_die("completion", -ETIMEDOUT);
}

void link_finish(struct bench_link *link, const struct bench_way *way)
{
	reap(link, 0);
	if (way->op == BENCH_SEND)
		reap(link, 1);
}

int64_t link_one(struct bench_link *link, const struct bench_way *way)
{
	int64_t start = bench_now();

	link_post(link, way);
	link_finish(link, way);
	return bench_now() - start;
}
