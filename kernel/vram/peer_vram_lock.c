// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The lock of a BO (resv), and how signals end waits.
 *
 * Only a fatal signal ends a call, as where system memory is registered or mapped.
 * TTM has waits that any signal ends, and waits that no signal ends. The driver
 * uses the former until a signal that is not fatal is pending, and then the
 * latter. All of them wait for work of others on BOs. They never wait for a fence
 * of a user (peer_vram_dmabuf.c).
 */
#include <linux/dma-resv.h>
#include <linux/sched/signal.h>

#include "peer_vram_lock.h"
#include "peer_vram_types.h"

static bool peer_vram_interruptible(void)
{
	return !signal_pending(current) || fatal_signal_pending(current);
}

/* The context for one call into TTM. A retry needs a new one. */
struct ttm_operation_ctx peer_vram_ttm_ctx(void)
{
	return (struct ttm_operation_ctx){
		.interruptible = peer_vram_interruptible(),
		.gfp_retry_mayfail = true,
	};
}

/* Did a signal that is not fatal end the call into TTM that returned @ret? */
bool peer_vram_should_retry(int ret)
{
	return (ret == -ERESTARTSYS || ret == -EINTR) &&
	       !fatal_signal_pending(current);
}

/**
 * peer_vram_bo_lock() - lock a BO that is not dead
 * @bo: not locked
 *
 * Return: 0 with resv held; -ENODEV the BO is dead; -EINTR a fatal signal.
 */
int peer_vram_bo_lock(struct peer_vram_bo *bo)
{
	int ret;

	do {
		ret = ttm_bo_reserve(&bo->tbo, peer_vram_interruptible(), false,
				     NULL);
	} while (peer_vram_should_retry(ret));
	if (ret)
		return ret == -ERESTARTSYS ? -EINTR : ret;
	if (bo->dead) {
		dma_resv_unlock(bo->tbo.base.resv);
		return -ENODEV;
	}
	return 0;
}

/*
 * Also makes the BO the most recently used one of its LRU list, or moves it to
 * the list of pinned BOs. Where the LRU order must not change, callers use
 * dma_resv_unlock() instead.
 */
void peer_vram_bo_unlock(struct peer_vram_bo *bo)
{
	ttm_bo_unreserve(&bo->tbo);
}
