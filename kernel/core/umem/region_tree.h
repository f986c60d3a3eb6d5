/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The interval tree of the regions of a umem.
 */
#ifndef IB_PEER_REGION_TREE_H
#define IB_PEER_REGION_TREE_H

#include <rdma/ib_umem_peer.h>

void ib_umem_peer_insert_region(struct ib_peer_region *region);
void ib_umem_peer_remove_region(struct ib_peer_region *region);
void ib_umem_peer_unlink_regions(struct ib_umem_peer *peer, unsigned long first,
				 unsigned long last, struct list_head *list);
void ib_umem_peer_put_regions(struct list_head *list,
			      void (*end)(struct ib_peer_region *region));
void ib_umem_peer_release_regions(struct ib_umem_peer *peer);

#endif
