// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA to and from video memory (pinned, on demand), compared with RDMA to a
 * bounce buffer in host memory and a copy by the CPU through the mapping of the
 * BO (staged). The bounce buffer and the mapping are set up before; the bounce
 * buffer is pinned.
 *
 * Latency: one transfer after another. Throughput: several transfers in flight,
 * each with its own bounce buffer. The copy of one runs while others are in
 * flight, so on more than one processor it costs no time.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define MAX_SIZE (1024 * 1024UL)
#define DEPTH 4		/* transfers in flight */

static const struct {
	uint32_t size;
	int ops;
} amounts[] = {
	{ 64, 400 },
	{ 4096, 300 },
	{ 65536, 48 },
	{ MAX_SIZE, 8 },
};

enum how { STAGED, PINNED, ON_DEMAND, HOWS };

static const char *const how_name[] = { "staged", "pinned", "on demand" };

struct staging {
	struct bench_link link;
	struct vt_mem far;	/* host memory of the other side */
	struct vt_mem bounce;
	struct vt_mem vram;
	struct ibv_mr *far_mr;
	struct ibv_mr *mr[HOWS];	/* on the bounce buffer, or on the BO */
};

/*
 * Parameters of the transfer in slot @slot of DEPTH: a WRITE to the VRAM or the
 * bounce buffer, or a READ of it.
 */
static struct bench_way way_of(struct staging *s, enum how how,
			       enum bench_op op, uint32_t size, int slot)
{
	uint8_t *to = how == STAGED ? s->bounce.addr : s->vram.addr;

	return link_way(op, s->far_mr, s->far.addr + slot * MAX_SIZE,
			s->mr[how], to + slot * MAX_SIZE, size);
}

static void before(struct staging *s, enum how how, enum bench_op op,
		   uint32_t size, int slot)
{
	if (how == STAGED && op == BENCH_READ)
		memcpy(s->bounce.addr + slot * MAX_SIZE,
		       s->vram.addr + slot * MAX_SIZE, size);
}

static void after(struct staging *s, enum how how, enum bench_op op,
		  uint32_t size, int slot)
{
	if (how == STAGED && op == BENCH_WRITE)
		memcpy(s->vram.addr + slot * MAX_SIZE,
		       s->bounce.addr + slot * MAX_SIZE, size);
}

static double latency(struct staging *s, enum how how, enum bench_op op,
		      uint32_t size, int ops)
{
	struct bench_way way = way_of(s, how, op, size, 0);
	int64_t *took = calloc(ops, sizeof(*took));
	double ns;
	int i;

	if (!took)
		bench_die("memory", -ENOMEM);
	for (i = 0; i < ops; i++) {
		took[i] = bench_now();
		before(s, how, op, size, 0);
		link_post(&s->link, &way);
		link_finish(&s->link, &way);
		after(s, how, op, size, 0);
		took[i] = bench_now() - took[i];
	}
	ns = bench_median(took, ops);
	free(took);
	return ns;
}

static double throughput(struct staging *s, enum how how, enum bench_op op,
			 uint32_t size, int ops)
{
	int64_t start = bench_now();
	struct bench_way way;
	int posted = 0, done;

	for (done = 0; done < ops; done++) {
		for (; posted < ops && posted < done + DEPTH; posted++) {
			way = way_of(s, how, op, size, posted % DEPTH);
			before(s, how, op, size, posted % DEPTH);
			link_post(&s->link, &way);
		}
		link_finish(&s->link, &way);
		after(s, how, op, size, done % DEPTH);
	}
	return (double)ops * size * 1e9 / (bench_now() - start);
}

static void measure(struct staging *s, enum bench_op op, uint32_t size,
		    int ops)
{
	char name[64];
	enum how how;

	snprintf(name, sizeof(name), "%-5s %7s", bench_op_name[op],
		 bench_size(size));
	for (how = STAGED; how < HOWS; how++)
		throughput(s, how, op, size, DEPTH);
	for (how = STAGED; how < HOWS; how++)
		bench_result(name, how_name[how], bench_ns,
			     latency(s, how, op, size, ops));
	for (how = STAGED; how < HOWS; how++)
		bench_result(name, how_name[how], "bandwidth",
			     throughput(s, how, op, size, ops));
}

static void staging_open(struct staging *s, struct vt_dev *dev, bool wait)
{
	const size_t length = DEPTH * MAX_SIZE;

	link_open(&s->link, dev, wait);
	bench_alloc(&s->far, &vt_mem_host, length);
	bench_alloc(&s->bounce, &vt_mem_host, length);
	bench_alloc(&s->vram, &vt_mem_vram, length);
	s->far_mr = bench_reg(dev->pd, s->far.addr, length, false);
	s->mr[STAGED] = bench_reg(dev->pd, s->bounce.addr, length, false);
	s->mr[PINNED] = bench_reg(dev->pd, s->vram.addr, length, false);
	s->mr[ON_DEMAND] = bench_reg(dev->pd, s->vram.addr, length, true);
	bench_prefetch(s->mr[ON_DEMAND], s->vram.addr, length);
	bench_check_kind(&vt_mem_vram, 2);
}

static void staging_close(struct staging *s)
{
	enum how how;

	for (how = STAGED; how < HOWS; how++)
		bench_dereg(s->mr[how]);
	bench_dereg(s->far_mr);
	vt_mem_free(&s->vram);
	vt_mem_free(&s->bounce);
	vt_mem_free(&s->far);
	link_close(&s->link);
}

void bench_staging(struct vt_dev *dev, const struct bench_opts *opts)
{
	static struct staging s;
	unsigned int i;
	int round;

	staging_open(&s, dev, opts->wait);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("staging", round);
		for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
			int ops = bench_amount(opts, amounts[i].ops, DEPTH);

			measure(&s, BENCH_WRITE, amounts[i].size, ops);
			measure(&s, BENCH_READ, amounts[i].size, ops);
		}
	}
	staging_close(&s);
}
