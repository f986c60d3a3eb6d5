// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Forced races between faults, accesses and invalidations. One thread is held
 * at a hold point while another thread acts. Each test checks that the first
 * thread was still held when the second finished. Where the second has to wait,
 * it checks the reverse.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../kmod/peer_test.h"
#include "../lib/chardev.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

/* ---- invalidations ---- */

static int move_away(struct vt_mem *mem)
{
	return vt_mem_move(mem, false);
}

static int swap_out(struct vt_mem *mem)
{
	return madvise(mem->addr, mem->length, MADV_PAGEOUT) ? -errno : 0;
}

/*
 * A new page first waits in a per-CPU list, where reclaim does not find it.
 * This drains the lists of all CPUs.
 */
static int drain_lru_lists(void)
{
	return vt_write_file("/proc/sys/vm/compact_memory", "1");
}

/* The memory is a file: only MADV_REMOVE removes its pages. */
static int punch_hole(struct vt_mem *mem)
{
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

FIXTURE(race)
{
	struct vt_link link;
	struct operation op;
};

/*
 * Memory that can move. Fixture "device" has memory that cannot.
 *
 * @leave:  moves the pages and keeps their data
 * @forget: the same, but the data may be lost
 */
FIXTURE_VARIANT(race)
{
	const struct vt_mem_kind *kind;
	int (*leave)(struct vt_mem *mem);
	int (*forget)(struct vt_mem *mem);
};

FIXTURE_VARIANT_ADD(race, vram)
{
	.kind = &vt_mem_vram,
	.leave = move_away,
	.forget = move_away,
};

FIXTURE_VARIANT_ADD(race, host)
{
	.kind = &vt_mem_host,
	.leave = swap_out,
	.forget = punch_hole,
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, race_open(&self->link, variant->kind));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * The pages are invalidated after their owner has resolved them: the fault must
 * not use the stale result.
 */
static void invalidate_after_resolve(struct __test_metadata *_metadata,
				     FIXTURE_DATA(race) *self,
				     int (*forget)(struct vt_mem *mem),
				     enum kind kind)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, kind, "resolved"));
	ASSERT_EQ(0, forget(&link->there.mem));
	vt_buf_fill(&link->there, 3);
	EXPECT_TRUE(hold_is_held("resolved"));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(link));
}

TEST_F_TIMEOUT(race, fault_against_invalidation, 60)
{
	invalidate_after_resolve(_metadata, self, variant->forget, READ);
}

/* The same for an access of the requester. */
TEST_F_TIMEOUT(race, local_fault_against_invalidation, 60)
{
	invalidate_after_resolve(_metadata, self, variant->forget, WRITE_FROM);
}

/*
 * The fault has checked the result and not stored it yet. An invalidation has
 * to wait for the store, and then erases it.
 */
TEST_F_TIMEOUT(race, publication_against_invalidation, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, hold_arm("publish", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, link, READ, "publish"));
	ASSERT_EQ(0, variant->forget(&link->there.mem));
	EXPECT_FALSE(hold_is_held("publish"));
	vt_buf_fill(&link->there, 3);
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, run_operation(link, READ));
	EXPECT_EQ(0, check_read(link));
}

/*
 * The reader has looked up the entry and copies next. The pages must not move
 * in between, or the data written is lost.
 */
TEST_F_TIMEOUT(race, copy_against_invalidation, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, run_operation(link, READ));
	vt_buf_fill(&link->here, 5);
	ASSERT_EQ(0, drain_lru_lists());
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, "copy"));
	ASSERT_EQ(0, variant->leave(&link->there.mem));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_written(link));
}

/*
 * Two faults of the same pages, the second for writing. The slower one must not
 * replace the entries of the faster one.
 */
TEST_F_TIMEOUT(race, fault_against_fault, 60)
{
	struct vt_link *link = &self->link, second;

	ASSERT_EQ(0, race_open_second(&second, link));
	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, READ, "resolved"));
	EXPECT_EQ(0, run_operation(&second, WRITE));
	EXPECT_EQ(0, check_written(&second));
	EXPECT_TRUE(hold_is_held("resolved"));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, run_operation(link, READ));
	EXPECT_EQ(0, check_read(link));
	race_close_second(&second);
}

/* Waits until the on-demand buffer has pages. Return: 0 or -errno. */
static int wait_until_resident(struct vt_link *link)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	struct peer_mem_mr mr = { 0 };
	int fd = chardev_open(), ret = 0;
	bool there = false;

	while (!there && vt_now_ms() < until) {
		usleep(1000);
		ret = chardev_next_mr(fd, 0, ret ? 0 : mr.number, &mr);
		there = !ret && mr.resident &&
			mr.addr == (uintptr_t)link->there.mr->addr;
	}
	close(fd);
	return there ? 0 : -ETIMEDOUT;
}

/* A fault is counted before an access can use its pages. */
TEST_F_TIMEOUT(race, counted_before_use, 60)
{
	struct vt_link *link = &self->link;
	struct vt_mr_counters counters;
	struct vt_counters before, after;

	ASSERT_EQ(0, vt_counters_read(variant->kind, &before));
	ASSERT_EQ(0, hold_arm("published", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, READ, "published"));
	/* The requester retries, and needs no further fault. */
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(link));
	EXPECT_TRUE(hold_is_held("published"));
	EXPECT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(1, counters.faults);
	EXPECT_EQ(0, vt_counters_read(variant->kind, &after));
	EXPECT_EQ(before.faults + !!variant->kind->exporter, after.faults);
	ASSERT_EQ(0, hold_release("published"));
}

/*
 * An access finds pages missing. The fault that maps them ends before the
 * access looks for a fault to join. The access must not resolve again.
 */
TEST_F_TIMEOUT(race, miss_against_end_of_fault, 60)
{
	struct vt_link *link = &self->link;
	struct vt_mr_counters counters;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, READ, "resolved"));
	ASSERT_EQ(0, hold_arm("missed", HOLD_LONG));
	ASSERT_EQ(0, hold_wait("missed"));
	ASSERT_EQ(0, hold_release("resolved"));
	ASSERT_EQ(0, wait_until_resident(link));
	EXPECT_TRUE(hold_is_held("missed"));
	ASSERT_EQ(0, hold_release("missed"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(link));
	EXPECT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(1, counters.faults);
}

/* ---- deregistration and exit during a fault ---- */

static int deregister(struct vt_link *link)
{
	int ret = -ibv_dereg_mr(link->there.mr);

	link->there.mr = NULL;
	return ret;
}

/* Deregistration waits for the fault, and the fault publishes nothing. */
TEST_F_TIMEOUT(race, fault_against_deregistration, 60)
{
	struct vt_link *link = &self->link;
	struct blocked_call blocked;

	/*
	 * Create it first: the stack of a new thread needs mmap_lock, which is
	 * held later.
	 */
	ASSERT_EQ(0, blocked_call_prepare(&blocked, link, deregister));
	ASSERT_EQ(0, hold_arm("resolve", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, "resolve"));
	ASSERT_EQ(0, blocked_call_start(&blocked));
	EXPECT_TRUE(hold_is_held("resolve"));
	ASSERT_EQ(0, hold_release("resolve"));
	EXPECT_EQ(0, blocked_call_finish(&blocked));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&link->there));
}

static void fault(const struct vt_mem_kind *kind)
{
	struct vt_link link;

	if (!race_open(&link, kind))
		run_operation(&link, WRITE);
}

TEST_F_TIMEOUT(race, fault_against_exit, 60)
{
	int mrs = vt_resource_count("mr");

	if (variant->kind->exporter)
		EXPECT_EQ(0, kill_at("claimed", fault, variant->kind));
	EXPECT_EQ(0, kill_at("resolve", fault, variant->kind));
	EXPECT_EQ(0, kill_at("resolved", fault, variant->kind));
	EXPECT_EQ(0, vt_resource_wait("mr", mrs, VT_TIMEOUT_MS));
}

/*
 * ---- device memory only ----
 *
 * The core resolves it without mmap_lock, so its mapping may change meanwhile.
 * It also has an exporter.
 */

FIXTURE(device)
{
	struct vt_link link;
	struct operation op;
};

FIXTURE_VARIANT(device)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(device, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(device, cmb) { .kind = &vt_mem_cmb };

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, race_open(&self->link, variant->kind));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* The mapping is replaced after the claim and before the region is inserted. */
TEST_F_TIMEOUT(device, claim_against_new_mapping, 60)
{
	struct vt_link *link = &self->link;
	struct vt_mem *mem = &link->there.mem;

	ASSERT_EQ(0, hold_arm("claimed", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, READ, "claimed"));
	/* Maps another BO at the address of the first. */
	ASSERT_EQ(0, vt_mem_map_at(mem->kind, mem->addr, mem->length));
	vt_pattern_fill(mem->addr, 4, 0, mem->length);
	EXPECT_TRUE(hold_is_held("claimed"));
	ASSERT_EQ(0, hold_release("claimed"));
	EXPECT_EQ(0, operation_end(&self->op));
	vt_pattern_fill(link->here.shadow, 4, 0, LENGTH);
	EXPECT_EQ(0, vt_buf_check(&link->here, 0, LENGTH));
}

/* The mapping becomes read-only during a fault for writing. */
TEST_F_TIMEOUT(device, fault_against_mprotect, 60)
{
	struct vt_link *link = &self->link;
	struct vt_mem *mem = &link->there.mem;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, "resolved"));
	ASSERT_EQ(0, mprotect(mem->addr, mem->length, PROT_READ));
	EXPECT_TRUE(hold_is_held("resolved"));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&link->there));

	ASSERT_EQ(0, mprotect(mem->addr, mem->length, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, vt_pair_renew(&link->pair));
	EXPECT_EQ(0, run_operation(link, WRITE));
	EXPECT_EQ(0, check_written(link));
}

/* The BO is destroyed: the result of resolve is never used. */
TEST_F_TIMEOUT(device, fault_against_destruction, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, "resolved"));
	ASSERT_EQ(0, vt_mem_destroy(&link->there.mem));
	EXPECT_TRUE(hold_is_held("resolved"));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
}

/* The BO is destroyed while an access writes a pinned MR. */
TEST_F_TIMEOUT(device, copy_against_destruction, 60)
{
	struct vt_buf pinned;
	struct vt_link link = self->link;

	ASSERT_EQ(0, vt_buf_open(&pinned, &link.dev, variant->kind, SIZE,
				 NULL));
	link.there = pinned;
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, &link, WRITE, "copy"));
	ASSERT_EQ(0, vt_mem_destroy(&pinned.mem));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_close(&pinned));
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct vt_link link;
	struct operation op;
};

FIXTURE_VARIANT(client)
{
	const char *flavour;
};

FIXTURE_VARIANT_ADD(client, plain)
{
	.flavour = "flavour=1",
};

FIXTURE_VARIANT_ADD(client, unmaps_itself)
{
	.flavour = "flavour=2",
};

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, vt_peerdirect_load(variant->flavour));
	ASSERT_EQ(0, race_open(&self->link, &vt_mem_peerdirect));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	if (vt_module_is_loaded("peerdirect_test"))
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

static unsigned long count_of(struct vt_link *link, enum peer_test_count what)
{
	struct peer_test_stats stats = { 0 };

	if (ioctl(link->there.mem.fd, PEER_TEST_IOC_STATS, &stats))
		return ~0ULL;
	return stats.count[what];
}

/*
 * Memory that the client has invalidated is acquired again before it is used.
 */
TEST_F_TIMEOUT(client, fault_against_invalidation, 60)
{
	struct vt_link *link = &self->link;
	unsigned long before = count_of(link, PEER_TEST_ACQUIRED);
	enum peer_test_count wrong;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, "resolved"));
	EXPECT_EQ(before + 1, count_of(link, PEER_TEST_ACQUIRED));
	ASSERT_EQ(0, vt_mem_revoke(&link->there.mem));
	EXPECT_TRUE(hold_is_held("resolved"));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(before + 2, count_of(link, PEER_TEST_ACQUIRED));
	EXPECT_EQ(0, check_written(link));
	for (wrong = PEER_TEST_ERR_ORDER; wrong < PEER_TEST_NUM_COUNTS; wrong++)
		EXPECT_EQ(0, count_of(link, wrong));
}

static int unload(struct vt_link *link)
{
	return syscall(SYS_delete_module, "peerdirect_test", 0) ? -errno : 0;
}

static int attempt_unload(void *link)
{
	return unload(link);
}

/* Unloading waits for the call into the client, and for nothing else. */
static void unload_at(struct __test_metadata *_metadata,
		      FIXTURE_DATA(client) *self, const char *point)
{
	struct vt_link *link = &self->link;
	struct blocked_call blocked;

	ASSERT_EQ(0, blocked_call_prepare(&blocked, link, unload));
	ASSERT_EQ(0, hold_arm(point, HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, link, WRITE, point));
	ASSERT_EQ(0, blocked_call_start(&blocked));
	EXPECT_TRUE(hold_is_held(point));
	ASSERT_EQ(0, hold_release(point));
	EXPECT_EQ(0, blocked_call_finish(&blocked));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&link->there));
}

TEST_F_TIMEOUT(client, claim_against_unload, 60)
{
	unload_at(_metadata, self, "claimed");
}

TEST_F_TIMEOUT(client, resolve_against_unload, 60)
{
	unload_at(_metadata, self, "resolve");
}

TEST_F_TIMEOUT(client, resolved_against_unload, 60)
{
	unload_at(_metadata, self, "resolved");
}

/*
 * Unloading has found the region. Deregistration of that region has to wait
 * until unloading no longer uses it.
 */
TEST_F_TIMEOUT(client, unload_against_deregistration, 60)
{
	struct vt_link *link = &self->link;
	struct attempt attempt;
	struct blocked_call blocked;

	ASSERT_EQ(0, run_operation(link, WRITE));
	ASSERT_EQ(0, blocked_call_prepare(&blocked, link, deregister));
	ASSERT_EQ(0, attempt_start(&attempt, "found", attempt_unload, link));
	ASSERT_EQ(0, blocked_call_start(&blocked));
	EXPECT_TRUE(hold_is_held("found"));
	EXPECT_EQ(0, attempt_end(&attempt));
	EXPECT_EQ(0, blocked_call_finish(&blocked));
}

TEST_HARNESS_MAIN
