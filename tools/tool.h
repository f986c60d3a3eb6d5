/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The commands, and what they share. A command gets its own name as argv[0] and
 * returns the exit status.
 */
#ifndef PEERMEM_TOOL_H
#define PEERMEM_TOOL_H

#include <getopt.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/peermem.h>

int status_command(int argc, char **argv);
int mrs_command(int argc, char **argv);
int query_command(int argc, char **argv);
int vram_command(int argc, char **argv);
int top_command(int argc, char **argv);

/* To stderr, with what to do. Return: the exit status, 2 and 1. */
__attribute__((format(printf, 1, 2))) int misunderstood(const char *format, ...);
__attribute__((format(printf, 1, 2))) int failed(const char *format, ...);
/* Why nothing can be had from the core. */
int failed_core(int error, const char *what);

/*
 * The next option; its argument is in optarg. Return: its letter, -1 at the
 * end, with optind at the first that is none, or '?', which was told of.
 */
int next_option(int argc, char **argv, const struct option *options);

/* A number: decimal, 0x..., with K, M, G, T behind. Return: 0 or EINVAL. */
int parse_number(const char *text, uint64_t *value);

/* Is stdout a terminal that people look at, and want bold letters on? */
int is_for_people(void);
/* Around the head of a table. */
const char *head_begins(void);
const char *head_ends(void);

/* "4.0 MiB" */
struct bytes {
	char text[32];
};

struct bytes bytes_of(uint64_t value);

/*
 * All clients, and all registrations of a process, to be freed.
 * Return: 0 or errno.
 */
int read_clients(struct peermem_client_stats **stats, size_t *count);
int read_mrs(pid_t pid, struct peermem_mr_stats **stats, size_t *count);

/* Of counters that are read one after the other the later may be ahead. */
static inline uint64_t difference(uint64_t came, uint64_t went)
{
	return came > went ? came - went : 0;
}

#endif
