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

/* The context for one call into TTM for a part of @bo. A retry needs a new one. */
struct ttm_operation_ctx peer_vram_ttm_ctx(struct peer_vram_bo *bo)
{
	return (struct ttm_operation_ctx){
		.interruptible = peer_vram_interruptible(),
		.gfp_retry_mayfail = true,
		.resv = &bo->resv,
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
		ret = peer_vram_interruptible() ?
			dma_resv_lock_interruptible(&bo->resv, NULL) :
			dma_resv_lock(&bo->resv, NULL);
	} while (peer_vram_should_retry(ret));
	if (ret)
		return ret;
	if (bo->dead) {
		dma_resv_unlock(&bo->resv);
		return -ENODEV;
	}
	return 0;
}

void peer_vram_bo_unlock(struct peer_vram_bo *bo)
{
	dma_resv_unlock(&bo->resv);
}

/* A use of the part: it becomes the most recently used one of its LRU list. */
void peer_vram_part_used(struct peer_vram_part *part)
{
	ttm_bo_move_to_lru_tail_unlocked(&part->tbo);
}
