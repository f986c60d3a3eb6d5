// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Locks a BO in a given place: moves it between VRAM and system memory.
 *
 * A pinned BO is in VRAM and does not move. CPU faults map a BO where it is. Only
 * an RDMA device (pin, fault) or its user (MOVE) moves a BO back to VRAM.
 *
 * Eviction only trylocks other BOs. TTM therefore reports -ENOMEM while all BOs
 * that it could evict are locked by others. That state is temporary: the functions
 * here release resv, sleep and try again, for at most PEER_VRAM_RETRY_MS.
 */
#include <compat/ttm.h>
#include <drm/ttm/ttm_placement.h>
#include <linux/jiffies.h>
#include <linux/sched/signal.h>

#include "peer_vram_lock.h"
#include "peer_vram_placement.h"
#include "peer_vram_ttm.h"
#include "peer_vram_types.h"

#define PEER_VRAM_RETRY_MS 30000

/* The sleep between two attempts doubles up to this. */
#define PEER_VRAM_DELAY_MS_MAX 32

/* Besides TTM_PL_xxx: in VRAM if possible, else in system pages. */
#define PEER_VRAM_MEM_RESIDENT U32_MAX
/* In system memory, with pages. */
#define PEER_VRAM_MEM_SYSTEM (U32_MAX - 1)

/* Would the BO fit into VRAM if all BOs that are not pinned were evicted? */
static bool peer_vram_bo_fits(struct peer_vram_bo *bo)
{
	struct peer_vram_device *vram = peer_vram_bo_device(bo);
	u64 need = peer_vram_bo_vram_size(bo);
	bool fits;

	spin_lock(&vram->lock);
	fits = vram->pinned + need <= vram->size;
	spin_unlock(&vram->lock);
	return fits;
}

/* Return: 0; -ENOSPC does not fit; -ENOMEM a retry may succeed; -EBUSY pinned. */
static int peer_vram_bo_move(struct peer_vram_bo *bo, u32 mem_type)
{
	struct ttm_operation_ctx ctx = peer_vram_ttm_ctx();

	if (bo->tbo.resource->mem_type == mem_type)
		return 0;
	if (bo->pins)
		return -EBUSY;
	if (mem_type == TTM_PL_SYSTEM)
		return ttm_bo_validate(&bo->tbo, &peer_vram_system_placement,
				       &ctx);
	if (!peer_vram_bo_fits(bo))
		return -ENOSPC;
	return ttm_bo_validate(&bo->tbo, &peer_vram_vram_placement, &ctx);
}

/*
 * Gives the BO memory for an access of a device. Falls back to system pages if
 * VRAM cannot hold the BO, or if @delay_ms has reached its maximum.
 */
static int peer_vram_bo_make_resident(struct peer_vram_bo *bo,
				      unsigned int delay_ms)
{
	struct ttm_operation_ctx ctx = peer_vram_ttm_ctx();
	struct ttm_buffer_object *tbo = &bo->tbo;
	int ret;

	if (tbo->resource->mem_type == TTM_PL_VRAM)
		return 0;
	if (!bo->in_place) {
		ret = peer_vram_bo_move(bo, TTM_PL_VRAM);
		if (ret != -ENOSPC &&
		    (ret != -ENOMEM || delay_ms < PEER_VRAM_DELAY_MS_MAX))
			return ret;
	}
	return ttm_bo_populate(tbo, &ctx);
}

/* Moves the BO to system memory, and allocates its pages. */
static int peer_vram_bo_make_system(struct peer_vram_bo *bo)
{
	struct ttm_operation_ctx ctx = peer_vram_ttm_ctx();
	int ret = peer_vram_bo_move(bo, TTM_PL_SYSTEM);

	return ret ?: ttm_bo_populate(&bo->tbo, &ctx);
}

static int peer_vram_bo_lock_retry(struct peer_vram_bo *bo, u32 mem_type)
{
	unsigned long end = jiffies + msecs_to_jiffies(PEER_VRAM_RETRY_MS);
	unsigned int delay_ms = 1;
	int ret;

	for (;;) {
		ret = peer_vram_bo_lock(bo);
		if (ret)
			return ret;
		if (mem_type == PEER_VRAM_MEM_RESIDENT)
			ret = peer_vram_bo_make_resident(bo, delay_ms);
		else if (mem_type == PEER_VRAM_MEM_SYSTEM)
			ret = peer_vram_bo_make_system(bo);
		else
			ret = peer_vram_bo_move(bo, mem_type);
		if (!ret)
			return 0;
		peer_vram_bo_unlock(bo);

		if (fatal_signal_pending(current))
			return -EINTR;
		if (peer_vram_should_retry(ret))
			continue;
		if (ret == -ENOSPC)
			return -ENOMEM;
		if (ret != -ENOMEM || time_after(jiffies, end))
			return ret;
		schedule_timeout_killable(msecs_to_jiffies(delay_ms));
		delay_ms = min(2 * delay_ms, PEER_VRAM_DELAY_MS_MAX);
	}
}

/**
 * peer_vram_bo_lock_and_move() - lock a BO in a given place
 * @bo:       not locked
 * @mem_type: TTM_PL_SYSTEM or TTM_PL_VRAM
 *
 * Return: 0 with resv held and the BO in that place; -ENOMEM no room; -EBUSY
 * pinned in another place; -ENODEV the BO is dead; -EINTR a fatal signal.
 */
int peer_vram_bo_lock_and_move(struct peer_vram_bo *bo, u32 mem_type)
{
	return peer_vram_bo_lock_retry(bo, mem_type);
}

/**
 * peer_vram_bo_lock_resident() - lock a BO that has memory
 * @bo: not locked
 *
 * Moves the BO to VRAM if that succeeds within a few attempts. Else, or if the BO
 * stays in place, allocates its system pages; only this allocation is retried for
 * PEER_VRAM_RETRY_MS.
 *
 * Return: 0 with resv held; -ENOMEM; -ENODEV the BO is dead; -EINTR a fatal
 * signal.
 */
int peer_vram_bo_lock_resident(struct peer_vram_bo *bo)
{
	return peer_vram_bo_lock_retry(bo, PEER_VRAM_MEM_RESIDENT);
}

/**
 * peer_vram_bo_lock_system() - lock a BO that has system pages
 * @bo: not locked
 *
 * Moves the BO out of VRAM.
 *
 * Return: as peer_vram_bo_lock_resident(); -EBUSY pinned in VRAM.
 */
int peer_vram_bo_lock_system(struct peer_vram_bo *bo)
{
	return peer_vram_bo_lock_retry(bo, PEER_VRAM_MEM_SYSTEM);
}
