/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory ranges for query tests: every kind of memory, and combinations of two.
 */
#ifndef TESTS_LIB_RANGES_H
#define TESTS_LIB_RANGES_H

#include <rdma/peer_mem.h>

#include "../page_size.h"
#include "lib/mem.h"

#define RANGE_PAGE page_size()
#define RANGE_SIZE (32 * RANGE_PAGE)
/* Offset of the second half, which range_open() may replace. */
#define RANGE_HALF (RANGE_SIZE / 2)

enum range_half {
	RANGE_SAME,		/* same memory as the first half */
	RANGE_HOLE,		/* not mapped */
	RANGE_RESERVED,		/* mapped PROT_NONE */
	RANGE_HOST,		/* system memory */
	RANGE_OTHER,		/* another buffer of the same kind */
};

/**
 * struct range - a memory range and the expected result of a query
 * @name: name for the log
 * @kind: kind of memory; NULL: the whole range is a hole
 * @flags: VT_MEM_xxx
 * @half: the second half of the range
 * @skip: offset of the range in the memory, in bytes
 * @exporter: expected name of the exporter
 * @kinds: expected enum peer_mem_kinds
 * @pinned: expected enum peer_mem_status for read access and for write access
 * @on_demand: the same for an on-demand registration
 */
struct range {
	const char *name;
	const struct vt_mem_kind *kind;
	unsigned int flags;
	enum range_half half;
	size_t skip;
	const char *exporter;
	uint32_t kinds;
	uint32_t pinned[2];
	uint32_t on_demand[2];
};

extern const struct range ranges[];
extern const unsigned int ranges_count;

/* An allocated range. */
struct range_at {
	struct vt_mem mem;
	struct vt_mem other;
	uint8_t *addr;
	size_t length;
};

/* Loads the modules that the kinds of memory need. Return: 0 or -errno. */
int ranges_prepare(void);
int range_open(struct range_at *at, const struct range *range);
void range_close(struct range_at *at);

#endif
