// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See trace.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/proc.h"
#include "trace.h"

#define INSTANCE "/sys/kernel/tracing/instances/stats"
#define PREFIX ": ib_peer_"

int trace_start(void)
{
	if (mkdir(INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	return vt_write_file(INSTANCE "/events/ib_peer_mem/enable", "1");
}

void trace_stop(void)
{
	rmdir(INSTANCE);
}

/* Parses "  task-pid [cpu] flags time: ib_peer_fault: umem=... addr=...". */
static void trace_line(struct trace *trace, const char *line)
{
	struct trace_event *event = &trace->events[trace->count];
	const char *at = strstr(line, PREFIX);

	if (line[0] == '#' || !at || trace->count == TRACE_MAX)
		return;
	if (sscanf(at + strlen(PREFIX), "%31[a-z_]:%255[^\n]", event->name,
		   event->fields) == 2)
		trace->count++;
}

static int trace_read(struct trace *trace)
{
	FILE *file = fopen(INSTANCE "/trace", "re");
	char line[512];

	if (!file)
		return -errno;
	trace->count = 0;
	while (fgets(line, sizeof(line), file))
		trace_line(trace, line);
	fclose(file);
	return 0;
}

/* Opening the file for truncation clears the trace. */
static int trace_clear(void)
{
	FILE *file = fopen(INSTANCE "/trace", "we");

	if (!file)
		return -errno;
	fclose(file);
	return 0;
}

int trace_take(struct trace *trace)
{
	int ret = trace_read(trace);

	return ret ? ret : trace_clear();
}

int trace_take_until(struct trace *trace, const char *name, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;
	int ret;

	do {
		ret = trace_read(trace);
	} while (!ret && !trace_find(trace, name, 0) && vt_now_ms() < until);
	return ret ? ret : trace_clear();
}

const struct trace_event *trace_find(const struct trace *trace,
				     const char *name, int n)
{
	int i;

	for (i = 0; i < trace->count; i++)
		if (!strcmp(trace->events[i].name, name) && !n--)
			return &trace->events[i];
	return NULL;
}

static long long trace_field(const struct trace_event *event,
			     const char *field, int base)
{
	char key[32];
	char *at;

	if (!event)
		return LLONG_MIN;
	snprintf(key, sizeof(key), " %s=", field);
	at = strstr(event->fields, key);
	return at ? (long long)strtoull(at + strlen(key), NULL, base) :
		    LLONG_MIN;
}

long long trace_hex(const struct trace_event *event, const char *field)
{
	return trace_field(event, field, 16);
}

long long trace_dec(const struct trace_event *event, const char *field)
{
	return trace_field(event, field, 10);
}

void trace_print(const struct trace *trace)
{
	int i;

	for (i = 0; i < trace->count; i++)
		printf("# %s:%s\n", trace->events[i].name,
		       trace->events[i].fields);
}
