// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Locks a BO with a range of it in a given place: moves the parts of the range between
 * VRAM and system memory. What is outside of the range stays where it is.
 *
 * A pinned part is in VRAM and does not move. CPU faults map a part where it is. Only
 * an RDMA device (pin, fault) or its user (MOVE) moves a part back to VRAM.
 *
 * Eviction only trylocks other BOs. TTM therefore reports -ENOMEM while all parts
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

/**
 * struct peer_vram_goal - what is to be achieved
 * @bo:       the BO
 * @offset:   of the range in the BO, in bytes
 * @length:   of the range, in bytes, not 0
 * @place:    makes one part what it should be; returns 0 or -errno
 * @delay_ms: the sleep before the next attempt
 */
struct peer_vram_goal {
	struct peer_vram_bo *bo;
	u64 offset;
	u64 length;
	int (*place)(const struct peer_vram_goal *goal,
		     struct peer_vram_part *part);
	unsigned int delay_ms;
};

/* Would the range fit into VRAM if everything that is not pinned were evicted? */
static bool peer_vram_range_fits(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	struct peer_vram_part *last = peer_vram_last_part(bo, offset, length);
	struct peer_vram_device *vram = bo->vram;
	struct peer_vram_part *part;
	u64 need = 0;
	bool fits;

	for (part = peer_vram_bo_part(bo, offset); part <= last; part++)
		if (!part->pins)
			need += peer_vram_part_vram_size(part);
	spin_lock(&vram->lock);
	fits = vram->pinned + need <= vram->size;
	spin_unlock(&vram->lock);
	return fits;
}

/*
 * A range that is no larger than a part may push other parts of its BO out of VRAM. A
 * larger one may not: it would push out what it has just moved in.
 */
static struct ttm_operation_ctx
peer_vram_goal_ctx(const struct peer_vram_goal *goal)
{
	struct ttm_operation_ctx ctx = peer_vram_ttm_ctx(goal->bo);

	ctx.allow_res_evict = goal->length <= PEER_VRAM_PART_SIZE;
	return ctx;
}

/* ---- what one part should be ------------------------------------------ */

/* Return: 0; -ENOSPC does not fit; -ENOMEM a retry may succeed. */
static int peer_vram_place_vram(const struct peer_vram_goal *goal,
				struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = peer_vram_goal_ctx(goal);

	if (peer_vram_part_in_vram(part))
		return 0;
	if (!peer_vram_range_fits(goal->bo, part->offset, part->tbo.base.size))
		return -ENOSPC;
	return ttm_bo_validate(&part->tbo, &peer_vram_vram_placement, &ctx);
}

/* Return: 0; -EBUSY pinned; -ENOMEM. */
static int peer_vram_place_system(const struct peer_vram_goal *goal,
				  struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = peer_vram_goal_ctx(goal);

	if (!peer_vram_part_in_vram(part))
		return 0;
	if (part->pins)
		return -EBUSY;
	return ttm_bo_validate(&part->tbo, &peer_vram_system_placement, &ctx);
}

/* In system memory, with pages. */
static int peer_vram_place_pages(const struct peer_vram_goal *goal,
				 struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = peer_vram_goal_ctx(goal);
	int ret = peer_vram_place_system(goal, part);

	return ret ?: ttm_bo_populate(&part->tbo, &ctx);
}

/*
 * With memory for an access of a device. Falls back to system pages if VRAM cannot
 * hold the part, or if the delay has reached its maximum.
 */
static int peer_vram_place_resident(const struct peer_vram_goal *goal,
				    struct peer_vram_part *part)
{
	struct ttm_operation_ctx ctx = peer_vram_goal_ctx(goal);
	int ret;

	if (peer_vram_part_in_vram(part))
		return 0;
	if (!goal->bo->in_place) {
		ret = peer_vram_place_vram(goal, part);
		if (ret != -ENOSPC &&
		    (ret != -ENOMEM || goal->delay_ms < PEER_VRAM_DELAY_MS_MAX))
			return ret;
	}
	return ttm_bo_populate(&part->tbo, &ctx);
}

/* ---- the range -------------------------------------------------------- */

static int peer_vram_place_range(const struct peer_vram_goal *goal)
{
	struct peer_vram_part *part, *last;
	int ret;

	last = peer_vram_last_part(goal->bo, goal->offset, goal->length);
	for (part = peer_vram_bo_part(goal->bo, goal->offset); part <= last;
	     part++) {
		ret = goal->place(goal, part);
		if (ret)
			return ret;
		peer_vram_part_used(part);
		cond_resched();
	}
	return 0;
}

/* Return: 0 with resv held; -errno. */
static int peer_vram_reach_goal(struct peer_vram_goal *goal)
{
	unsigned long end = jiffies + msecs_to_jiffies(PEER_VRAM_RETRY_MS);
	int ret;

	for (goal->delay_ms = 1;;) {
		ret = peer_vram_bo_lock(goal->bo);
		if (ret)
			return ret;
		ret = peer_vram_place_range(goal);
		if (!ret)
			return 0;
		peer_vram_bo_unlock(goal->bo);

		if (fatal_signal_pending(current))
			return -EINTR;
		if (peer_vram_should_retry(ret))
			continue;
		if (ret == -ENOSPC)
			return -ENOMEM;
		if (ret != -ENOMEM || time_after(jiffies, end))
			return ret;
		schedule_timeout_killable(msecs_to_jiffies(goal->delay_ms));
		goal->delay_ms = min(2 * goal->delay_ms, PEER_VRAM_DELAY_MS_MAX);
	}
}

/**
 * peer_vram_bo_lock_vram() - lock a BO with a range in VRAM
 * @bo:     not locked
 * @offset: in the BO, bytes
 * @length: bytes, not 0
 *
 * Return: 0 with resv held; -ENOMEM no room; -ENODEV the BO is dead; -EINTR a fatal
 * signal. On errors, a part of the range may have moved.
 */
int peer_vram_bo_lock_vram(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	struct peer_vram_goal goal = {
		.bo = bo, .offset = offset, .length = length,
		.place = peer_vram_place_vram,
	};
	bool fits;
	int ret;

	ret = peer_vram_bo_lock(bo);
	if (ret)
		return ret;
	fits = peer_vram_range_fits(bo, offset, length);
	peer_vram_bo_unlock(bo);
	return fits ? peer_vram_reach_goal(&goal) : -ENOMEM;
}

/**
 * peer_vram_bo_lock_system() - lock a BO with a range in system memory
 * @bo:     not locked
 * @offset: in the BO, bytes
 * @length: bytes, not 0
 *
 * Return: as peer_vram_bo_lock_vram(); -EBUSY pinned in VRAM.
 */
int peer_vram_bo_lock_system(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	struct peer_vram_goal goal = {
		.bo = bo, .offset = offset, .length = length,
		.place = peer_vram_place_system,
	};

	return peer_vram_reach_goal(&goal);
}

/**
 * peer_vram_bo_lock_pages() - lock a BO with a range in system memory, with pages
 * @bo:     not locked
 * @offset: in the BO, bytes
 * @length: bytes, not 0
 *
 * Return: as peer_vram_bo_lock_system().
 */
int peer_vram_bo_lock_pages(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	struct peer_vram_goal goal = {
		.bo = bo, .offset = offset, .length = length,
		.place = peer_vram_place_pages,
	};

	return peer_vram_reach_goal(&goal);
}

/**
 * peer_vram_bo_lock_resident() - lock a BO with a range that has memory
 * @bo:     not locked
 * @offset: in the BO, bytes
 * @length: bytes, not 0
 *
 * Moves the range to VRAM if that succeeds within a few attempts. Else, or if the BO
 * stays in place, allocates its system pages; only this allocation is retried for
 * PEER_VRAM_RETRY_MS. Each part may be in either memory.
 *
 * Return: 0 with resv held; -ENOMEM; -ENODEV the BO is dead; -EINTR a fatal
 * signal.
 */
int peer_vram_bo_lock_resident(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	struct peer_vram_goal goal = {
		.bo = bo, .offset = offset, .length = length,
		.place = peer_vram_place_resident,
	};

	return peer_vram_reach_goal(&goal);
}
