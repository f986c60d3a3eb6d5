/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Allocates and frees umems.
 */
#ifndef IB_PEER_UMEM_ALLOC_H
#define IB_PEER_UMEM_ALLOC_H

#include <rdma/ib_umem_peer.h>

int ib_umem_peer_check(unsigned long addr, size_t size, int access);
struct ib_umem_peer *ib_umem_peer_alloc(struct ib_device *ibdev,
					struct mm_struct *mm,
					unsigned long addr, size_t size,
					int access);
void ib_umem_peer_free(struct ib_umem_peer *peer);
int ib_umem_peer_charge(struct ib_umem_peer *peer);
void ib_umem_peer_uncharge(struct ib_umem_peer *peer);

#endif
