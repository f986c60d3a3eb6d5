/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The workqueues of a process, for its faults, prefetches and accesses.
 */
#ifndef IB_PEER_FAULT_QUEUE_H
#define IB_PEER_FAULT_QUEUE_H

#include <rdma/ib_umem_peer.h>

struct ib_peer_queue;
struct work_struct;

int ib_peer_queue_init(void);
void ib_peer_queue_exit(void);
int ib_umem_peer_get_queue(struct ib_umem_peer *peer);
void ib_umem_peer_put_queue(struct ib_umem_peer *peer);
void ib_peer_queue_flush(void);
void ib_peer_queue_fault(struct ib_peer_queue *queue, struct work_struct *work);
void ib_peer_queue_prefetch(struct ib_peer_queue *queue,
			    struct work_struct *work);

#endif
