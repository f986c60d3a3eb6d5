// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The other places at which a thread has dropped a lock or is between two
 * steps. It is held there, and the most harmful event happens. gaps_test.c has
 * the gaps of invalidations, races_test.c the faults of one exporter.
 *
 *   held                                  then
 *   a fault has looked up the mapping,    a new mapping, another claim, or the
 *   found no region, or claimed one       process is killed
 *   a region was claimed for reading,     the memory moves or is destroyed
 *   and a fault claims it for writing
 *   a fault found a dma-buf unmapped      it moves, is revoked, or deregistered
 *   a background fault has finished       the pages are invalidated, and another
 *                                         access joins the fault
 *   a PeerDirect range was mapped, lost   the client invalidates it, the MR is
 *   its access, or was unpinned           deregistered, or the client is unloaded
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../kmod/peer_test.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/raw.h"

static int do_read(void *link)
{
	return run_operation(link, READ);
}

static int do_write(void *link)
{
	return run_operation(link, WRITE);
}

static int dereg(void *arg)
{
	struct vt_buf *there = &((struct vt_link *)arg)->there;
	int ret = vt_dereg_mem(&there->mem, there->mr);

	there->mr = NULL;
	return ret;
}

/* Starts a call that has to wait for the held thread. */
static int start_blocked_call(struct attempt *attempt, int (*make)(void *what),
			 void *what)
{
	int ret = attempt_prepare(attempt, make, what);

	if (ret)
		return ret;
	attempt_go(attempt);
	usleep(300000);
	return 0;
}

/* ---- a fault that looks for its region ---- */

FIXTURE(claiming)
{
	struct vt_link link;
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
	ASSERT_EQ(0, race_open(&self->link, variant->kind));
}

FIXTURE_TEARDOWN(claiming)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* The access uses the mapping at the time of the access. */
TEST_F_TIMEOUT(claiming, against_new_mapping, 60)
{
	struct vt_link *link = &self->link;
	struct vt_mem *mem = &link->there.mem;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   link));
	ASSERT_EQ(0, race_replace(mem));
	vt_pattern_fill(mem->addr, 4, 0, mem->length);
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->fault));
	vt_pattern_fill(link->here.shadow, 4, 0, LENGTH);
	EXPECT_EQ(0, vt_buf_check(&link->here, 0, LENGTH));
}

TEST_F_TIMEOUT(claiming, against_munmap, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   link));
	ASSERT_EQ(0, race_unmap(&link->there.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

TEST_F_TIMEOUT(claiming, against_destruction, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   link));
	ASSERT_EQ(0, vt_mem_destroy(&link->there.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

/*
 * A second fault, for writing, claims the same range: one region is kept, the
 * other is released.
 */
TEST_F_TIMEOUT(claiming, against_another_fault, 60)
{
	struct vt_link *link = &self->link, second;

	ASSERT_EQ(0, race_open_second(&second, link));
	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_read,
				   link));
	EXPECT_EQ(0, run_operation(&second, WRITE));
	EXPECT_EQ(0, check_written(&second));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, run_operation(link, READ));
	EXPECT_EQ(0, check_read(link));
	race_close_second(&second);
}

TEST_F_TIMEOUT(claiming, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, attempt_start(&self->fault, variant->point, do_write,
				   &self->link));
	ASSERT_EQ(0, start_blocked_call(&end, dereg, &self->link));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_FALSE(attempt_is_done(&end));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
	EXPECT_EQ(0, vt_buf_check_all(&self->link.there));
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
KILLED(vram, published);
KILLED(vram, faulted);
KILLED(host, nomem);
KILLED(host, published);
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
	struct vt_link link;

	if (!race_open(&link, kind))
		run_operation(&link, WRITE);
	/* The completion may come before the held step. */
	pause();
}

TEST_F_TIMEOUT(killed, during_fault, 60)
{
	int mrs = vt_resource_count("mr");

	EXPECT_EQ(0, kill_at(variant->point, write_on_demand, variant->kind));
	EXPECT_EQ(0, vt_resource_wait("mr", mrs, VT_TIMEOUT_MS));
}

/* ---- a region that was claimed for reading ---- */

FIXTURE(rereg)
{
	struct vt_link link;
	struct attempt fault;
};

#define READING (IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND)
#define WRITING (READING | IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_LOCAL_WRITE)

FIXTURE_SETUP(rereg)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, vt_link_open(link, &vt_mem_vram, SIZE, READING, NULL));
	ASSERT_EQ(0, run_operation(link, READ));
	ASSERT_EQ(0, check_read(link));
	ASSERT_EQ(0, vt_rereg_mr(link->there.mr, IBV_REREG_MR_CHANGE_ACCESS,
				 NULL, WRITING));
	vt_buf_fill(&link->here, 5);
	ASSERT_EQ(0, attempt_start(&self->fault, "removed", do_write, link));
}

FIXTURE_TEARDOWN(rereg)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(rereg, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->link.there.mem, false));
	EXPECT_TRUE(hold_is_held("removed"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->link));
}

TEST_F_TIMEOUT(rereg, against_destruction, 60)
{
	ASSERT_EQ(0, vt_mem_destroy(&self->link.there.mem));
	EXPECT_TRUE(hold_is_held("removed"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

/* An access to other pages of the region claims it for writing meanwhile. */
TEST_F_TIMEOUT(rereg, against_another_fault, 60)
{
	struct vt_link other = self->link;

	ASSERT_EQ(0, vt_pair_open(&other.pair, &other.dev, NULL));
	EXPECT_EQ(0, vt_copy_by_write(&other.pair, &other.there, 40000,
				      &other.here, 30000, 5000));
	EXPECT_TRUE(hold_is_held("removed"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->link));
	EXPECT_EQ(0, vt_buf_check_all(&self->link.there));
	vt_pair_close(&other.pair);
}

TEST_F_TIMEOUT(rereg, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, start_blocked_call(&end, dereg, &self->link));
	EXPECT_TRUE(hold_is_held("removed"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
}

/* ---- a dma-buf of another driver that is about to be mapped ---- */

FIXTURE(dmabuf)
{
	struct vt_link link;
	struct attempt fault;
};

FIXTURE_SETUP(dmabuf)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_moving));
	ASSERT_EQ(0, vt_link_open(link, &vt_mem_moving, SIZE, 0, NULL));
	ASSERT_EQ(0, run_operation(link, READ));
	ASSERT_EQ(0, vt_mem_move(&link->there.mem, false));
	vt_buf_fill(&link->here, 5);
	ASSERT_EQ(0, attempt_start(&self->fault, "unmapped", do_write, link));
}

FIXTURE_TEARDOWN(dmabuf)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_moving));
}

TEST_F_TIMEOUT(dmabuf, against_move, 60)
{
	ASSERT_EQ(0, vt_mem_move(&self->link.there.mem, false));
	EXPECT_TRUE(hold_is_held("unmapped"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_written(&self->link));
}

TEST_F_TIMEOUT(dmabuf, against_revocation, 60)
{
	ASSERT_EQ(0, vt_mem_revoke(&self->link.there.mem));
	EXPECT_TRUE(hold_is_held("unmapped"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
}

TEST_F_TIMEOUT(dmabuf, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, start_blocked_call(&end, dereg, &self->link));
	EXPECT_TRUE(hold_is_held("unmapped"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&end));
	EXPECT_EQ(0, vt_buf_check_all(&self->link.there));
}

/* ---- a background fault that has finished and is still in its list ---- */

FIXTURE(background)
{
	struct vt_link link, other;
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
	ASSERT_EQ(0, race_open(&self->link, variant->kind));
	self->other = self->link;
	ASSERT_EQ(0, vt_pair_open(&self->other.pair, &self->link.dev, NULL));
	ASSERT_EQ(0, attempt_start(&self->fault, "faulted", do_read,
				   &self->link));
}

FIXTURE_TEARDOWN(background)
{
	vt_pair_close(&self->other.pair);
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static int leave(struct vt_mem *mem)
{
	if (mem->kind == &vt_mem_vram)
		return vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

/*
 * The pages of the fault were invalidated. An access that joins it is told that
 * the fault succeeded, finds no page, and faults again. It does not wait for
 * ever.
 */
TEST_F_TIMEOUT(background, joined_after_invalidation, 60)
{
	ASSERT_EQ(0, leave(&self->link.there.mem));
	vt_buf_fill(&self->link.there, 3);
	ASSERT_EQ(0, start_blocked_call(&self->joiner, do_read, &self->other));
	EXPECT_TRUE(hold_is_held("faulted"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, attempt_join(&self->joiner));
	/* The first access may have read some pages before the invalidation. */
	EXPECT_EQ(0, run_operation(&self->other, READ));
	EXPECT_EQ(0, check_read(&self->link));
}

/* The pages of the fault are used while they are still present. */
TEST_F_TIMEOUT(background, used_before_completion, 60)
{
	EXPECT_EQ(0, run_operation(&self->other, READ));
	EXPECT_EQ(0, check_read(&self->link));
	EXPECT_TRUE(hold_is_held("faulted"));
	EXPECT_EQ(0, attempt_end(&self->fault));
	EXPECT_EQ(0, check_read(&self->link));
}

TEST_F_TIMEOUT(background, against_deregistration, 60)
{
	struct attempt end;

	ASSERT_EQ(0, start_blocked_call(&end, dereg, &self->link));
	EXPECT_TRUE(hold_is_held("faulted"));
	EXPECT_FALSE(attempt_is_done(&end));
	attempt_end(&self->fault);
	EXPECT_EQ(0, attempt_join(&end));
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct vt_link link;
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
	EXPECT_EQ(0, vt_link_close(&self->link));
	if (vt_module_is_loaded("peerdirect_test"))
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

static int invalidate_range(void *link)
{
	return vt_mem_revoke(&((struct vt_link *)link)->there.mem);
}

static int unload(void *link)
{
	(void)link;
	return syscall(SYS_delete_module, "peerdirect_test", 0) ? -errno : 0;
}

/* Return: the number of calls in wrong order, and of ranges mapped too long. */
static int count_errors(struct vt_link *link)
{
	struct peer_test_stats stats = { 0 };
	enum peer_test_count wrong;
	int n = 0;

	if (ioctl(link->there.mem.fd, PEER_TEST_IOC_STATS, &stats))
		return -errno;
	for (wrong = PEER_TEST_ERR_ORDER; wrong < PEER_TEST_NUM_COUNTS; wrong++)
		n += stats.count[wrong];
	return n;
}

/*
 * The client invalidates a range that it has mapped, before the core records
 * it.
 */
TEST_F_TIMEOUT(client, mapped_against_invalidation, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, race_open(link, &vt_mem_peerdirect));
	ASSERT_EQ(0, attempt_start(&self->first, "mapped", do_write, link));
	ASSERT_EQ(0, start_blocked_call(&second, invalidate_range, link));
	EXPECT_TRUE(hold_is_held("mapped"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, check_written(link));
	EXPECT_EQ(0, count_errors(link));
}

TEST_F_TIMEOUT(client, mapped_against_deregistration, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, race_open(link, &vt_mem_peerdirect));
	ASSERT_EQ(0, attempt_start(&self->first, "mapped", do_write, link));
	ASSERT_EQ(0, start_blocked_call(&second, dereg, link));
	EXPECT_TRUE(hold_is_held("mapped"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(link));
}

/* Accesses to the range have ended; it is still mapped. */
TEST_F_TIMEOUT(client, stopped_against_access, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, race_open(link, &vt_mem_peerdirect));
	ASSERT_EQ(0, run_operation(link, WRITE));
	ASSERT_EQ(0, check_written(link));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", invalidate_range,
				   link));
	vt_buf_fill(&link->here, 5);
	EXPECT_EQ(0, run_operation(link, WRITE));
	EXPECT_TRUE(hold_is_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, check_written(link));
	EXPECT_EQ(0, count_errors(link));
}

TEST_F_TIMEOUT(client, stopped_against_invalidation, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, race_open(link, &vt_mem_peerdirect));
	ASSERT_EQ(0, run_operation(link, WRITE));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", invalidate_range,
				   link));
	ASSERT_EQ(0, start_blocked_call(&second, invalidate_range, link));
	EXPECT_TRUE(hold_is_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(link));
}

TEST_F_TIMEOUT(client, stopped_against_deregistration, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, race_open(link, &vt_mem_peerdirect));
	ASSERT_EQ(0, run_operation(link, WRITE));
	ASSERT_EQ(0, attempt_start(&self->first, "stopped", invalidate_range,
				   link));
	ASSERT_EQ(0, start_blocked_call(&second, dereg, link));
	EXPECT_TRUE(hold_is_held("stopped"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(link));
}

/*
 * Deregistration unmaps the range. A client that does not unmap by itself waits
 * for that.
 */
TEST_F_TIMEOUT(client, unmapping_against_invalidation, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, vt_link_open(link, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unmapping", dereg, link));
	ASSERT_EQ(0, start_blocked_call(&second, invalidate_range, link));
	EXPECT_TRUE(hold_is_held("unmapping"));
	EXPECT_EQ(variant->unmaps, attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(link));
}

/* Deregistration has unpinned the range, and not released it yet. */
TEST_F_TIMEOUT(client, unpinned_against_invalidation, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, vt_link_open(link, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unpinned", dereg, link));
	EXPECT_EQ(0, invalidate_range(link));
	EXPECT_TRUE(hold_is_held("unpinned"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, count_errors(link));
}

TEST_F_TIMEOUT(client, unpinned_against_unload, 60)
{
	struct vt_link *link = &self->link;
	struct attempt second;

	ASSERT_EQ(0, vt_link_open(link, &vt_mem_peerdirect, SIZE, 0, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "unpinned", dereg, link));
	ASSERT_EQ(0, start_blocked_call(&second, unload, link));
	EXPECT_TRUE(hold_is_held("unpinned"));
	EXPECT_FALSE(attempt_is_done(&second));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&second));
	EXPECT_EQ(0, count_errors(link));
}

TEST_HARNESS_MAIN
