// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Bandwidth and latency of WRITE, READ and SEND between two buffers of one kind
 * of memory, through one connected pair, in this process.
 *
 * The amounts are fixed, not the time, so that runs are comparable, and repeat
 * exactly where the machine counts instructions. One JSON object a line:
 *
 *   {"op": "write", "size": 64, "bandwidth": [...], "p50": [...], "p99": [...]}
 *
 * a number for each repetition: bytes a second, and nanoseconds of one
 * operation after another.
 *
 * Completions are polled for, on a processor of our own (bench_guest.sh keeps
 * Soft-RoCE's workers off it); where there is only one, they are waited for.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/buf.h"
#include "lib/counters.h"

#define DEPTH 32
#define MAX_SIZE (1024 * 1024)
#define MAX_REPEATS 64

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

enum op { WRITE, READ, SEND, NUM_OPS };

static const char *const op_name[] = { "write", "read", "send" };

struct bench {
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf from;
	struct vt_buf to;
	struct ibv_comp_channel *channel; /* NULL: poll */
	int early[2]; /* completions of each end that were found in passing */
	bool wait;
	int repeats;
	int divide;
};

struct result {
	double bandwidth[MAX_REPEATS];
	double p50[MAX_REPEATS];
	double p99[MAX_REPEATS];
};

static void die(const char *what, int error)
{
	fprintf(stderr, "verbs_bench: %s: %s\n", what,
		error < 0 ? strerror(-error) : ibv_wc_status_str(error));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static bool poll_once(struct vt_end *end)
{
	struct ibv_wc wc;
	int n = ibv_poll_cq(end->cq, 1, &wc);

	if (n < 0)
		die("ibv_poll_cq", -EIO);
	if (n && wc.status)
		die("completion", wc.status);
	return n;
}

/* Sleeps until something has come since the CQ was armed, here or before. */
static void wait_event(struct bench *b, struct vt_end *end)
{
	struct ibv_cq *cq;
	void *context;

	if (ibv_req_notify_cq(end->cq, 0))
		die("ibv_req_notify_cq", -EIO);
	if (poll_once(end)) {
		b->early[end == &b->pair.end[1]]++;
		return;
	}
	if (ibv_get_cq_event(b->channel, &cq, &context))
		die("ibv_get_cq_event", -errno);
	ibv_ack_cq_events(cq, 1);
}

static void reap(struct bench *b, struct vt_end *end)
{
	int *early = &b->early[end == &b->pair.end[1]];
	long tries;

	/* What is waited for is on its way: no clock in this loop. */
	for (tries = 0; tries < 4000000000; tries++) {
		if (*early) {
			(*early)--;
			return;
		}
		if (poll_once(end))
			return;
		if (b->channel)
			wait_event(b, end);
	}
	die("completion", -ETIMEDOUT);
}

static void post(struct bench *b, enum op op, uint32_t size)
{
	struct ibv_sge sge = vt_sge(&b->from, 0, size);
	struct ibv_sge into = vt_sge(&b->to, 0, size);
	struct vt_remote remote = vt_remote(&b->to, 0);
	struct ibv_send_wr wr = {
		.opcode = op == WRITE ? IBV_WR_RDMA_WRITE :
			  op == READ ? IBV_WR_RDMA_READ : IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};
	int ret = 0;

	if (op == SEND) {
		ret = vt_post_recv(&b->pair.end[1], &into, 1);
	} else {
		wr.wr.rdma.remote_addr = remote.addr;
		wr.wr.rdma.rkey = remote.rkey;
	}
	if (!ret)
		ret = vt_post_send(&b->pair.end[0], &wr);
	if (ret)
		die("posting", ret);
}

static void finish(struct bench *b, enum op op)
{
	reap(b, &b->pair.end[0]);
	if (op == SEND)
		reap(b, &b->pair.end[1]);
}

/* Bytes a second, with the queue kept full. */
static double bandwidth(struct bench *b, enum op op, uint32_t size, int ops)
{
	int64_t start = now_ns();
	int posted = 0, done;

	for (done = 0; done < ops; done++) {
		for (; posted < ops && posted < done + DEPTH; posted++)
			post(b, op, size);
		finish(b, op);
	}
	return (double)ops * size * 1e9 / (now_ns() - start);
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void latency(struct bench *b, enum op op, uint32_t size, int ops,
		    double *p50, double *p99)
{
	int64_t *took = calloc(ops, sizeof(*took));
	int i;

	if (!took)
		die("memory", -ENOMEM);
	for (i = 0; i < ops; i++) {
		int64_t start = now_ns();

		post(b, op, size);
		finish(b, op);
		took[i] = now_ns() - start;
	}
	qsort(took, ops, sizeof(*took), by_value);
	*p50 = took[ops / 2];
	*p99 = took[ops - 1 - ops / 100];
	free(took);
}

static int scaled(int ops, int divide)
{
	return ops / divide > 2 ? ops / divide : 2;
}

static void measure(struct bench *b, enum op op, size_t i, struct result *r)
{
	uint32_t size = amounts[i].size;
	int n;

	/* The first operations find cold caches and untouched pages. */
	bandwidth(b, op, size, 4);
	for (n = 0; n < b->repeats; n++) {
		r->bandwidth[n] = bandwidth(b, op, size,
					    scaled(amounts[i].bandwidth_ops,
						   b->divide));
		latency(b, op, size, scaled(amounts[i].latency_ops, b->divide),
			&r->p50[n], &r->p99[n]);
	}
}

static void print_list(const char *name, const double *values, int n)
{
	int i;

	printf(", \"%s\": [", name);
	for (i = 0; i < n; i++)
		printf("%s%.0f", i ? ", " : "", values[i]);
	printf("]");
}

static void open_all(struct bench *b, const struct vt_mem_kind *kind)
{
	struct vt_pair_opts opts = { .depth = 2 * DEPTH, .mtu = IBV_MTU_4096 };
	int ret;

	ret = vt_dev_open(&b->dev);
	if (!ret && b->wait) {
		b->channel = ibv_create_comp_channel(b->dev.ctx);
		opts.channel = b->channel;
		ret = b->channel ? 0 : -errno;
	}
	if (!ret)
		ret = vt_pair_open(&b->pair, &b->dev, &opts);
	if (!ret)
		ret = vt_buf_open(&b->from, &b->dev, kind, MAX_SIZE, NULL);
	if (!ret)
		ret = vt_buf_open(&b->to, &b->dev, kind, MAX_SIZE, NULL);
	if (ret)
		die("setting up", ret);
}

/* The memory must be what it says it is: its owner has two registrations. */
static void check_kind(const struct vt_mem_kind *kind)
{
	struct vt_counters c;
	int ret = vt_counters_read(kind, &c);

	if (ret)
		die("reading the counters", ret);
	if (kind->client && c.alloc_mrs < c.dealloc_mrs + 2)
		die("the exporter knows of no registration", -ENXIO);
}

static void usage(void)
{
	fputs("usage: verbs_bench [--memory host|vram] [--repeats N] [--divide N]\n"
	      "                   [--wait]\n"
	      "  --memory   kind of memory, both sides (default host)\n"
	      "  --repeats  of each measurement (default 3)\n"
	      "  --divide   do only a part of the operations (default 1)\n"
	      "  --wait     sleep until a completion comes (default: poll)\n",
	      stderr);
	exit(2);
}

static const struct vt_mem_kind *parse(struct bench *b, int argc, char **argv)
{
	static const struct option options[] = {
		{ "memory", required_argument, NULL, 'm' },
		{ "repeats", required_argument, NULL, 'r' },
		{ "divide", required_argument, NULL, 'd' },
		{ "wait", no_argument, NULL, 'w' },
		{ 0 },
	};
	const struct vt_mem_kind *kind = &vt_mem_host;
	int option;

	b->repeats = 3;
	b->divide = 1;
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'm':
			kind = vt_mem_kind_find(optarg);
			break;
		case 'r':
			b->repeats = atoi(optarg);
			break;
		case 'd':
			b->divide = atoi(optarg);
			break;
		case 'w':
			b->wait = true;
			break;
		default:
			usage();
		}
	}
	if (!kind || optind != argc || b->divide < 1 || b->repeats < 1 ||
	    b->repeats > MAX_REPEATS)
		usage();
	return kind;
}

int main(int argc, char **argv)
{
	static struct bench b;
	const struct vt_mem_kind *kind = parse(&b, argc, argv);
	struct result r;
	cpu_set_t cpus;
	enum op op;
	size_t i;

	/* One processor for us; Soft-RoCE's workers have the others. */
	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	open_all(&b, kind);
	check_kind(kind);
	vt_buf_fill(&b.from, 1);
	for (op = WRITE; op < NUM_OPS; op++) {
		for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
			measure(&b, op, i, &r);
			printf("{\"op\": \"%s\", \"size\": %u", op_name[op],
			       amounts[i].size);
			print_list("bandwidth", r.bandwidth, b.repeats);
			print_list("p50", r.p50, b.repeats);
			print_list("p99", r.p99, b.repeats);
			printf("}\n");
			fflush(stdout);
		}
	}
	vt_pair_close(&b.pair);
	vt_buf_close(&b.from);
	vt_buf_close(&b.to);
	if (b.channel)
		ibv_destroy_comp_channel(b.channel);
	vt_dev_close(&b.dev);
	return 0;
}
