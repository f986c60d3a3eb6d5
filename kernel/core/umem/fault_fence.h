/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Waiting for a dma_fence in a fault.
 */
#ifndef IB_PEER_FAULT_FENCE_H
#define IB_PEER_FAULT_FENCE_H

struct dma_fence;
struct ib_peer_fault;

int ib_peer_fault_wait(struct ib_peer_fault *fault, struct dma_fence *fence);

#endif
