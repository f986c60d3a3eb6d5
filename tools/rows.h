/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The MRs of one process or of all processes. See rows.c. */
#ifndef PEERMEM_ROWS_H
#define PEERMEM_ROWS_H

#include <sys/types.h>

#include <infiniband/peermem.h>

/* @command: name of the process, "?" if it is unknown */
struct row {
	pid_t pid;
	char command[32];
	struct peermem_mr_stats mr;
};

struct rows {
	struct row *list;
	size_t count;
};

/*
 * Reads the MRs of a process, or with 0 of all processes that the caller may query. The
 * caller frees rows->list, also after an error. Return: 0 or errno.
 */
int read_rows(pid_t pid, struct rows *rows);

/* "pinned", "on-demand", "dma-buf" or "revoked" */
const char *kind_of(const struct peermem_mr_stats *mr);

#endif
