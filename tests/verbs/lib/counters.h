/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Counters of the system under test: of an exporter (sysfs), of an on-demand MR
 * ("rdma statistic"), and the number of live RDMA objects ("rdma resource").
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

/*
 * Reads the counters of the exporter of @kind; all are zero if @kind is not peer
 * memory. Return: 0 or -errno.
 */
int vt_counters_read(const struct vt_mem_kind *kind, struct vt_counters *c);

/*
 * Waits up to 5 seconds until as many MRs, pages and bytes are released as were
 * registered, because work items release regions. Prints the counters to stderr if
 * they differ. Return: 0, -EBUSY, or -errno.
 */
int vt_counters_balanced(const struct vt_mem_kind *kind);

/* Counters of an on-demand MR in "rdma statistic show mr". */
struct vt_mr_counters {
	unsigned long faults, invalidations, prefetch;
};

/*
 * Reads the counters of the only on-demand MR in the machine. Return: 0, -ENOENT if
 * there is none, the number of on-demand MRs if there are several, or -errno.
 */
int vt_mr_counters_read(struct vt_mr_counters *counters);

/* A hardware counter of port 1 of the device, or -errno. */
long vt_port_counter(const char *name);

/*
 * Number of faults that workers have ended. Needs the modules with hold points; -errno
 * with others.
 */
long vt_faults_ended(void);

/* Number of live objects of a type ("mr", "qp", "cq", "pd"...) of the device, or -errno. */
int vt_resource_count(const char *what);

/* Waits until vt_resource_count() returns @count. Return: 0 or -ETIMEDOUT. */
int vt_resource_wait(const char *what, int count, int timeout_ms);

#endif
