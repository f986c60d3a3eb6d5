/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Functions that the subcommands of peermem share. A subcommand gets its name as
 * argv[0] and returns the exit status.
 */
#ifndef PEERMEM_TOOL_H
#define PEERMEM_TOOL_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/peermem.h>

/* Exit status of a command that answers a question, if the answer is no. */
#define EXIT_NO 3

int doctor_command(int argc, char **argv);
int status_command(int argc, char **argv);
int mrs_command(int argc, char **argv);
int query_command(int argc, char **argv);
int vram_command(int argc, char **argv);
int top_command(int argc, char **argv);

/*
 * Print a message to stderr. Return: the exit status, 2 for an error in the command
 * line and 1 for a failure.
 */
__attribute__((format(printf, 1, 2))) int usage_error(const char *format, ...);
__attribute__((format(printf, 1, 2))) int failure(const char *format, ...);
/* Explains an errno of libpeermem. @what: the action that failed. Return: 1. */
int core_failure(int error, const char *what);

/*
 * Gets the next option; its argument is in optarg. Return: its letter, -1 after the
 * last one with optind at the first argument, or '?' after an error message.
 */
int next_option(int argc, char **argv, const struct option *options);

/* Parses a number: decimal or 0x..., suffix K, M, G or T. Return: 0 or EINVAL. */
int parse_number(const char *text, uint64_t *value);

/* Reads the first line of a file. @line: stays as it is if there is none */
void read_line(const char *path, char *line, int size);

/* Is stdout a terminal with escape sequences, and is NO_COLOR not set? */
int use_escapes(void);
/* Escape sequences before and after a table header, or "". */
const char *header_start(void);
const char *header_end(void);

/* A size as text, such as "4.0 MiB". */
struct size_text {
	char text[32];
};

struct size_text format_size(uint64_t value);

/*
 * Read all exporters, or all registrations of a process, into an array that the caller
 * frees, also after an error. Return: 0 or errno.
 */
int read_exporters(struct peermem_exporter_stats **stats, size_t *count);
int read_mrs(pid_t pid, struct peermem_mr_stats **stats, size_t *count);

/*
 * The difference of two counters, at least 0. Counters are read one after the other,
 * so @minus may already be ahead of @plus.
 */
static inline uint64_t counter_diff(uint64_t plus, uint64_t minus)
{
	return plus > minus ? plus - minus : 0;
}

/* What is registered with an exporter now: regions, and their bytes. */
static inline uint64_t regions_now(const struct peermem_exporter_stats *exporter)
{
	return counter_diff(exporter->alloc_mrs, exporter->dealloc_mrs);
}

static inline uint64_t bytes_now(const struct peermem_exporter_stats *exporter)
{
	return counter_diff(exporter->reg_bytes, exporter->dereg_bytes);
}

#endif
