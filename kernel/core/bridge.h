/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Private to bridge.c, bridge_hook.c, and those who end what a bridge leads to.
 */
#ifndef IB_PEER_BRIDGE_H
#define IB_PEER_BRIDGE_H

#include <linux/types.h>

struct dma_buf;
struct mmu_interval_notifier_ops;
struct ib_device;
struct ib_peer_region;
struct ib_umem_peer;

/* What an importer does when it is told that the memory moves. */
enum ib_peer_flavour {
	IB_PEER_UNKNOWN,	/* nothing registered yet */
	IB_PEER_DYNAMIC,	/* stops, and maps again at the next access */
	IB_PEER_REVOCABLE,	/* is pinned, and stops for ever */
	IB_PEER_STUBBORN,	/* is pinned, and cannot stop */
};

/*
 * A range of the process as a dma-buf for one registration with @ibdev, by the
 * current task. @access: IB_ACCESS_xxx. Return: the dma-buf, or ERR_PTR as
 * ib_umem_peer_get(); -EREMOTEIO, -EOPNOTSUPP as claim() says.
 */
struct dma_buf *ib_peer_bridge_create(struct ib_device *ibdev,
				      unsigned long addr, size_t size,
				      int access);
/*
 * No device comes for it any more; if none has, the registration is over. Return: the
 * flavour of the one that came.
 */
enum ib_peer_flavour ib_peer_bridge_seal(struct dma_buf *dmabuf);

/*
 * The device stops using the region; if it is @over, for ever. When they return
 * it has, unless it cannot. May sleep, and take the dma-buf's resv, which nobody
 * holds who waits for the caller. The umem lives (regions_left).
 */
void ib_peer_bridge_stop(struct ib_umem_peer *peer, bool over);
/* Nothing of it is under way any more; the umem's mmu notifier is removed. */
void ib_peer_bridge_quiesce(struct ib_umem_peer *peer);
/* Nothing is pinned. Bytes that the device has mapped. */
bool ib_peer_bridge_is_on_demand(struct ib_umem_peer *peer);
u64 ib_peer_bridge_resident(struct ib_umem_peer *peer);

/* bridge_hook.c */
int ib_peer_hook_init(void);
void ib_peer_hook_exit(void);
bool ib_peer_hook_serves(const struct ib_device *ibdev,
			 enum ib_peer_flavour *flavour);

extern const struct mmu_interval_notifier_ops ib_umem_peer_mn_bridge;

#endif
