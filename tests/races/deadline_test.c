// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An access fails when its pages do not become present, or do not stay present,
 * for 60 seconds. The deadline applies to the whole access, not to each of its
 * faults. The test shortens the deadline and invalidates the pages again and
 * again until it expires.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/counters.h"

#define BOUND_MS 2500
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(deadline)
{
	struct vt_link link;
	struct attempt access;
};

FIXTURE_VARIANT(deadline)
{
	const struct vt_mem_kind *kind;
	const char *point;	/* where the access is held */
	int (*access)(void *link);
	int wanted;
};

static int do_read(void *link)
{
	return run_operation(link, READ);
}

static int do_write(void *link)
{
	return run_operation(link, WRITE);
}

static int do_write_from(void *link)
{
	return run_operation(link, WRITE_FROM);
}

static int do_atomic(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge result = vt_sge(&link->here, 0, 8);

	return vt_fetch_add(&link->pair.end[0], &result,
			    vt_remote(&link->there, 0), 1);
}

#define DEADLINE_AT(_name, _point, _kind, _access, _wanted)		\
	FIXTURE_VARIANT_ADD(deadline, _name)				\
	{								\
		.kind = &vt_mem_##_kind,				\
		.point = _point,					\
		.access = do_##_access,					\
		.wanted = _wanted,					\
	}

/*
 * Each fault succeeds, and the pages are invalidated before the access uses
 * them.
 */
#define DEADLINE(_kind, _access, _wanted)				\
	DEADLINE_AT(_kind##_##_access, "published", _kind, _access, _wanted)

/* Invalidates the pages before they are published: the fault itself retries. */
#define DEADLINE_RESOLVED(_kind, _access, _wanted)			\
	DEADLINE_AT(_kind##_##_access##_resolved, "resolved", _kind, _access, \
		    _wanted)

/*
 * If rxe cannot read the source of an operation, it loses the reason, for any
 * kind of memory. The completion is then IBV_WC_WR_FLUSH_ERR.
 */
DEADLINE(host, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE(host, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE(host, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE(host, atomic, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE(vram, atomic, IBV_WC_REM_ACCESS_ERR);
DEADLINE_RESOLVED(host, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE_RESOLVED(host, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE_RESOLVED(vram, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE_RESOLVED(vram, atomic, IBV_WC_REM_ACCESS_ERR);

/*
 * The RNR timer is half a second, so that a requester which has received an RNR
 * NAK does not retry while the pages are present.
 */
FIXTURE_SETUP(deadline)
{
	struct vt_pair_opts opts = { .rnr_timer = 31 };

	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE, ACCESS,
				  &opts));
	ASSERT_EQ(0, hold_set_fault_timeout(BOUND_MS));
}

FIXTURE_TEARDOWN(deadline)
{
	EXPECT_EQ(0, hold_set_fault_timeout(0));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * Moves VRAM both ways, because the fault may have moved it back to VRAM or
 * not.
 */
static int invalidate(struct vt_mem *mem)
{
	if (mem->kind == &vt_mem_vram)
		return vt_mem_move(mem, true) ?: vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

/* How long a fault may take to get to a hold point, or to end, in ms. */
#define ENDS_MS 500

/*
 * Waits until a thread is held at @point. Return: false if the access has
 * ended, and no fault continues for it.
 */
static bool wait_held_or_done(struct attempt *access, const char *point)
{
	int64_t until = 0;

	do {
		if (hold_is_held(point))
			return true;
		usleep(500);
		if (!until && attempt_is_done(access))
			until = vt_now_ms() + ENDS_MS;
	} while (!until || vt_now_ms() < until);
	return false;
}

/* Longer than a responder waits for a fault before it sends an RNR NAK. */
#define NOT_READY_US 30000
/*
 * A responder may have started a fault just before it gives up. That fault has a deadline
 * of its own, and is then held once more at most.
 */
#define ROUNDS_AFTER (BOUND_MS * 1000 / NOT_READY_US + 2)

/*
 * The access is stopped in turn before each fault and after each result. The
 * next hold point is armed before the access leaves the last one.
 */
TEST_F_TIMEOUT(deadline, pages_invalidated_repeatedly, 90)
{
	int64_t begin = vt_now_ms();
	int rounds = 0, after = 0;

	ASSERT_EQ(0, attempt_start(&self->access, "resolve", variant->access,
				   &self->link));
	do {
		ASSERT_EQ(0, hold_arm(variant->point, HOLD_LONG));
		usleep(NOT_READY_US);
		hold_release("resolve");
		if (!wait_held_or_done(&self->access, variant->point))
			break;
		rounds++;
		after += attempt_is_done(&self->access);
		ASSERT_EQ(0, invalidate(&self->link.there.mem));
		ASSERT_EQ(0, hold_arm("resolve", HOLD_LONG));
		hold_release(variant->point);
	} while (wait_held_or_done(&self->access, "resolve") &&
		 after <= ROUNDS_AFTER);
	hold_release("resolve");
	hold_release(variant->point);
	EXPECT_EQ(variant->wanted, attempt_join(&self->access));
	EXPECT_LE(BOUND_MS, vt_now_ms() - begin);
	EXPECT_LT(1, rounds);
	EXPECT_GE(ROUNDS_AFTER, after);

	/* The MR still works. */
	ASSERT_EQ(0, vt_pair_renew(&self->link.pair));
	vt_buf_fill(&self->link.there, 6);
	EXPECT_EQ(0, run_operation(&self->link, WRITE));
	EXPECT_EQ(0, check_written(&self->link));
}

TEST_HARNESS_MAIN
