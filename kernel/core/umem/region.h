/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The life of a region, from claim() to release().
 */
#ifndef IB_PEER_REGION_H
#define IB_PEER_REGION_H

#include <rdma/ib_umem_peer.h>

#include "exporters/exporters.h"

int ib_peer_region_init(void);
void ib_peer_region_exit(void);
struct ib_peer_region *ib_peer_region_claim(struct ib_umem_peer *umem,
					    unsigned long start,
					    unsigned long end, bool writable);
int ib_peer_region_pin(struct ib_peer_region *region);
void ib_peer_region_get_active(struct ib_peer_region *region);
void ib_peer_region_put_active(struct ib_peer_region *region);
void ib_peer_region_kill(struct ib_peer_region *region);
void ib_peer_region_kill_sync(struct ib_peer_region *region);
void ib_peer_region_discard(struct ib_peer_region *region);
void ib_peer_region_put(struct ib_peer_region *region);

#endif
