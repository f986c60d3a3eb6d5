/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The core's tracepoints, into an instance of tracefs of our own.
 */
#ifndef STATS_TRACE_H
#define STATS_TRACE_H

/*
 * struct trace_event - a line of the trace
 * @name:   "fault", "publish", "invalidate" or "region_dead"
 * @fields: " umem=... addr=...", as in the trace
 */
struct trace_event {
	char name[32];
	char fields[256];
};

#define TRACE_MAX 64

struct trace {
	struct trace_event events[TRACE_MAX];
	int count;
};

/* Return: 0 or -errno. */
int trace_start(void);
/* Takes what came since the last time. Return: 0 or -errno. */
int trace_take(struct trace *trace);
/* The same, but there is one of that name first, if it comes in time. */
int trace_take_until(struct trace *trace, const char *name, int timeout_ms);
void trace_stop(void);

/* The number @n, from 0, of that name; NULL: there are not so many. */
const struct trace_event *trace_find(const struct trace *trace,
				     const char *name, int n);

/* A field, e.g. "addr"; LLONG_MIN: no such field. */
long long trace_hex(const struct trace_event *event, const char *field);
long long trace_dec(const struct trace_event *event, const char *field);

/* Every event, as comment lines. */
void trace_print(const struct trace *trace);

#endif
