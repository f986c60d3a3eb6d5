/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Faults that workers run, and waiting for them.
 */
#ifndef IB_PEER_FAULT_WORK_H
#define IB_PEER_FAULT_WORK_H

#include <rdma/ib_umem_peer.h>

int ib_umem_peer_fault_wait(struct ib_umem_peer *peer, unsigned long addr,
			    size_t length, unsigned int flags,
			    unsigned long until);
int ib_umem_peer_fault_timeout(struct ib_umem_peer *peer, unsigned long addr,
			       size_t length, unsigned int flags,
			       unsigned long timeout);

#endif
