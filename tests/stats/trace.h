/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Events of the core's tracepoints, in a tracefs instance of the test.
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
/* Reads and clears the events since the last call. Return: 0 or -errno. */
int trace_take(struct trace *trace);
/* The same, after an event @name or the timeout. */
int trace_take_until(struct trace *trace, const char *name, int timeout_ms);
void trace_stop(void);

/* Return: event number @n (from 0) of the name @name, or NULL. */
const struct trace_event *trace_find(const struct trace *trace,
				     const char *name, int n);

/* Return: the value of a field such as "addr", or LLONG_MIN if there is none. */
long long trace_hex(const struct trace_event *event, const char *field);
long long trace_dec(const struct trace_event *event, const char *field);

/* Prints all events as TAP comments. */
void trace_print(const struct trace *trace);

#endif
