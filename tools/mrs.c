// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem mrs: one line for each memory region, of one process or of all processes
 * that the caller may query.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tool.h"

static const char *kind_of(const struct peermem_mr_stats *mr)
{
	if (mr->flags & PEER_MEM_MR_REVOKED)
		return "revoked";
	if (mr->flags & PEER_MEM_MR_DMABUF)
		return "dma-buf";
	return mr->flags & PEER_MEM_MR_ON_DEMAND ? "on-demand" : "pinned";
}

static void print_header(void)
{
	printf("%s%7s %-8s %18s %10s %-9s %-6s %10s %10s %13s  %s%s\n",
	       header_start(), "PID", "DEVICE", "ADDRESS", "LENGTH", "KIND",
	       "ACCESS", "RESIDENT", "FAULTS", "INVALIDATIONS", "EXPORTER",
	       header_end());
}

static void print_mr(pid_t pid, const struct peermem_mr_stats *mr)
{
	printf("%7d %-8s %#18" PRIx64 " %10s %-9s %-6s %10s %10" PRIu64
	       " %13" PRIu64 "  %s\n", pid, mr->device, mr->addr,
	       format_size(mr->length).text, kind_of(mr),
	       mr->flags & PEER_MEM_MR_WRITABLE ? "write" : "read",
	       format_size(mr->resident).text, mr->faults, mr->invalidations,
	       *mr->exporter ? mr->exporter : "-");
}

static int print_process(pid_t pid)
{
	struct peermem_mr_stats *mrs;
	size_t count, i;
	int error = read_mrs(pid, &mrs, &count);

	for (i = 0; !error && i < count; i++)
		print_mr(pid, &mrs[i]);
	free(mrs);
	return error;
}

/* Skips processes that exit, and those that the caller may not query. */
static int print_all(void)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int error = 0;

	if (!proc)
		return errno;
	while (!error && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		error = print_process(atoi(entry->d_name));
		if (error == ESRCH || error == EPERM)
			error = 0;
	}
	closedir(proc);
	return error;
}

int mrs_command(int argc, char **argv)
{
	static const struct option options[] = { { NULL, 0, NULL, 0 } };
	uint64_t pid = 0;
	int error;

	if (next_option(argc, argv, options) != -1)
		return 2;
	if (argc - optind > 1)
		return usage_error("mrs: unexpected argument '%s'",
				   argv[optind + 1]);
	if (optind < argc && (parse_number(argv[optind], &pid) || !pid ||
			      pid > INT_MAX))
		return usage_error("invalid process ID '%s'", argv[optind]);
	/* Detects errors before the header is printed. */
	error = peermem_mrs(pid, NULL, sizeof(struct peermem_mr_stats), 0,
			    &(size_t){ 0 });
	if (!error) {
		print_header();
		error = pid ? print_process(pid) : print_all();
	}
	return error ? core_failure(error, "cannot list memory regions") : 0;
}
