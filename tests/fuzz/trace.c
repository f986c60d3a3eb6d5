// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Records operations and results, and checks results. Two runs with the same seed
 * have the same hash of all records.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"

static void mix(struct fz_trace *trace, uint64_t value)
{
	trace->hash = fz_hash(trace->hash ^ value) + value;
}

void fz_print_record(const struct fz_record *r)
{
	int i;

	fprintf(stderr, "# %s", r->op);
	for (i = 0; i < FZ_ARGS; i++)
		fprintf(stderr, " %#" PRIx64, r->arg[i]);
	if (!r->done)
		fprintf(stderr, " = ?\n");
	else if (r->ret < 0)
		fprintf(stderr, " = %s\n", strerrorname_np(-r->ret) ?: "?");
	else
		fprintf(stderr, " = %" PRId64 "\n", r->ret);
}

void fz_begin(struct fz_run *run, const char *op, uint64_t a, uint64_t b,
	      uint64_t c, uint64_t d, uint64_t e)
{
	struct fz_trace *trace = run->trace;
	struct fz_record *r = &trace->ring[trace->count++ % FZ_RING];
	const char *at;
	int i;

	*r = (struct fz_record){ .op = op, .arg = { a, b, c, d, e } };
	for (at = op; *at; at++)
		mix(trace, *at);
	for (i = 0; i < FZ_ARGS; i++)
		mix(trace, r->arg[i]);
}

void fz_end(struct fz_run *run, long ret)
{
	mix(run->trace, ret);
	fz_end_unhashed(run, ret);
}

void fz_end_unhashed(struct fz_run *run, long ret)
{
	struct fz_trace *trace = run->trace;
	struct fz_record *r = &trace->ring[(trace->count - 1) % FZ_RING];

	r->ret = ret;
	r->done = true;
	if (trace->verbose)
		fz_print_record(r);
}

static void add(uint64_t *set, int err)
{
	set[err / 64] |= 1ULL << err % 64;
}

static bool has(const uint64_t *set, int err)
{
	return err < 192 && set[err / 64] >> err % 64 & 1;
}

void fz_must(struct fz_want *want, int err)
{
	add(want->must, err);
}

void fz_may(struct fz_want *want, int err)
{
	add(want->may, err);
}

void fz_check(struct fz_run *run, const struct fz_want *want, long ret)
{
	bool must_fail = want->must[0] || want->must[1] || want->must[2];
	bool good;

	if (run->world->racing)
		return;
	if (ret >= 0)
		good = !must_fail;
	else
		good = has(want->must, -ret) || has(want->may, -ret);
	if (!good)
		fz_fail(run, "got %s, expected %s (sets %#" PRIx64 " %#" PRIx64 ", %#" PRIx64 " %#" PRIx64 ")",
			ret < 0 ? strerrorname_np(-ret) ?: "?" : "success",
			must_fail ? "an error" : "success", want->must[0],
			want->must[1], want->may[0], want->may[1]);
}

void fz_fail(struct fz_run *run, const char *format, ...)
{
	struct fz_trace *trace = run->trace;
	va_list args;

	va_start(args, format);
	vsnprintf(trace->message, sizeof(trace->message), format, args);
	va_end(args);
	_exit(1);
}
