/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The state that a failed call must not change. */
#ifndef FN_STATE_H
#define FN_STATE_H

#include <stdint.h>

enum state_item {
	STATE_VRAM_OBJECTS,
	STATE_VRAM_USED,
	STATE_VRAM_PINNED,
	STATE_VRAM_SYSTEM_USED,
	STATE_VRAM_CREATABLE,
	STATE_VRAM_MRS,		/* current regions of the exporter */
	STATE_VRAM_PAGES,
	STATE_VRAM_BYTES,
	STATE_PEERDIRECT_MRS,
	STATE_PEERDIRECT_PAGES,
	STATE_PEERDIRECT_BYTES,
	STATE_CMB_USED,
	STATE_CMB_ALLOCATIONS,
	STATE_CMB_MRS,
	STATE_CMB_PAGES,
	STATE_CMB_BYTES,
	STATE_MAPS_MRS,
	STATE_MAPS_PAGES,
	STATE_MAPS_BYTES,
	STATE_RDMA_OBJECTS,	/* MRs, PDs, QPs, ... of all devices */
	STATE_PINNED,		/* VmPin of the process */
	STATE_DESCRIPTORS,
	STATE_NEXT_DESCRIPTOR,	/* detects a reserved descriptor number that has no file */
	STATE_ITEMS,
};

struct state {
	uint64_t item[STATE_ITEMS];
};

/* Return: 0 or -errno. */
int state_read(struct state *state);

/*
 * Waits until the state is the same as @before: work items release regions and
 * BOs. Prints the differences to stderr. Return: 0, -EBUSY, or -errno.
 */
int state_same(const struct state *before);

#endif
