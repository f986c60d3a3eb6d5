/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The registry of MRs.
 */
#ifndef IB_PEER_MR_REGISTRY_H
#define IB_PEER_MR_REGISTRY_H

#include <rdma/ib_umem_peer.h>

int ib_umem_peer_registry_add(struct ib_umem_peer *peer);
void ib_umem_peer_registry_remove(struct ib_umem_peer *peer);
struct ib_umem_peer *ib_umem_peer_registry_next(const struct mm_struct *mm,
						unsigned long *number);

#endif
