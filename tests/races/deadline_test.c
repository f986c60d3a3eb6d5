// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An access gives up when its pages do not come, or do not stay, for 60 seconds. The
 * bound is for the access, not for each question that it asks: here the time is
 * shorter, and the pages come and leave again until it is over.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "attempt.h"
#include "hold.h"
#include "scene.h"
#include "lib/counters.h"

#define BOUND_MS 2500
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(deadline)
{
	struct vt_link scene;
	struct attempt access;
};

FIXTURE_VARIANT(deadline)
{
	const struct vt_mem_kind *kind;
	const char *point;	/* where it is held when its pages leave */
	int (*access)(void *scene);
	int wanted;
};

static int do_read(void *scene)
{
	return operate(scene, READ);
}

static int do_write(void *scene)
{
	return operate(scene, WRITE);
}

static int do_write_from(void *scene)
{
	return operate(scene, WRITE_FROM);
}

static int do_atomic(void *arg)
{
	struct vt_link *scene = arg;
	struct ibv_sge result = vt_sge(&scene->here, 0, 8);

	return vt_fetch_add(&scene->pair.end[0], &result,
			    vt_remote(&scene->there, 0), 1);
}

#define DEADLINE_AT(_name, _point, _kind, _access, _wanted)		\
	FIXTURE_VARIANT_ADD(deadline, _name)				\
	{								\
		.kind = &vt_mem_##_kind,				\
		.point = _point,					\
		.access = do_##_access,					\
		.wanted = _wanted,					\
	}

/* Each fault succeeds, and its pages leave before the access comes to them. */
#define DEADLINE(_kind, _access, _wanted)				\
	DEADLINE_AT(_kind##_##_access, "brought", _kind, _access, _wanted)

/* They leave before they are in the page table: the fault itself asks again. */
#define DEADLINE_ANSWERED(_kind, _access, _wanted)			\
	DEADLINE_AT(_kind##_##_access##_answered, "answered", _kind, _access, \
		    _wanted)

/* Of a source that cannot be read the reason gets lost in rxe, on any memory. */
DEADLINE(host, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE(host, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE(host, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE(host, atomic, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE(vram, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE(vram, atomic, IBV_WC_REM_ACCESS_ERR);
DEADLINE_ANSWERED(host, read, IBV_WC_REM_ACCESS_ERR);
DEADLINE_ANSWERED(host, write_from, IBV_WC_WR_FLUSH_ERR);
DEADLINE_ANSWERED(vram, write, IBV_WC_REM_ACCESS_ERR);
DEADLINE_ANSWERED(vram, atomic, IBV_WC_REM_ACCESS_ERR);

/*
 * A peer that was told "not ready" comes again after half a second, and not while
 * the pages are there.
 */
FIXTURE_SETUP(deadline)
{
	struct vt_pair_opts opts = { .rnr_timer = 31 };

	ASSERT_EQ(0, vt_link_open(&self->scene, variant->kind, SIZE, ACCESS,
				  &opts));
	ASSERT_EQ(0, hold_fault_timeout(BOUND_MS));
}

FIXTURE_TEARDOWN(deadline)
{
	EXPECT_EQ(0, hold_fault_timeout(0));
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* VRAM goes both ways: the fault may have brought it home, or not. */
static int leave(struct vt_mem *mem)
{
	if (mem->kind == &vt_mem_vram)
		return vt_mem_move(mem, true) ?: vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

/* Waits until a thread is held there. Return: false: the access is over. */
static bool comes_to(struct attempt *access, const char *point)
{
	while (!attempt_is_done(access)) {
		if (hold_held(point))
			return true;
		usleep(500);
	}
	return false;
}

/* Longer than a responder waits for a fault before it says "not ready". */
#define NOT_READY_US 30000

/*
 * It is stopped before each question and after each answer, in turn: the next stop
 * is made before it leaves the last one.
 */
TEST_F_TIMEOUT(deadline, pages_leave_again_and_again, 90)
{
	int64_t begin = vt_now_ms();
	int rounds = 0;

	ASSERT_EQ(0, attempt_start(&self->access, "ask", variant->access,
				   &self->scene));
	do {
		ASSERT_EQ(0, hold_arm(variant->point, HOLD_LONG));
		usleep(NOT_READY_US);
		hold_let_go("ask");
		if (!comes_to(&self->access, variant->point))
			break;
		rounds++;
		ASSERT_EQ(0, leave(&self->scene.there.mem));
		ASSERT_EQ(0, hold_arm("ask", HOLD_LONG));
		hold_let_go(variant->point);
	} while (comes_to(&self->access, "ask") && rounds < 10000);
	hold_let_go("ask");
	hold_let_go(variant->point);
	EXPECT_EQ(variant->wanted, attempt_join(&self->access));
	EXPECT_LE(BOUND_MS, vt_now_ms() - begin);
	EXPECT_LT(1, rounds);

	/* The MR is as good as before. */
	ASSERT_EQ(0, vt_pair_renew(&self->scene.pair));
	vt_buf_fill(&self->scene.there, 6);
	EXPECT_EQ(0, operate(&self->scene, WRITE));
	EXPECT_EQ(0, check_written(&self->scene));
}

TEST_HARNESS_MAIN
