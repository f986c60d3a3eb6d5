/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The faults of a umem that are queued or running in the background.
 */
#ifndef IB_PEER_FAULT_LIST_H
#define IB_PEER_FAULT_LIST_H

#include <rdma/ib_umem_peer.h>

/**
 * struct peer_active_fault - a fault that a worker runs
 * @node: in peer->works
 * @task: the worker, while it can be killed; NULL before and after
 *
 * peer->work_lock protects both.
 */
struct peer_active_fault {
	struct list_head node;
	struct task_struct *task;
};

void ib_umem_peer_fault_begin(struct ib_umem_peer *peer);
void ib_umem_peer_fault_end(struct ib_umem_peer *peer);
void ib_umem_peer_drain_faults(struct ib_umem_peer *peer);
bool ib_umem_peer_is_faulting(struct ib_umem_peer *peer);
void ib_umem_peer_kill_faults(struct ib_umem_peer *peer);
void peer_active_fault_start(struct ib_umem_peer *peer,
			     struct peer_active_fault *fault);
void peer_active_fault_stop(struct ib_umem_peer *peer,
			    struct peer_active_fault *fault);

#endif
