/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Faults in the pages of a range.
 */
#ifndef IB_PEER_FAULT_H
#define IB_PEER_FAULT_H

#include <rdma/ib_umem_peer.h>

#include "umem/fault_request.h"

int ib_umem_peer_populate(struct ib_peer_region *region, unsigned long until);
int ib_umem_peer_fault(struct ib_umem_peer *peer, unsigned long addr,
		       size_t length, unsigned int flags, unsigned long until);

#endif
