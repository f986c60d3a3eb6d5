/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Ends accesses for ever.
 */
#ifndef IB_PEER_REVOKE_H
#define IB_PEER_REVOKE_H

#include <rdma/ib_umem_peer.h>

void ib_umem_peer_set_revoked(struct ib_umem_peer *peer);
void ib_umem_peer_kill(struct ib_umem_peer *peer);
bool ib_umem_peer_mark_dead(struct ib_peer_region *region);
void ib_umem_peer_put_region_ref(struct ib_umem_peer *peer);

#endif
