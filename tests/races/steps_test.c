// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The other steps at which a thread has dropped a lock, or has done one half of a
 * thing: each is held there, and what hurts most comes in between. Gaps of
 * invalidations stand in gaps_test.c, faults of one owner in races_test.c.
 *
 *   held                                   then
 *   a fault looked at the mapping, found   another mapping comes, another fault
 *   no region, has claimed one             claims, the process is killed
 *   a region was claimed for reading, and  the memory moves, is destroyed
 *   has to be claimed for writing
 *   a dma-buf was found unmapped           it moves, is revoked, is deregistered
 *   a fault in the background is done      the pages leave, and another access
 *                                          joins the fault
 *   a PeerDirect client has mapped a       it invalidates that, the MR is
 *   range, has lost it, was unpinned       deregistered, the client unloads
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../kmod/peer_test.h"
#include "attempt.h"
#include "hold.h"
#include "scene.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/raw.h"

static int do_read(void *scene)
{
	return operate(scene, READ);
}

static int do_write(void *scene)
{
	return operate(scene, WRITE);
}

static int dereg(void *arg)
{
	struct vt_buf *there = &((struct vt_link *)arg)->there;
	int ret = vt_dereg_mem(&there->mem, there->mr);

	there->mr = NULL;
	return ret;
}

/* Begins what has to wait for what is held. */
static int begin_waiting(struct attempt *attempt, int (*make)(void *what),
			 void *what)
{
	int ret = attempt_prepare(attempt, make, what);

	if (ret)
		return ret;
	attempt_go(attempt);
	usleep(300000);
	return 0;
}

/* ---- a fault on the way to its region ---- */

FIXTURE(claiming)
{
	struct vt_link scene;
	struct attempt fault;
};

FIXTURE_VARIANT(claiming)
{
	const struct vt_mem_kind *kind;
	const char *point;
};

#define CLAIMING(_kind, _point)						\
	FIXTURE_VARIANT_ADD(claiming, _kind##_##_point)			\
	{								\
		.kind = &vt_mem_##_kind,				\
		.point = #_point,					\
	}

CLAIMING(vram, find);
CLAIMING(vram, claim);
CLAIMING(vram, claimed);
CLAIMING(cmb, find);
CLAIMING(cmb, claim);
CLAIMING(cmb, claimed);

FIXTURE_SETUP(claiming)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, scene_open(&self->scene, variant->kind));
}

FIXTURE_TEARDOWN(claiming)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* The access reaches what is mapped when it takes place. */
TEST_F_TIMEOUT(claiming, against_new_mapping, 60)
{
	struct vt_link *scene = &self->scene;
	struct vt_mem *mem = &scene->there.mem;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   scene));
	ASSERT_EQ(0, scene_replace(mem));
	vt_pattern_fill(mem->addr, 4, 0, mem->length);
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->fault));
	vt_pattern_fill(scene->here.shadow, 4, 0, LENGTH);
	EXPECT_EQ(0, vt_buf_check(&scene->here, 0, LENGTH));
}

TEST_F_TIMEOUT(claiming, against_munmap, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   scene));
	ASSERT_EQ(0, scene_unmap(&scene->there.mem));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

TEST_F_TIMEOUT(claiming, against_destruction, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   scene));
	ASSERT_EQ(0, vt_mem_destroy(&scene->there.mem));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

/* Another fault, for writing, claims the same: one region is kept, the other given back. */
TEST_F_TIMEOUT(claiming, against_another_fault, 60)
{
	struct vt_link *scene = &self->scene, second;

	ASSERT_EQ(0, scene_second(&second, scene));
	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   scene));
	EXPECT_EQ(0, operate(&second, WRITE));
	EXPECT_EQ(0, check_written(&second));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, operate(scene, READ));
	EXPECT_EQ(0, check_read(scene));
	scene_second_close(&second);
}

TEST_F_TIMEOUT(claiming, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_write,
				   &self->scene));
	ASSERT_EQ(0, begin_waiting(&end, dereg, &self->scene));
	EXPECT_TRUE(hold_held(variant->point));
	EXPECT_FALSE(attempt_is_done(&end));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
	EXPECT_EQ(0, vt_buf_check_all(&self->scene.there));
}

/* ---- the process is killed at each step ---- */

FIXTURE(killed)
{
};

FIXTURE_VARIANT(killed)
{
	const struct vt_mem_kind *kind;
	const char *point;
};

#define KILLED(_kind, _point)						\
	FIXTURE_VARIANT_ADD(killed, _kind##_##_point)			\
	{								\
		.kind = &vt_mem_##_kind,				\
		.point = #_point,					\
	}

KILLED(vram, find);
KILLED(vram, claim);
KILLED(vram, nomem);
KILLED(vram, brought);
KILLED(vram, faulted);
KILLED(host, nomem);
KILLED(host, brought);
KILLED(host, faulted);

FIXTURE_SETUP(killed)
{
}

FIXTURE_TEARDOWN(killed)
{
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static void write_on_demand(const struct vt_mem_kind *kind)
{
	struct vt_link scene;

	if (!scene_open(&scene, kind))
		operate(&scene, WRITE);
	/* What is held may be past the completion. */
	pause();
}

TEST_F_TIMEOUT(killed, in_a_fault, 60)
{
	int mrs = vt_resource_count("mr");

	EXPECT_EQ(0, kill_at(variant->point, write_on_demand, variant->kind));
	EXPECT_EQ(mrs, vt_resource_count("mr"));
}

/* ---- a region that was claimed for reading ---- */

FIXTURE(rereg)
{
	struct vt_link scene;
	struct attempt fault;
};

#define READING (IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND)
#define WRITING (READING | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_LOCAL_WRITE)

FIXTURE_SETUP(rereg)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, vt_link_open(scene, &vt_mem_vram, SIZE, READING, NULL));
	ASSERT_EQ(0, operate(scene, READ));
	ASSERT_EQ(0, check_read(scene));
	ASSERT_EQ(0, vt_rereg_mr(scene->there.mr, IBV_REREG_MR_CHANGE_ACCESS,
				 NULL, WRITING));
	vt_buf_fill(&scene->here, 5);
	ASSERT_EQ(0, attempt_start(&self->fault, "forgotten", do_write, scene));
}

FIXTURE_TEARDOWN(rereg)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(rereg, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->scene.there.mem, false));
	EXPECT_TRUE(hold_held("forgotten"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->scene));
}

TEST_F_TIMEOUT(rereg, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->scene.there.mem));
	EXPECT_TRUE(hold_held("forgotten"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

/* An access to other pages of the region claims it for writing meanwhile. */
TEST_F_TIMEOUT(rereg, against_another_fault, 60)
{
	struct vt_link other = self->scene;

	ASSERT_EQ(0, vt_pair_open(&other.pair, &other.dev, NULL));
	EXPECT_EQ(0, vt_copy_by_write(&other.pair, &other.there, 40000,
				      &other.here, 30000, 5000));
	EXPECT_TRUE(hold_held("forgotten"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->scene));
	EXPECT_EQ(0, vt_buf_check_all(&self->scene.there));
	vt_pair_close(&other.pair);
}

TEST_F_TIMEOUT(rereg, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, begin_waiting(&end, dereg, &self->scene));
	EXPECT_TRUE(hold_held("forgotten"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
}

/* ---- a dma-buf of another driver that is to be mapped ---- */

FIXTURE(dmabuf)
{
	struct vt_link scene;
	struct attempt fault;
};

FIXTURE_SETUP(dmabuf)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_moving));
	ASSERT_EQ(0, vt_link_open(scene, &vt_mem_moving, SIZE, 0, NULL));
	ASSERT_EQ(0, operate(scene, READ));
	ASSERT_EQ(0, vt_mem_move(&scene->there.mem, false));
	vt_buf_fill(&scene->here, 5);
	ASSERT_EQ(0, attempt_start(&self->fault, "unmapped", do_write, scene));
}

FIXTURE_TEARDOWN(dmabuf)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_moving));
}

TEST_F_TIMEOUT(dmabuf, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->scene.there.mem, false));
	EXPECT_TRUE(hold_held("unmapped"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->scene));
}

TEST_F_TIMEOUT(dmabuf, against_revocation, 60)
{
	ASSERT_EQ(0, vt_mem_revoke(&self->scene.there.mem));
	EXPECT_TRUE(hold_held("unmapped"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

TEST_F_TIMEOUT(dmabuf, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, begin_waiting(&end, dereg, &self->scene));
	EXPECT_TRUE(hold_held("unmapped"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
	EXPECT_EQ(0, vt_buf_check_all(&self->scene.there));
}

/* ---- a fault in the background that is done, and not off its list ---- */

FIXTURE(background)
{
	struct vt_link scene, other;
	struct attempt fault, joiner;
};

FIXTURE_VARIANT(background)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(background, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(background, vram) { .kind = &vt_mem_vram };

FIXTURE_SETUP(background)
{
	ASSERT_EQ(0, scene_open(&self->scene, variant->kind));
	self->other = self->scene;
	ASSERT_EQ(0, vt_pair_open(&self->other.pair, &self->scene.dev, NULL));
	ASSERT_EQ(0, attempt_start(&self->fault, "faulted", do_read,
				   &self->scene));
}

FIXTURE_TEARDOWN(background)
{
	vt_pair_close(&self->other.pair);
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static int leave(struct vt_mem *mem)
{
	if (mem->kind == &vt_mem_vram)
		return vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

/*
 * What it has brought has left; who joins it now is told that all is well, finds
 * nothing, and asks again. Nobody waits for ever.
 */
TEST_F_TIMEOUT(background, joined_in_vain, 60)
{
	ASSERT_EQ(0, leave(&self->scene.there.mem));
	vt_buf_fill(&self->scene.there, 3);
	ASSERT_EQ(0, begin_waiting(&self->joiner, do_read, &self->other));
	EXPECT_TRUE(hold_held("faulted"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&self->joiner));
	/* The first may have read some pages before they left. */
	EXPECT_EQ(0, operate(&self->other, READ));
	EXPECT_EQ(0, check_read(&self->scene));
}

/* What it has brought is used while it is still there. */
TEST_F_TIMEOUT(background, used_early, 60)
{
	EXPECT_EQ(0, operate(&self->other, READ));
	EXPECT_EQ(0, check_read(&self->scene));
	EXPECT_TRUE(hold_held("faulted"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_read(&self->scene));
}

TEST_F_TIMEOUT(background, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, begin_waiting(&end, dereg, &self->scene));
	EXPECT_TRUE(hold_held("faulted"));
	EXPECT_FALSE(attempt_is_done(&end));
	attempt_end(&self->fault);
	EXPECT_EQ(0, attempt_join(&end));
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct vt_link scene;
	struct attempt first;
};

FIXTURE_VARIANT(client)
{
	const char *flavour;
	bool unmaps;	/* by itself, in its callback */
};

FIXTURE_VARIANT_ADD(client, plain) { .flavour = "flavour=1" };
FIXTURE_VARIANT_ADD(client, unmaps_itself)
{
	.flavour = "flavour=2", .unmaps = true,
};

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, vt_peerdirect_load(variant->flavour));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	if (vt_module_is_loaded("peerdirect_test"))
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

static int take_back(void *scene)
{
	return vt_mem_revoke(&((struct vt_link *)scene)->there.mem);
}

static int unload(void *scene)
{
	(void)scene;
	return syscall(SYS_delete_module, "peerdirect_test", 0) ? -errno : 0;
}

/* Was every call in order, and nothing mapped for longer than it may be? */
static int count_errors(struct vt_link *scene)
{
	struct peer_test_stats stats = { 0 };
	enum peer_test_count wrong;
	int n = 0;

	if (ioctl(scene->there.mem.fd, PEER_TEST_IOC_STATS, &stats))
		return -errno;
	for (wrong = PEER_TEST_ERR_ORDER; wrong < PEER_TEST_NUM_COUNTS; wrong++)
		n += stats.count[wrong];
	return n;
}

/* The client takes back what it has just mapped, before the core has it. */
TEST_F_TIMEOUT(client, mapped_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, scene_open(scene, &vt_mem_peerdirect));
	ASSERT_EQ(0, attempt_start(&self->first, "mapped", do_write, scene));
	ASSERT_EQ(0, begin_waiting(&second, take_back, scene));
	EXPECT_TRUE(hold_held("mapped"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, check_written(scene));
	EXPECT_EQ(0, count_errors(scene));
}

TEST_F_TIMEOUT(client, mapped_against_deregistration, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, scene_open(scene, &vt_mem_peerdirect));
	ASSERT_EQ(0, attempt_start(&self->first, "mapped", do_write, scene));
	ASSERT_EQ(0, begin_waiting(&second, dereg, scene));
	EXPECT_TRUE(hold_held("mapped"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(scene));
}

/* Access to the range has ended; it is mapped still. */
TEST_F_TIMEOUT(client, stopped_against_access, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, scene_open(scene, &vt_mem_peerdirect));
	ASSERT_EQ(0, operate(scene, WRITE));
	ASSERT_EQ(0, check_written(scene));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", take_back, scene));
	vt_buf_fill(&scene->here, 5);
	EXPECT_EQ(0, operate(scene, WRITE));
	EXPECT_TRUE(hold_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, check_written(scene));
	EXPECT_EQ(0, count_errors(scene));
}

TEST_F_TIMEOUT(client, stopped_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, scene_open(scene, &vt_mem_peerdirect));
	ASSERT_EQ(0, operate(scene, WRITE));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", take_back, scene));
	ASSERT_EQ(0, begin_waiting(&second, take_back, scene));
	EXPECT_TRUE(hold_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(scene));
}

TEST_F_TIMEOUT(client, stopped_against_deregistration, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, scene_open(scene, &vt_mem_peerdirect));
	ASSERT_EQ(0, operate(scene, WRITE));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", take_back, scene));
	ASSERT_EQ(0, begin_waiting(&second, dereg, scene));
	EXPECT_TRUE(hold_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(scene));
}

/* The registration ends, and unmaps. A client that does not unmap waits for that. */
TEST_F_TIMEOUT(client, unmapping_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, vt_link_open(scene, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unmapping", dereg, scene));
	ASSERT_EQ(0, begin_waiting(&second, take_back, scene));
	EXPECT_TRUE(hold_held("unmapping"));
	EXPECT_EQ(variant->unmaps, attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(scene));
}

/* The registration ends: unpinned, and not released yet. */
TEST_F_TIMEOUT(client, unpinned_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, vt_link_open(scene, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unpinned", dereg, scene));
	EXPECT_EQ(0, take_back(scene));
	EXPECT_TRUE(hold_held("unpinned"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, count_errors(scene));
}

TEST_F_TIMEOUT(client, unpinned_against_unloading, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt second;

	ASSERT_EQ(0, vt_link_open(scene, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unpinned", dereg, scene));
	ASSERT_EQ(0, begin_waiting(&second, unload, scene));
	EXPECT_TRUE(hold_held("unpinned"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(scene));
}

TEST_HARNESS_MAIN
