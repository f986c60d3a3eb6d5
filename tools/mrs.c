// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peermem mrs: a line for each registration, of one process, or of all that one
 * may ask about.
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
	return mr->flags & PEER_MEM_MR_ON_DEMAND ? "on demand" : "pinned";
}

static void print_head(void)
{
	printf("%s%7s %-8s %18s %10s %-9s %-6s %10s %10s %13s  %s%s\n",
	       head_begins(), "PID", "DEVICE", "ADDRESS", "LENGTH", "KIND",
	       "ACCESS", "RESIDENT", "FAULTS", "INVALIDATIONS", "CLIENT",
	       head_ends());
}

static void print_mr(pid_t pid, const struct peermem_mr_stats *mr)
{
	printf("%7d %-8s %#18" PRIx64 " %10s %-9s %-6s %10s %10" PRIu64
	       " %13" PRIu64 "  %s\n", pid, mr->device, mr->addr,
	       bytes_of(mr->length).text, kind_of(mr),
	       mr->flags & PEER_MEM_MR_WRITABLE ? "write" : "read",
	       bytes_of(mr->resident).text, mr->faults, mr->invalidations,
	       *mr->client ? mr->client : "-");
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

/* Of others one may be told, or not; and they go. */
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
		return misunderstood("mrs takes one process, not %s as well",
				     argv[optind + 1]);
	if (optind < argc && (parse_number(argv[optind], &pid) || !pid ||
			      pid > INT_MAX))
		return misunderstood("%s is no process", argv[optind]);
	/* So that there is none before an error. */
	error = peermem_mrs(pid, NULL, sizeof(struct peermem_mr_stats), 0,
			    &(size_t){ 0 });
	if (!error) {
		print_head();
		error = pid ? print_process(pid) : print_all();
	}
	return error ? failed_core(error, "cannot read the registrations") : 0;
}
