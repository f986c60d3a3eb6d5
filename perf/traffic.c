// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Bandwidth and latency of WRITE, READ and SEND between two buffers of one kind
 * of memory. With on-demand MRs, the first operations fault in the pages, so they
 * are present when the measurement starts.
 *
 * Bandwidth: bytes per second with the queue kept full. Latency: nanoseconds of
 * single operations, one after another.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

#define MAX_SIZE (1024 * 1024)

static const struct {
	uint32_t size;
	int bandwidth_ops;
	int latency_ops;
} amounts[] = {
	{ 64, 1024, 400 },
	{ 4096, 512, 300 },
	{ 65536, 96, 48 },
	{ MAX_SIZE, 8, 6 },
};

static double bandwidth(struct bench_link *link, const struct bench_way *way,
			int ops)
{
	int64_t start = bench_now();
	int posted = 0, done;

	for (done = 0; done < ops; done++) {
		for (; posted < ops && posted < done + LINK_DEPTH; posted++)
			link_post(link, way);
		link_finish(link, way);
	}
	return (double)ops * way->local.length * 1e9 / (bench_now() - start);
}

static void latency(struct bench_link *link, const struct bench_way *way,
		    int ops, const char *name, const char *config)
{
	int64_t *took = calloc(ops, sizeof(*took));
	int i;

	if (!took)
		bench_die("memory", -ENOMEM);
	for (i = 0; i < ops; i++)
		took[i] = link_one(link, way);
	bench_result(name, config, "p50", bench_median(took, ops));
	bench_result(name, config, "p99", took[ops - 1 - ops / 100]);
	free(took);
}

static void measure(struct bench_link *link, struct vt_buf *from,
		    struct vt_buf *to, enum bench_op op, size_t i,
		    const struct bench_opts *opts)
{
	uint32_t size = amounts[i].size;
	struct bench_way way = link_way(op, from->mr, from->mem.addr, to->mr,
					to->mem.addr, size);
	char name[64];

	snprintf(name, sizeof(name), "%-5s %7s", bench_op_name[op],
		 bench_size(size));
	/* Warm up: cold caches, untouched pages. */
	bandwidth(link, &way, 4);
	bench_result(name, opts->config, "bandwidth",
		     bandwidth(link, &way,
			       bench_amount(opts, amounts[i].bandwidth_ops,
					    2)));
	latency(link, &way, bench_amount(opts, amounts[i].latency_ops, 2),
		name, opts->config);
}

void bench_traffic(struct vt_dev *dev, const struct bench_opts *opts)
{
	struct vt_buf_opts how = {
		.access = VT_ACCESS_ALL |
			  (opts->on_demand ? IBV_ACCESS_ON_DEMAND : 0),
	};
	struct bench_link link;
	struct vt_buf from, to;
	enum bench_op op;
	size_t i;
	int round;

	link_open(&link, dev, opts->wait);
	bench_check("setting up",
		    vt_buf_open(&from, dev, opts->kind, MAX_SIZE, &how));
	bench_check("setting up",
		    vt_buf_open(&to, dev, opts->kind, MAX_SIZE, &how));
	vt_buf_fill(&from, 1);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("traffic", round);
		for (op = BENCH_WRITE; op < BENCH_OPS; op++)
			for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]);
			     i++)
				measure(&link, &from, &to, op, i, opts);
	}
	/* Check that both MRs were on the exporter's memory. */
	bench_check_kind(opts->kind, 2);
	link_close(&link);
	vt_buf_close(&from);
	vt_buf_close(&to);
}
