/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the system says about itself: the counters of a client of peer memory
 * and of an on-demand MR, and the number of live RDMA objects.
 */
#ifndef VT_COUNTERS_H
#define VT_COUNTERS_H

#include <stdint.h>

#include "mem.h"

struct vt_counters {
	uint64_t alloc_mrs, dealloc_mrs;
	uint64_t reg_pages, dereg_pages;
	uint64_t reg_bytes, dereg_bytes;
	uint64_t free_callbacks;
	uint64_t faults;
};

/* All zero for a kind that is not peer memory. Return: 0 or -errno. */
int vt_counters_read(const struct vt_mem_kind *kind, struct vt_counters *c);

/*
 * Are as many memory regions, pages and bytes gone as came, now or soon
 * (regions end from a work item)? Says on stderr what is left.
 * Return: 0, -EBUSY, or -errno.
 */
int vt_counters_balanced(const struct vt_mem_kind *kind);

/* What "rdma statistic show mr" says of an on-demand MR. */
struct vt_mr_counters {
	unsigned long faults, invalidations, prefetch;
};

/*
 * Of the only on-demand MR in the machine.
 * Return: 0, -ENOENT if there is none, else how many there are, or -errno.
 */
int vt_mr_counters_read(struct vt_mr_counters *counters);

/* Live objects of the device: "mr", "qp", "cq", "pd"... or -errno. */
int vt_resource_count(const char *what);

/* Waits until there are so many. Return: 0, -ETIMEDOUT. */
int vt_resource_wait(const char *what, int count, int timeout_ms);

#endif
