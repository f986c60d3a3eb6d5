// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Main program of the benchmarks: command line, time, results. See bench.h.
 */
#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "lib/counters.h"
#include "lib/raw.h"

static const struct {
	const char *name;
	void (*run)(struct vt_dev *dev, const struct bench_opts *opts);
	bool anywhere;	/* run on all processors, not only on the first */
} groups[] = {
	{ "traffic", bench_traffic, false },
	{ "qps", bench_qps, true },
	{ "register", bench_register, false },
	{ "fault", bench_fault, false },
	{ "invalidate", bench_invalidate, false },
	{ "memory", bench_memory, false },
	{ "staging", bench_staging, false },
	{ "files", bench_files, false },
};

#define NUM_GROUPS (sizeof(groups) / sizeof(groups[0]))

const char *const bench_ns = "ns";

static const char *current_group;
static int current_round;

void bench_die(const char *what, int error)
{
	fprintf(stderr, "verbs_bench: %s: %s\n", what,
		error < 0 ? strerror(-error) : ibv_wc_status_str(error));
	exit(1);
}

void bench_check(const char *what, int ret)
{
	if (ret)
		bench_die(what, ret);
}

int64_t bench_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int bench_amount(const struct bench_opts *opts, int ops, int least)
{
	return ops / opts->divide > least ? ops / opts->divide : least;
}

static int by_value(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts @values. */
double bench_median(int64_t *values, int n)
{
	qsort(values, n, sizeof(*values), by_value);
	return n % 2 ? values[n / 2] :
		       (values[n / 2 - 1] + values[n / 2]) / 2.0;
}

/* The result is valid until the eighth call after this one. */
const char *bench_size(uint64_t size)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
	static char names[8][32];
	static unsigned int next;
	char *name = names[next++ % 8];
	unsigned int unit = 0;

	while (size >= 1024 && !(size % 1024) && unit < 4) {
		size /= 1024;
		unit++;
	}
	snprintf(name, sizeof(names[0]), "%llu %s", (unsigned long long)size,
		 units[unit]);
	return name;
}

void bench_begin(const char *group, int round)
{
	current_group = group;
	current_round = round;
}

void bench_result(const char *name, const char *config, const char *metric,
		  double value)
{
	printf("{\"group\": \"%s\", \"case\": \"%s\", \"config\": \"%s\", \"metric\": \"%s\", \"round\": %d, \"value\": %.1f}\n",
	       current_group, name, config, metric, current_round, value);
	fflush(stdout);
}

/* ---- memory and registrations ---- */

void bench_alloc(struct vt_mem *mem, const struct vt_mem_kind *kind,
		 size_t length)
{
	bench_check(kind->name, vt_mem_alloc(mem, kind, length, 0));
	/* In this order, adjacent pages are not physically contiguous. */
	bench_touch(mem->addr, length, 2 * PAGE);
	bench_touch(mem->addr, length, PAGE);
}

struct ibv_mr *bench_reg(struct ibv_pd *pd, void *addr, size_t length,
			 bool on_demand)
{
	int access = VT_ACCESS_ALL | (on_demand ? IBV_ACCESS_ON_DEMAND : 0);
	struct ibv_mr *mr = ibv_reg_mr_iova(pd, addr, length, (uintptr_t)addr,
					    access);

	if (!mr)
		bench_die("ibv_reg_mr", -errno);
	return mr;
}

void bench_dereg(struct ibv_mr *mr)
{
	bench_check("ibv_dereg_mr", -ibv_dereg_mr(mr));
}

void bench_prefetch(struct ibv_mr *mr, void *addr, size_t length)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)addr,
		.length = length,
		.lkey = mr->lkey,
	};

	bench_check("prefetch",
		    vt_advise_mr(mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				 IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
}

void bench_touch(void *addr, size_t length, size_t stride)
{
	volatile uint8_t *bytes = addr;
	size_t at;

	for (at = 0; at < length; at += stride)
		bytes[at] = at;
}

void bench_check_kind(const struct vt_mem_kind *kind, unsigned int regions)
{
	struct vt_counters c;

	bench_check("reading the counters", vt_counters_read(kind, &c));
	if (kind->exporter && c.alloc_mrs < c.dealloc_mrs + regions)
		bench_die("the exporter has too few registrations", -ENXIO);
}

/* ---- command line ---- */

static void usage(void)
{
	fputs("usage: verbs_bench GROUP [OPTION...]\n"
	      "groups: traffic qps register fault invalidate memory staging files\n"
	      "  --rounds N   number of rounds of all measurements (default 1)\n"
	      "  --round N    number of the first round (default 1)\n"
	      "  --divide N   divide the number of operations by N (default 1)\n"
	      "  --wait       sleep until a completion arrives (default: poll)\n"
	      "traffic only:\n"
	      "  --config NAME       configuration in the results (default: the memory)\n"
	      "  --memory host|vram  memory of both sides (default: host)\n"
	      "  --on-demand         register on demand\n"
	      "N is a number from 1 to 1000000.\n",
	      stderr);
	exit(2);
}

static int number(const char *text)
{
	char *end;
	long value = strtol(text, &end, 10);

	if (*end || value < 1 || value > 1000000)
		usage();
	return value;
}

static const struct option options[] = {
	{ "rounds", required_argument, NULL, 'r' },
	{ "round", required_argument, NULL, 'n' },
	{ "divide", required_argument, NULL, 'd' },
	{ "wait", no_argument, NULL, 'w' },
	{ "config", required_argument, NULL, 'c' },
	{ "memory", required_argument, NULL, 'm' },
	{ "on-demand", no_argument, NULL, 'o' },
	{ 0 },
};

static void parse_option(struct bench_opts *opts, int option)
{
	switch (option) {
	case 'r':
		opts->rounds = number(optarg);
		break;
	case 'n':
		opts->round = number(optarg);
		break;
	case 'd':
		opts->divide = number(optarg);
		break;
	case 'w':
		opts->wait = true;
		break;
	case 'c':
		opts->config = optarg;
		break;
	case 'm':
		opts->kind = vt_mem_kind_find(optarg);
		break;
	case 'o':
		opts->on_demand = true;
		break;
	default:
		usage();
	}
}

static void parse(struct bench_opts *opts, int argc, char **argv)
{
	int option;

	*opts = (struct bench_opts){
		.kind = &vt_mem_host, .rounds = 1, .round = 1, .divide = 1,
	};
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1)
		parse_option(opts, option);
	if (!opts->kind || optind + 1 != argc)
		usage();
	opts->group = argv[optind];
	if (!opts->config)
		opts->config = opts->kind->name;
}

/* The program runs on the first processor, Soft-RoCE's workers on the others. */
static void stay_on_first(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

int main(int argc, char **argv)
{
	struct bench_opts opts;
	struct vt_dev dev;
	unsigned int i = 0;

	parse(&opts, argc, argv);
	while (i < NUM_GROUPS && strcmp(groups[i].name, opts.group))
		i++;
	if (i == NUM_GROUPS)
		usage();
	if (!groups[i].anywhere)
		stay_on_first();
	bench_check("opening the device", vt_dev_open(&dev));
	groups[i].run(&dev, &opts);
	vt_dev_close(&dev);
	return 0;
}
