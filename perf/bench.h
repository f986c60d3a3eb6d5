/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface of the benchmark groups. A group is a file with one function that
 * measures and calls bench_result() for each value. Each value is one line of
 * JSON on standard output:
 *
 *   {"group": "register", "case": "...", "config": "...", "metric": "ns",
 *    "round": 1, "value": 123.4}
 *
 * report.py defines the comparisons and their targets.
 *
 * The number of operations is fixed, not the time. So runs are comparable, and
 * with --icount the values are repeatable. Configurations that are compared are
 * measured alternately.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define PAGE 4096UL

/**
 * struct bench_opts - command line options
 * @group:     name of the benchmark group
 * @config:    group traffic: configuration name in the results
 * @kind:      group traffic: kind of memory
 * @on_demand: group traffic: register on demand
 * @rounds:    number of rounds of all measurements
 * @round:     number of the first round
 * @divide:    divisor of the number of operations
 * @wait:      sleep until a completion arrives; else poll
 */
struct bench_opts {
	const char *group;
	const char *config;
	const struct vt_mem_kind *kind;
	bool on_demand;
	int rounds;
	int round;
	int divide;
	bool wait;
};

/* ---- bench.c: main program, time, results ---- */

__attribute__((noreturn)) void bench_die(const char *what, int error);
/* Exits with a message unless @ret is 0. */
void bench_check(const char *what, int ret);
/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t bench_now(void);
/* @ops divided by the option --divide, but at least @least. */
int bench_amount(const struct bench_opts *opts, int ops, int least);
double bench_median(int64_t *values, int n);
const char *bench_size(uint64_t size);
/* Sets group and round of the following results. */
void bench_begin(const char *group, int round);
void bench_result(const char *name, const char *config, const char *metric,
		  double value);

extern const char *const bench_ns;

/* ---- memory and registrations; an error ends the program ---- */

/* Allocates memory whose pages are all present and mapped by the CPU. */
void bench_alloc(struct vt_mem *mem, const struct vt_mem_kind *kind,
		 size_t length);
struct ibv_mr *bench_reg(struct ibv_pd *pd, void *addr, size_t length,
			 bool on_demand);
void bench_dereg(struct ibv_mr *mr);
/* Prefetches pages for writing. Returns when they are present in the MR. */
void bench_prefetch(struct ibv_mr *mr, void *addr, size_t length);
/* Stores one byte in every @stride bytes. */
void bench_touch(void *addr, size_t length, size_t stride);
/* Checks that the exporter of @kind has at least @regions registrations. */
void bench_check_kind(const struct vt_mem_kind *kind, unsigned int regions);

/* ---- link.c: operations over a pair of queue pairs ---- */

#define LINK_DEPTH 32

enum bench_op { BENCH_WRITE, BENCH_READ, BENCH_SEND, BENCH_OPS };

extern const char *const bench_op_name[];

/* @early: completions of each end that wait_event() has polled */
struct bench_link {
	struct vt_pair pair;
	struct ibv_comp_channel *channel;	/* NULL: poll */
	int early[2];
};

/* Parameters of an operation. READ writes to @local, the others read from it. */
struct bench_way {
	enum bench_op op;
	struct ibv_sge local;
	struct ibv_sge remote;	/* .lkey is the rkey, except for SEND */
};

void link_open(struct bench_link *link, struct vt_dev *dev, bool wait);
void link_close(struct bench_link *link);
struct bench_way link_way(enum bench_op op, struct ibv_mr *local,
			  const void *from, struct ibv_mr *remote,
			  const void *to, uint32_t size);
void link_post(struct bench_link *link, const struct bench_way *way);
void link_finish(struct bench_link *link, const struct bench_way *way);
/* Posts one operation and waits for its end. Returns the time in nanoseconds. */
int64_t link_one(struct bench_link *link, const struct bench_way *way);

/* ---- the groups ---- */

void bench_traffic(struct vt_dev *dev, const struct bench_opts *opts);
void bench_qps(struct vt_dev *dev, const struct bench_opts *opts);
void bench_register(struct vt_dev *dev, const struct bench_opts *opts);
void bench_fault(struct vt_dev *dev, const struct bench_opts *opts);
void bench_invalidate(struct vt_dev *dev, const struct bench_opts *opts);
void bench_memory(struct vt_dev *dev, const struct bench_opts *opts);
void bench_staging(struct vt_dev *dev, const struct bench_opts *opts);
void bench_files(struct vt_dev *dev, const struct bench_opts *opts);

#endif
