/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the groups of benchmarks share. A group is a file with one function; it
 * measures and calls bench_result() for each number. One number is one line of
 * JSON on standard output:
 *
 *   {"group": "register", "case": "...", "config": "...", "metric": "ns",
 *    "round": 1, "value": 123.4}
 *
 * What is compared with what, and with which target, is in report.py.
 *
 * The amounts are fixed, not the time, so that runs are comparable, and repeat
 * where the machine counts instructions. What is compared is measured in turns.
 */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"

#define PAGE 4096UL

/**
 * struct bench_opts - the command line
 * @group:     what to measure
 * @config:    of group traffic: the name of the results
 * @kind:      of group traffic: the memory
 * @on_demand: of group traffic: register it so
 * @rounds:    of all measurements
 * @round:     number of the first
 * @divide:    do only a part of the operations
 * @wait:      sleep until a completion comes
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

/* ---- bench.c: the frame ---- */

__attribute__((noreturn)) void bench_die(const char *what, int error);
/* Ends the program unless @ret is 0. */
void bench_check(const char *what, int ret);
int64_t bench_now(void);
/* @ops divided as the user wishes, but not below @least. */
int bench_amount(const struct bench_opts *opts, int ops, int least);
double bench_median(int64_t *values, int n);
const char *bench_size(uint64_t size);
/* Where the results that follow belong to. */
void bench_begin(const char *group, int round);
void bench_result(const char *name, const char *config, const char *metric,
		  double value);

extern const char *const bench_ns;

/* ---- memory and registrations, or the program ends ---- */

/* All pages are there, and the CPU has them mapped. */
void bench_alloc(struct vt_mem *mem, const struct vt_mem_kind *kind,
		 size_t length);
struct ibv_mr *bench_reg(struct ibv_pd *pd, void *addr, size_t length,
			 bool on_demand);
void bench_dereg(struct ibv_mr *mr);
/* Brings pages for writing, and returns when they are there. */
void bench_prefetch(struct ibv_mr *mr, void *addr, size_t length);
/* A store into every @stride bytes. */
void bench_touch(void *addr, size_t length, size_t stride);
/* The exporter of this kind has as many registrations at the least. */
void bench_check_kind(const struct vt_mem_kind *kind, unsigned int regions);

/* ---- link.c: operations over a pair of queue pairs ---- */

#define LINK_DEPTH 32

enum bench_op { BENCH_WRITE, BENCH_READ, BENCH_SEND, BENCH_OPS };

extern const char *const bench_op_name[];

/* @early: completions of each end that were found in passing */
struct bench_link {
	struct vt_pair pair;
	struct ibv_comp_channel *channel;	/* NULL: poll */
	int early[2];
};

/* What an operation is done with; bytes go from or to @local. */
struct bench_way {
	enum bench_op op;
	struct ibv_sge local;
	struct ibv_sge remote;	/* .lkey is the rkey but for SEND */
};

void link_open(struct bench_link *link, struct vt_dev *dev, bool wait);
void link_close(struct bench_link *link);
struct bench_way link_way(enum bench_op op, struct ibv_mr *local,
			  const void *from, struct ibv_mr *remote,
			  const void *to, uint32_t size);
void link_post(struct bench_link *link, const struct bench_way *way);
void link_finish(struct bench_link *link, const struct bench_way *way);
/* Posts one and waits for it. Return: nanoseconds. */
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
