/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Ranges of memory to ask about: of every kind, and of several together.
 */
#ifndef TESTS_LIB_RANGES_H
#define TESTS_LIB_RANGES_H

#include <rdma/peer_mem.h>

#include "lib/mem.h"

#define RANGE_PAGE 4096UL
#define RANGE_SIZE (32 * RANGE_PAGE)
/* The second half begins here, and is made into something else. */
#define RANGE_HALF (RANGE_SIZE / 2)

enum range_half {
	RANGE_SAME,		/* as the first half */
	RANGE_HOLE,		/* nothing there */
	RANGE_RESERVED,		/* mapped for no access */
	RANGE_HOST,		/* system memory */
	RANGE_OTHER,		/* another object of the same kind */
};

/**
 * struct range - what the range is, and what is to be said of it
 * @name:    for the log
 * @kind:    whose memory; NULL: nothing but a hole
 * @flags:   VT_MEM_xxx
 * @half:    what its second half is
 * @skip:    it begins as many bytes after the beginning of the memory
 * @client:  who owns it
 * @kinds:   enum peer_mem_kinds
 * @pinned, @on_demand: enum peer_mem_reason, for reading and for writing
 */
struct range {
	const char *name;
	const struct vt_mem_kind *kind;
	unsigned int flags;
	enum range_half half;
	size_t skip;
	const char *client;
	uint32_t kinds;
	uint32_t pinned[2];
	uint32_t on_demand[2];
};

extern const struct range ranges[];
extern const unsigned int ranges_count;

/* A range that is there. */
struct range_at {
	struct vt_mem mem;
	struct vt_mem other;
	uint8_t *addr;
	size_t length;
};

/* Loads what the kinds need. Return: 0 or -errno. */
int ranges_prepare(void);
int range_open(struct range_at *at, const struct range *range);
void range_close(struct range_at *at);

#endif
