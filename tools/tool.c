// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See tool.h. */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tool.h"

static void complain(const char *format, va_list args, const char *end)
{
	fputs("peermem: ", stderr);
	vfprintf(stderr, format, args);
	fputs(end, stderr);
}

int misunderstood(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args, "; see peermem --help\n");
	va_end(args);
	return 2;
}

int failed(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	complain(format, args, "\n");
	va_end(args);
	return 1;
}

int failed_core(int error, const char *what)
{
	switch (error) {
	case ENOENT:
		return failed("ib_peer_mem is not loaded: modprobe ib_peer_mem");
	case EPERM:
		return failed("%s: of another process it takes CAP_SYS_PTRACE; try it as root",
			      what);
	case ESRCH:
		return failed("%s: there is no such process, or it has no memory of its own",
			      what);
	default:
		return failed("%s: %s", what, strerror(error));
	}
}

int next_option(int argc, char **argv, const struct option *options)
{
	int option;

	opterr = 0;
	option = getopt_long(argc, argv, "+:", options, NULL);
	if (option == '?')
		misunderstood("%s does not know %s", argv[0], argv[optind - 1]);
	if (option != ':')
		return option;
	misunderstood("%s %s needs a value", argv[0], argv[optind - 1]);
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

int is_for_people(void)
{
	const char *term = getenv("TERM");

	return isatty(STDOUT_FILENO) && !getenv("NO_COLOR") && term &&
	       strcmp(term, "dumb");
}

const char *head_begins(void)
{
	return is_for_people() ? "\033[1m" : "";
}

const char *head_ends(void)
{
	return is_for_people() ? "\033[0m" : "";
}

struct bytes bytes_of(uint64_t value)
{
	static const char units[] = "KMGTPE";
	double scaled = value / 1024.0;
	struct bytes bytes;
	int unit = 0;

	while (scaled >= 1024 && units[unit + 1]) {
		scaled /= 1024;
		unit++;
	}
	if (value < 1024)
		snprintf(bytes.text, sizeof(bytes.text), "%" PRIu64 " B", value);
	else
		snprintf(bytes.text, sizeof(bytes.text), "%.1f %ciB", scaled,
			 units[unit]);
	return bytes;
}

/* What reads as many as there is room for, and says how many there are. */
typedef int (*read_fn)(pid_t pid, void *stats, size_t room, size_t *count);

/* One may come between two looks; then there is another. */
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

static int some_clients(pid_t pid, void *stats, size_t room, size_t *count)
{
	(void)pid;
	return peermem_clients(stats, sizeof(struct peermem_client_stats), room,
			       count);
}

static int some_mrs(pid_t pid, void *stats, size_t room, size_t *count)
{
	return peermem_mrs(pid, stats, sizeof(struct peermem_mr_stats), room,
			   count);
}

int read_clients(struct peermem_client_stats **stats, size_t *count)
{
	void *all;
	int error = read_all(some_clients, 0, sizeof(**stats), &all, count);

	*stats = all;
	return error;
}

int read_mrs(pid_t pid, struct peermem_mr_stats **stats, size_t *count)
{
	void *all;
	int error = read_all(some_mrs, pid, sizeof(**stats), &all, count);

	*stats = all;
	return error;
}
