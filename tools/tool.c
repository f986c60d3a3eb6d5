// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Messages, options, numbers and tables of the peermem tool. See tool.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static void print_message(const char *format, va_list args, const char *end)
{
	fputs("peermem: ", stderr);
	vfprintf(stderr, format, args);
	fputs(end, stderr);
}

int usage_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(format, args, "; see peermem --help\n");
	va_end(args);
	return 2;
}

int failure(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	print_message(format, args, "\n");
	va_end(args);
	return 1;
}

int core_failure(int error, const char *what)
{
	switch (error) {
	case ENOENT:
		return failure("module ib_peer_mem is not loaded (modprobe ib_peer_mem)");
	case EPERM:
		return failure("%s: access to another process requires CAP_SYS_PTRACE",
			      what);
	case ESRCH:
		return failure("%s: no such process, or it has no address space",
			      what);
	default:
		return failure("%s: %s", what, strerror(error));
	}
}

int next_option(int argc, char **argv, const struct option *options)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, "+:", options, NULL);
	if (option == '?')
		usage_error("%s: unrecognized option '%s'", argv[0],
			    argv[optind - 1]);
	if (option != ':')
		return option;
	usage_error("%s: option '%s' requires an argument", argv[0],
		    argv[optind - 1]);
	return '?';
}

int parse_number(const char *text, uint64_t *value)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	int shift = 0;

	errno = 0;
	*value = strtoull(text, &end, 0);
	if (errno || end == text || *text == '-')
		return EINVAL;
	if (*end) {
		unit = strchr(units, *end++);
		if (!unit)
			return EINVAL;
		shift = 10 * (unit - units + 1);
	}
	if (*end || *value > UINT64_MAX >> shift)
		return EINVAL;
	*value <<= shift;
	return 0;
}

void read_line(const char *path, char *line, int size)
{
	FILE *file = fopen(path, "re");

	if (!file)
		return;
	if (fgets(line, size, file))
		line[strcspn(line, "\n")] = 0;
	fclose(file);
}

int use_escapes(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
	       strcmp(term, "dumb");
}

const char *header_start(void)
{
	return use_escapes() ? "\033[1m" : "";
}

const char *header_end(void)
{
	return use_escapes() ? "\033[0m" : "";
}

struct size_text format_size(uint64_t value)
{
	static const char units[] = "KMGTPE";
	double scaled = value / 1024.0;
	struct size_text size;
	int unit = 0;

	while (scaled >= 1024 && units[unit + 1]) {
		scaled /= 1024;
		unit++;
	}
	if (value < 1024)
		snprintf(size.text, sizeof(size.text), "%" PRIu64 " B", value);
	else
		snprintf(size.text, sizeof(size.text), "%.1f %ciB", scaled,
			 units[unit]);
	return size;
}

/* Reads up to @room elements and stores the number of all elements in *count. */
typedef int (*read_fn)(pid_t pid, void *stats, size_t room, size_t *count);

/* Reads all elements. Tries again while the number of elements grows. */
static int read_all(read_fn read, pid_t pid, size_t size, void **stats,
		    size_t *count)
{
	size_t room = 0;
	void *more;
	int error;

	*stats = NULL;
	for (;;) {
		error = read(pid, *stats, room, count);
		if (error || *count <= room)
			return error;
		room = *count;
		more = reallocarray(*stats, room, size);
		if (!more)
			return ENOMEM;
		*stats = more;
	}
}

static int fetch_exporters(pid_t pid, void *stats, size_t room, size_t *count)
{
	(void)pid;
	return peermem_exporters(stats, sizeof(struct peermem_exporter_stats),
				 room, count);
}

static int fetch_mrs(pid_t pid, void *stats, size_t room, size_t *count)
{
	return peermem_mrs(pid, stats, sizeof(struct peermem_mr_stats), room,
			   count);
}

int read_exporters(struct peermem_exporter_stats **stats, size_t *count)
{
	void *all;
	int error = read_all(fetch_exporters, 0, sizeof(**stats), &all, count);

	*stats = all;
	return error;
}

int read_mrs(pid_t pid, struct peermem_mr_stats **stats, size_t *count)
{
	void *all;
	int error = read_all(fetch_mrs, pid, sizeof(**stats), &all, count);

	*stats = all;
	return error;
}
