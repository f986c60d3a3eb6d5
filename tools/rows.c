// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The MRs of one process or of all processes. See rows.h. */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rows.h"
#include "tool.h"

const char *kind_of(const struct peermem_mr_stats *mr)
{
	if (mr->flags & PEER_MEM_MR_REVOKED)
		return "revoked";
	if (mr->flags & PEER_MEM_MR_DMABUF)
		return "dma-buf";
	return mr->flags & PEER_MEM_MR_ON_DEMAND ? "on-demand" : "pinned";
}

static int add_rows(struct rows *rows, pid_t pid,
		    const struct peermem_mr_stats *mrs, size_t count)
{
	struct row *more = reallocarray(rows->list, rows->count + count,
					sizeof(*more));
	char command[sizeof(more->command)] = "?", path[64];
	size_t i;

	if (!more)
		return ENOMEM;
	rows->list = more;
	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	read_line(path, command, sizeof(command));
	for (i = 0; i < count; i++, rows->count++) {
		more[rows->count].pid = pid;
		strcpy(more[rows->count].command, command);
		more[rows->count].mr = mrs[i];
	}
	return 0;
}

static int add_process(struct rows *rows, pid_t pid)
{
	struct peermem_mr_stats *mrs;
	size_t count;
	int error = read_mrs(pid, &mrs, &count);

	if (!error && count)
		error = add_rows(rows, pid, mrs, count);
	free(mrs);
	return error;
}

/* Skips processes that exit, and those that the caller may not query. */
static int add_all(struct rows *rows)
{
	DIR *proc = opendir("/proc");
	struct dirent *entry;
	int error = 0;

	if (!proc)
		return errno;
	while (!error && (entry = readdir(proc))) {
		if (!isdigit((unsigned char)*entry->d_name))
			continue;
		error = add_process(rows, atoi(entry->d_name));
		if (error == ESRCH || error == EPERM)
			error = 0;
	}
	closedir(proc);
	return error;
}

int read_rows(pid_t pid, struct rows *rows)
{
	rows->list = NULL;
	rows->count = 0;
	return pid ? add_process(rows, pid) : add_all(rows);
}
