// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Races between faults, accesses and the ways in which pages leave, each forced:
 * one thread is held at a point of the kernel while another does what shall come
 * in between. Every test sees that the one was still held when the other was
 * through, or the reverse where the other has to wait.
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
#include "../lib/node.h"
#include "attempt.h"
#include "hold.h"
#include "scene.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

/* ---- ways to leave ---- */

static int move_away(struct vt_mem *mem)
{
	return vt_mem_move(mem, false);
}

static int swap_out(struct vt_mem *mem)
{
	return madvise(mem->addr, mem->length, MADV_PAGEOUT) ? -errno : 0;
}

/*
 * New pages wait in a list of their processor for others before they get where
 * swapping finds them, and until then are left alone. This empties the lists of
 * all processors.
 */
static int settle_pages(void)
{
	return vt_write_file("/proc/sys/vm/compact_memory", "1");
}

/* The memory is a file's: only this takes its pages away. */
static int take_away(struct vt_mem *mem)
{
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

FIXTURE(race)
{
	struct vt_link scene;
	struct operation op;
};

/*
 * Memory that moves; of that which does not, see the fixture "device".
 *
 * @leave:  the pages go, and come back elsewhere with the same bytes
 * @forget: the same, but the bytes may be lost
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
	.forget = take_away,
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, scene_open(&self->scene, variant->kind));
}

FIXTURE_TEARDOWN(race)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * The owner says where the pages are; they leave; what was said is old, and must
 * not be used.
 */
static void overtake(struct __test_metadata *_metadata, FIXTURE_DATA(race) *self,
		     int (*forget)(struct vt_mem *mem), enum kind kind)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, kind, "answered"));
	ASSERT_EQ(0, forget(&scene->there.mem));
	vt_buf_fill(&scene->there, 3);
	EXPECT_TRUE(hold_held("answered"));
	ASSERT_EQ(0, hold_let_go("answered"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(scene));
}

TEST_F_TIMEOUT(race, fault_against_invalidation, 60)
{
	overtake(_metadata, self, variant->forget, READ);
}

/* The same for an access by the requester's side. */
TEST_F_TIMEOUT(race, local_fault_against_invalidation, 60)
{
	overtake(_metadata, self, variant->forget, WRITE_FROM);
}

/*
 * Checked and not yet stored: an invalidation has to wait for the store, and
 * then takes it away.
 */
TEST_F_TIMEOUT(race, publication_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, hold_arm("publish", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, scene, READ, "publish"));
	ASSERT_EQ(0, variant->forget(&scene->there.mem));
	EXPECT_FALSE(hold_held("publish"));
	vt_buf_fill(&scene->there, 3);
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, operate(scene, READ));
	EXPECT_EQ(0, check_read(scene));
}

/*
 * The entry was looked up, the bytes follow: pages do not leave in between, or
 * what is written now is lost.
 */
TEST_F_TIMEOUT(race, copy_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, operate(scene, READ));
	vt_buf_fill(&scene->here, 5);
	ASSERT_EQ(0, settle_pages());
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, "copy"));
	ASSERT_EQ(0, variant->leave(&scene->there.mem));
	EXPECT_FALSE(hold_held("copy"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_written(scene));
}

/* Two faults on the same pages, the second for writing; the slower one changes nothing. */
TEST_F_TIMEOUT(race, fault_against_fault, 60)
{
	struct vt_link *scene = &self->scene, second;

	ASSERT_EQ(0, scene_second(&second, scene));
	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, READ, "answered"));
	EXPECT_EQ(0, operate(&second, WRITE));
	EXPECT_EQ(0, check_written(&second));
	EXPECT_TRUE(hold_held("answered"));
	ASSERT_EQ(0, hold_let_go("answered"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, operate(scene, READ));
	EXPECT_EQ(0, check_read(scene));
	scene_second_close(&second);
}

/* Returns when the on-demand buffer has pages. Return: 0 or -errno. */
static int wait_until_resident(struct vt_link *scene)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	struct peer_mem_mr mr = { 0 };
	int fd = node_open(), ret = 0;
	bool there = false;

	while (!there && vt_now_ms() < until) {
		usleep(1000);
		ret = node_next_mr(fd, 0, ret ? 0 : mr.number, &mr);
		there = !ret && mr.resident &&
			mr.addr == (uintptr_t)scene->there.mr->addr;
	}
	close(fd);
	return there ? 0 : -ETIMEDOUT;
}

/* Who uses what a fault has brought, finds that fault counted. */
TEST_F_TIMEOUT(race, count_against_use, 60)
{
	struct vt_link *scene = &self->scene;
	struct vt_mr_counters counters;
	struct vt_counters before, after;

	ASSERT_EQ(0, vt_counters_read(variant->kind, &before));
	ASSERT_EQ(0, hold_arm("brought", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, READ, "brought"));
	/* It asks again, and needs no fault any more. */
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(scene));
	EXPECT_TRUE(hold_held("brought"));
	EXPECT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(1, counters.faults);
	EXPECT_EQ(0, vt_counters_read(variant->kind, &after));
	EXPECT_EQ(before.faults + !!variant->kind->client, after.faults);
	ASSERT_EQ(0, hold_let_go("brought"));
}

/*
 * An access finds pages missing; the fault that brings them ends before the access
 * looks for one to wait for. Nobody is asked again.
 */
TEST_F_TIMEOUT(race, end_of_fault_against_missing, 60)
{
	struct vt_link *scene = &self->scene;
	struct vt_mr_counters counters;

	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, READ, "answered"));
	ASSERT_EQ(0, hold_arm("missed", HOLD_LONG));
	ASSERT_EQ(0, hold_wait("missed"));
	ASSERT_EQ(0, hold_let_go("answered"));
	ASSERT_EQ(0, wait_until_resident(scene));
	EXPECT_TRUE(hold_held("missed"));
	ASSERT_EQ(0, hold_let_go("missed"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(0, check_read(scene));
	EXPECT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(1, counters.faults);
}

/* ---- the end of things, while a fault is under way ---- */

static int deregister(struct vt_link *scene)
{
	int ret = -ibv_dereg_mr(scene->there.mr);

	scene->there.mr = NULL;
	return ret;
}

/* Deregistration waits for the fault, and the fault brings nothing any more. */
TEST_F_TIMEOUT(race, fault_against_deregistration, 60)
{
	struct vt_link *scene = &self->scene;
	struct ending ending;

	/* Before: a new thread's stack needs the mmap_lock that is held then. */
	ASSERT_EQ(0, ending_prepare(&ending, scene, deregister));
	ASSERT_EQ(0, hold_arm("ask", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, "ask"));
	ASSERT_EQ(0, ending_start(&ending));
	EXPECT_TRUE(hold_held("ask"));
	ASSERT_EQ(0, hold_let_go("ask"));
	EXPECT_EQ(0, ending_finish(&ending));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&scene->there));
}

static void fault(const struct vt_mem_kind *kind)
{
	struct vt_link scene;

	if (!scene_open(&scene, kind))
		operate(&scene, WRITE);
}

TEST_F_TIMEOUT(race, fault_against_exit, 60)
{
	int mrs = vt_resource_count("mr");

	if (variant->kind->client)
		EXPECT_EQ(0, kill_at("claimed", fault, variant->kind));
	EXPECT_EQ(0, kill_at("ask", fault, variant->kind));
	EXPECT_EQ(0, kill_at("answered", fault, variant->kind));
	EXPECT_EQ(mrs, vt_resource_count("mr"));
}

/*
 * ---- what only device memory knows ----
 *
 * It is asked without mmap_lock, so its mapping may change meanwhile; and it has
 * an owner.
 */

FIXTURE(device)
{
	struct vt_link scene;
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
	ASSERT_EQ(0, scene_open(&self->scene, variant->kind));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* A region is claimed for a mapping that is no more when it is to be kept. */
TEST_F_TIMEOUT(device, claim_against_new_mapping, 60)
{
	struct vt_link *scene = &self->scene;
	struct vt_mem *mem = &scene->there.mem;

	ASSERT_EQ(0, hold_arm("claimed", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, READ, "claimed"));
	/* Another object takes the place of the one that is mapped. */
	ASSERT_EQ(0, vt_mem_map_at(mem->kind, mem->addr, mem->length));
	vt_pattern_fill(mem->addr, 4, 0, mem->length);
	EXPECT_TRUE(hold_held("claimed"));
	ASSERT_EQ(0, hold_let_go("claimed"));
	EXPECT_EQ(0, operation_end(&self->op));
	vt_pattern_fill(scene->here.shadow, 4, 0, LENGTH);
	EXPECT_EQ(0, vt_buf_check(&scene->here, 0, LENGTH));
}

/* The right to write goes while the page comes for writing. */
TEST_F_TIMEOUT(device, fault_against_mprotect, 60)
{
	struct vt_link *scene = &self->scene;
	struct vt_mem *mem = &scene->there.mem;

	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, "answered"));
	ASSERT_EQ(0, mprotect(mem->addr, mem->length, PROT_READ));
	EXPECT_TRUE(hold_held("answered"));
	ASSERT_EQ(0, hold_let_go("answered"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&scene->there));

	ASSERT_EQ(0, mprotect(mem->addr, mem->length, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, vt_pair_renew(&scene->pair));
	EXPECT_EQ(0, operate(scene, WRITE));
	EXPECT_EQ(0, check_written(scene));
}

/* The object dies: what was said of it is void, for ever. */
TEST_F_TIMEOUT(device, fault_against_destruction, 60)
{
	struct vt_link *scene = &self->scene;

	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, "answered"));
	ASSERT_EQ(0, vt_mem_destroy(&scene->there.mem));
	EXPECT_TRUE(hold_held("answered"));
	ASSERT_EQ(0, hold_let_go("answered"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
}

/* A pinned MR is being written when its object dies. */
TEST_F_TIMEOUT(device, copy_against_destruction, 60)
{
	struct vt_buf pinned;
	struct vt_link scene = self->scene;

	ASSERT_EQ(0, vt_buf_open(&pinned, &scene.dev, variant->kind, SIZE,
				 NULL));
	scene.there = pinned;
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	ASSERT_EQ(0, operation_start(&self->op, &scene, WRITE, "copy"));
	ASSERT_EQ(0, vt_mem_destroy(&pinned.mem));
	EXPECT_FALSE(hold_held("copy"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_close(&pinned));
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct vt_link scene;
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
	ASSERT_EQ(0, scene_open(&self->scene, &vt_mem_peerdirect));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, vt_link_close(&self->scene));
	if (vt_module_is_loaded("peerdirect_test"))
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

static unsigned long count_of(struct vt_link *scene, enum peer_test_count what)
{
	struct peer_test_stats stats = { 0 };

	if (ioctl(scene->there.mem.fd, PEER_TEST_IOC_STATS, &stats))
		return ~0ULL;
	return stats.count[what];
}

/* What the client took back is acquired again before it is used. */
TEST_F_TIMEOUT(client, fault_against_invalidation, 60)
{
	struct vt_link *scene = &self->scene;
	unsigned long before = count_of(scene, PEER_TEST_ACQUIRED);
	enum peer_test_count wrong;

	ASSERT_EQ(0, hold_arm("answered", HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, "answered"));
	EXPECT_EQ(before + 1, count_of(scene, PEER_TEST_ACQUIRED));
	ASSERT_EQ(0, vt_mem_revoke(&scene->there.mem));
	EXPECT_TRUE(hold_held("answered"));
	ASSERT_EQ(0, hold_let_go("answered"));
	EXPECT_EQ(0, operation_end(&self->op));
	EXPECT_EQ(before + 2, count_of(scene, PEER_TEST_ACQUIRED));
	EXPECT_EQ(0, check_written(scene));
	for (wrong = PEER_TEST_ERR_ORDER; wrong < PEER_TEST_NUM_COUNTS; wrong++)
		EXPECT_EQ(0, count_of(scene, wrong));
}

static int unload(struct vt_link *scene)
{
	return syscall(SYS_delete_module, "peerdirect_test", 0) ? -errno : 0;
}

static int attempt_unload(void *scene)
{
	return unload(scene);
}

/* Unloading waits for the call into the client, and for nothing else. */
static void unload_at(struct __test_metadata *_metadata,
		      FIXTURE_DATA(client) *self, const char *point)
{
	struct vt_link *scene = &self->scene;
	struct ending ending;

	ASSERT_EQ(0, ending_prepare(&ending, scene, unload));
	ASSERT_EQ(0, hold_arm(point, HOLD_LONG));
	ASSERT_EQ(0, operation_start(&self->op, scene, WRITE, point));
	ASSERT_EQ(0, ending_start(&ending));
	EXPECT_TRUE(hold_held(point));
	ASSERT_EQ(0, hold_let_go(point));
	EXPECT_EQ(0, ending_finish(&ending));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, operation_end(&self->op));
	EXPECT_EQ(0, vt_buf_check_all(&scene->there));
}

TEST_F_TIMEOUT(client, claim_against_unloading, 60)
{
	unload_at(_metadata, self, "claimed");
}

TEST_F_TIMEOUT(client, question_against_unloading, 60)
{
	unload_at(_metadata, self, "ask");
}

TEST_F_TIMEOUT(client, answer_against_unloading, 60)
{
	unload_at(_metadata, self, "answered");
}

/*
 * Unloading has found the region; meanwhile its registration ends, which must wait
 * until unloading has done with it.
 */
TEST_F_TIMEOUT(client, unloading_against_deregistration, 60)
{
	struct vt_link *scene = &self->scene;
	struct attempt attempt;
	struct ending ending;

	ASSERT_EQ(0, operate(scene, WRITE));
	ASSERT_EQ(0, ending_prepare(&ending, scene, deregister));
	ASSERT_EQ(0, attempt_start(&attempt, "found", attempt_unload, scene));
	ASSERT_EQ(0, ending_start(&ending));
	EXPECT_TRUE(hold_held("found"));
	EXPECT_EQ(0, attempt_end(&attempt));
	EXPECT_EQ(0, ending_finish(&ending));
}

TEST_HARNESS_MAIN
