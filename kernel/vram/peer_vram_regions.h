/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* RDMA regions and pins of a BO (peer_vram_regions.c). */
#ifndef PEER_VRAM_REGIONS_H
#define PEER_VRAM_REGIONS_H

#include <linux/list.h>
#include <linux/types.h>

struct ib_peer_region;
struct peer_vram_bo;
struct peer_vram_device;
struct peer_vram_part;

/**
 * struct peer_vram_region - the private data of a struct ib_peer_region
 * @node:     in peer_vram_bo.regions, empty once revoked; under resv
 * @region:   the core's part
 * @bo:       holds a reference, and one on the device
 * @offset:   where the region begins in the BO, in bytes
 * @pinned:   counts in peer_vram_bo.pins; under resv
 * @reported: blocks of the region were reported; under resv
 */
struct peer_vram_region {
	struct list_head node;
	struct ib_peer_region *region;
	struct peer_vram_bo *bo;
	u64 offset;
	bool pinned;
	bool reported;
};

bool peer_vram_region_revoked(struct peer_vram_region *reg);
int peer_vram_region_pin_locked(struct peer_vram_region *reg);
void peer_vram_region_unpin_locked(struct peer_vram_region *reg);
u64 peer_vram_pin_limit(const struct peer_vram_device *vram);
bool peer_vram_pin_exceeds_limit(struct peer_vram_region *reg);

void peer_vram_regions_revoke(struct peer_vram_bo *bo);
void peer_vram_regions_invalidate(struct peer_vram_part *part);
u32 peer_vram_regions_count(struct peer_vram_bo *bo);

#endif
