/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What must be the same before and after a call that failed.
 */
#ifndef FN_STATE_H
#define FN_STATE_H

#include <stdint.h>

enum state_item {
	STATE_VRAM_OBJECTS,
	STATE_VRAM_USED,
	STATE_VRAM_PINNED,
	STATE_VRAM_SYSTEM_USED,
	STATE_VRAM_CREATABLE,
	STATE_VRAM_MRS,		/* regions of the client, now */
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
	STATE_RDMA_OBJECTS,
	STATE_PINNED,		/* VmPin of the process */
	STATE_DESCRIPTORS,
	STATE_NEXT_DESCRIPTOR,	/* a number may be taken and name nothing */
	STATE_ITEMS,
};

struct state {
	uint64_t item[STATE_ITEMS];
};

/* Return: 0 or -errno. */
int state_read(struct state *state);

/*
 * Is it now as it was, or soon? (Regions and objects end from work items.) Says
 * on stderr what is not. Return: 0, -EBUSY, -errno.
 */
int state_same(const struct state *before);

/* MRs, PDs, QPs... of all RDMA devices. Return: 0 or -errno. */
int count_rdma_objects(uint64_t *count);

#endif
