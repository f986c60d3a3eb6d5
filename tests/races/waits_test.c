// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What an invalidation and deregistration wait for, also when others invalidate
 * or revoke at the same time:
 *
 *   an invalidation        a reader, on any processor
 *   a third invalidation   a reader that started after the first one has waited for
 *                          readers, and before the second one does
 *   deregistration         a region that a revocation is detaching
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/mman.h>

#include "page_size.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define CPUMASK "/sys/devices/virtual/workqueue/cpumask"

/*
 * ---- a reader on each processor ----
 *
 * The work queues of Soft-RoCE run on one processor, and this program on the
 * others.
 */

FIXTURE(reader)
{
	struct vt_link link;
	struct attempt access;
	cpu_set_t all;
};

FIXTURE_VARIANT(reader)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(reader, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(reader, host) { .kind = &vt_mem_host };

FIXTURE_SETUP(reader)
{
	ASSERT_EQ(0, sched_getaffinity(0, sizeof(self->all), &self->all));
	ASSERT_EQ(0, race_open(&self->link, variant->kind));
}

static int work_on(const cpu_set_t *cpus)
{
	unsigned long mask = 0;
	char text[32];
	int cpu;

	for (cpu = 0; cpu < 64; cpu++)
		if (CPU_ISSET(cpu, cpus))
			mask |= 1UL << cpu;
	snprintf(text, sizeof(text), "%lx", mask);
	return vt_write_file(CPUMASK, text);
}

FIXTURE_TEARDOWN(reader)
{
	EXPECT_EQ(0, work_on(&self->all));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static int do_write(void *link)
{
	return run_operation(link, WRITE);
}

static int leave(struct vt_mem *mem)
{
	if (mem->kind == &vt_mem_vram)
		return vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_DONTNEED) ? -errno : 0;
}

/* Data written during the invalidation is not lost. */
static void leave_while_written(struct __test_metadata *_metadata,
				FIXTURE_DATA(reader) *self, int cpu)
{
	struct vt_link *link = &self->link;
	cpu_set_t one, others = self->all;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	CPU_CLR(cpu, &others);
	ASSERT_EQ(0, work_on(&one));
	ASSERT_EQ(0, run_operation(link, WRITE));
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(others), &others));
	vt_buf_fill(&link->here, 10 + cpu);
	ASSERT_EQ(0, attempt_prepare(&self->access, do_write, link));
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	attempt_go(&self->access);
	ASSERT_EQ(0, hold_wait("copy"));
	ASSERT_EQ(0, leave(&link->there.mem));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_EQ(0, attempt_join(&self->access));
	EXPECT_EQ(0, check_written(link));
	ASSERT_EQ(0, sched_setaffinity(0, sizeof(self->all), &self->all));
}

TEST_F_TIMEOUT(reader, each_processor, 60)
{
	int cpu;

	if (CPU_COUNT(&self->all) < 2)
		SKIP(return, "needs two processors");
	for (cpu = 0; cpu < 64; cpu++)
		if (CPU_ISSET(cpu, &self->all))
			leave_while_written(_metadata, self, cpu);
}

/* ---- three invalidations ---- */

#define PAGE page_size()

FIXTURE(third_invalidation)
{
	VT_LINK;
	struct attempt first, second, access;
};

FIXTURE_SETUP(third_invalidation)
{
	struct ibv_sge all;

	ASSERT_EQ(0, race_open(&self->link, &vt_mem_host));
	all = vt_sge(&self->there, 0, SIZE);
	ASSERT_EQ(0, vt_advise_mr(self->dev.pd,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &all, 1));
	vt_buf_fill(&self->here, 3);
}

FIXTURE_TEARDOWN(third_invalidation)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

static int drop_last_page(void *link)
{
	uint8_t *addr = ((struct vt_link *)link)->there.mem.addr;

	return madvise(addr + SIZE - PAGE, PAGE, MADV_DONTNEED) ? -errno : 0;
}

static int drop_first_page(void *link)
{
	uint8_t *addr = ((struct vt_link *)link)->there.mem.addr;

	return madvise(addr, PAGE, MADV_DONTNEED) ? -errno : 0;
}

static int write_first_page(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->here, 0, 100);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

/*
 * The first invalidation has waited for all readers and has not recorded that
 * yet. The second erases the page that is being written, and has not waited
 * yet. What the first then records must not cover that reader.
 */
TEST_F_TIMEOUT(third_invalidation, waits_for_reader, 60)
{
	uint8_t *page = self->there.mem.addr;

	ASSERT_EQ(0, attempt_prepare(&self->second, drop_first_page,
				     &self->link));
	ASSERT_EQ(0, attempt_prepare(&self->access, write_first_page,
				     &self->link));
	ASSERT_EQ(0, attempt_start(&self->first, "waited", drop_last_page,
				   &self->link));
	ASSERT_EQ(0, hold_arm("copy", 10 * HOLD_SPIN));
	attempt_go(&self->access);
	ASSERT_EQ(0, hold_wait("copy"));
	ASSERT_EQ(0, hold_arm("erased", HOLD_LONG));
	attempt_go(&self->second);
	ASSERT_EQ(0, hold_wait("erased"));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_TRUE(hold_is_held("copy"));
	ASSERT_EQ(0, madvise(page, PAGE, MADV_REMOVE));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_TRUE(hold_is_held("erased"));
	ASSERT_EQ(0, hold_release("erased"));
	EXPECT_EQ(0, attempt_join(&self->second));
	EXPECT_EQ(0, attempt_join(&self->access));
	/* MADV_REMOVE has removed the data from the file. */
	memset(self->there.shadow, 0, PAGE);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* ---- deregistration ---- */

FIXTURE(end)
{
	VT_LINK;
	struct attempt revocation, end;
};

FIXTURE_VARIANT(end)
{
	int access;
};

FIXTURE_VARIANT_ADD(end, pinned) {};
FIXTURE_VARIANT_ADD(end, on_demand) {
	.access = VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND,
};

FIXTURE_SETUP(end)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, SIZE,
				  variant->access, NULL));
	ASSERT_EQ(0, run_operation(&self->link, WRITE));
}

FIXTURE_TEARDOWN(end)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

static int revoke_mem(void *link)
{
	return vt_mem_revoke(&((struct vt_link *)link)->there.mem);
}

static int deregister(void *arg)
{
	struct vt_link *link = arg;
	int ret = -ibv_dereg_mr(link->there.mr);

	link->there.mr = NULL;
	return ret;
}

/*
 * Another thread is calling the exporter; the revocation did not wait for it.
 */
TEST_F_TIMEOUT(end, waits_for_release, 60)
{
	ASSERT_EQ(0, attempt_prepare(&self->end, deregister, &self->link));
	ASSERT_EQ(0, attempt_start(&self->revocation, "unpinned", revoke_mem,
				   &self->link));
	EXPECT_EQ(0, attempt_join(&self->revocation));
	attempt_go(&self->end);
	usleep(500000);
	EXPECT_TRUE(hold_is_held("unpinned"));
	EXPECT_FALSE(attempt_is_done(&self->end));
	ASSERT_EQ(0, hold_release("unpinned"));
	EXPECT_EQ(0, attempt_join(&self->end));
}

TEST_HARNESS_MAIN
