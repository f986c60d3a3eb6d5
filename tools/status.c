// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem status: the clients, as a table or as JSON. The table shows what is
 * registered now; JSON has the counters as they are.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <infiniband/peermem.h>

#include "status.h"

/* A client may come between two looks; then there is another. */
static int read_clients(struct peermem_client_stats **stats, size_t *count)
{
	size_t room = 0;
	void *more;
	int error;

	*stats = NULL;
	for (;;) {
		error = peermem_clients(*stats, sizeof(**stats), room, count);
		if (error || *count <= room)
			return error;
		room = *count;
		more = realloc(*stats, room * sizeof(**stats));
		if (!more)
			return ENOMEM;
		*stats = more;
	}
}

static void print_bytes(char *text, size_t room, uint64_t bytes)
{
	static const char units[] = "KMGTPE";
	double value = bytes / 1024.0;
	int unit = 0;

	while (value >= 1024 && units[unit + 1]) {
		value /= 1024;
		unit++;
	}
	if (bytes < 1024)
		snprintf(text, room, "%" PRIu64 " B", bytes);
	else
		snprintf(text, room, "%.1f %ciB", value, units[unit]);
}

/* Read one after the other, so the later may be ahead. */
static uint64_t now(uint64_t came, uint64_t went)
{
	return came > went ? came - went : 0;
}

static int is_for_people(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
	       strcmp(term, "dumb");
}

static void print_table(const struct peermem_client_stats *stats, size_t count)
{
	int bold = is_for_people();
	int width = strlen("CLIENT");
	char bytes[32];
	size_t i;

	for (i = 0; i < count; i++)
		if ((int)strlen(stats[i].name) > width)
			width = strlen(stats[i].name);
	printf("%s%-*s  %-10s %8s %12s %10s %13s %8s%s\n",
	       bold ? "\033[1m" : "", width, "CLIENT", "VERSION", "REGIONS",
	       "REGISTERED", "FAULTS", "INVALIDATIONS", "REVOKED",
	       bold ? "\033[0m" : "");
	for (i = 0; i < count; i++) {
		print_bytes(bytes, sizeof(bytes),
			    now(stats[i].reg_bytes, stats[i].dereg_bytes));
		printf("%-*s  %-10s %8" PRIu64 " %12s %10" PRIu64 " %13" PRIu64
		       " %8" PRIu64 "\n", width, stats[i].name,
		       *stats[i].version ? stats[i].version : "-",
		       now(stats[i].alloc_mrs, stats[i].dealloc_mrs), bytes,
		       stats[i].faults, stats[i].invalidations,
		       stats[i].free_callbacks);
	}
}

static void print_string(const char *text)
{
	putchar('"');
	for (; *text; text++) {
		unsigned char c = *text;

		if (c == '"' || c == '\\')
			printf("\\%c", c);
		else if (c < 0x20)
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void print_json_client(const struct peermem_client_stats *stats)
{
	printf("\n    {\n      \"name\": ");
	print_string(stats->name);
	printf(",\n      \"version\": ");
	print_string(stats->version);
#define PRINT(field)							\
	printf(",\n      \"" #field "\": %" PRIu64, stats->field)
	PRINT(alloc_mrs);
	PRINT(dealloc_mrs);
	PRINT(reg_pages);
	PRINT(dereg_pages);
	PRINT(reg_bytes);
	PRINT(dereg_bytes);
	PRINT(free_callbacks);
	PRINT(faults);
	PRINT(invalidations);
#undef PRINT
	printf("\n    }");
}

static void print_json(const struct peermem_client_stats *stats, size_t count)
{
	size_t i;

	printf("{\n  \"clients\": [");
	for (i = 0; i < count; i++) {
		if (i)
			putchar(',');
		print_json_client(&stats[i]);
	}
	printf("%s]\n}\n", count ? "\n  " : "");
}

int status_show(int json)
{
	struct peermem_client_stats *stats;
	size_t count;
	int error = read_clients(&stats, &count);

	if (error == ENOENT)
		fputs("peermem: ib_peer_mem is not loaded: modprobe ib_peer_mem\n",
		      stderr);
	else if (error)
		fprintf(stderr, "peermem: cannot read the counters: %s\n",
			strerror(error));
	else if (json)
		print_json(stats, count);
	else
		print_table(stats, count);
	free(stats);
	return error ? 1 : 0;
}
