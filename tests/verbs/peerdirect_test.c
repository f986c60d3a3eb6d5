// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PeerDirect clients, old and new: a client module (tests/kmod) that checks how the
 * core calls it, with all its parameters. data_test.c tests the data in such memory.
 *
 * Each test loads the client and unloads it.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "../page_size.h"
#include "applies.h"
#include "../kmod/peer_test.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define PAGE page_size()
/* Several pieces of physical memory, of different sizes. */
#define SIZE (1024 * 1024)

#define BOUND_MS 15000

enum flavour { NEVER_INVALIDATES, INVALIDATES, UNMAPS_ITSELF };

FIXTURE(peerdirect)
{
	struct vt_dev dev;
	struct vt_buf buf;
	struct vt_counters before;
};

FIXTURE_VARIANT(peerdirect)
{
	enum flavour flavour;
	const char *params;
};

#define PEERDIRECT_VARIANT(_name, _flavour, _params)			\
	FIXTURE_VARIANT_ADD(peerdirect, _name)				\
	{								\
		.flavour = _flavour,					\
		.params = _params,					\
	}

PEERDIRECT_VARIANT(never_invalidates, NEVER_INVALIDATES, "flavour=0");
PEERDIRECT_VARIANT(no_page_size, NEVER_INVALIDATES,
		   "flavour=0 no_page_size=1");
PEERDIRECT_VARIANT(invalidates, INVALIDATES, "flavour=1");
PEERDIRECT_VARIANT(unmaps_itself, UNMAPS_ITSELF, "flavour=2");
/* Pages of 64 KiB: the client's list begins before the region, and ends after it. */
PEERDIRECT_VARIANT(large_pages, INVALIDATES, "flavour=1 page_shift=16");

static struct peer_test_stats stats_of(const struct vt_buf *buf)
{
	struct peer_test_stats stats = { { 0 } };

	ioctl(buf->mem.fd, PEER_TEST_IOC_STATS, &stats);
	return stats;
}

static uint64_t count_of(const struct vt_buf *buf, enum peer_test_count what)
{
	return stats_of(buf).count[what];
}

/* Begins and ends within pages of 64 KiB. */
static struct ibv_mr *reg_middle(FIXTURE_DATA(peerdirect) *self)
{
	return ibv_reg_mr(self->dev.pd, self->buf.mem.addr + 5 * PAGE + 123,
			  SIZE / 2, VT_ACCESS_ALL);
}

FIXTURE_SETUP(peerdirect)
{
	ASSERT_EQ(0, vt_peerdirect_load(variant->params));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->buf.mem, &vt_mem_peerdirect, SIZE,
				  0));
	self->buf.shadow = calloc(1, SIZE);
	ASSERT_NE(NULL, self->buf.shadow);
	ASSERT_EQ(0, ioctl(self->buf.mem.fd, PEER_TEST_IOC_CLEAR));
	vt_buf_fill(&self->buf, 1);
}

/* The tests deregister all MRs: each call must have its counterpart. */
FIXTURE_TEARDOWN(peerdirect)
{
	struct peer_test_stats stats = stats_of(&self->buf);
	const __u64 *count = stats.count;

	EXPECT_EQ(0, count[PEER_TEST_ERR_ORDER]);
	EXPECT_EQ(0, count[PEER_TEST_ERR_TABLE]);
	EXPECT_EQ(0, count[PEER_TEST_ERR_DEVICE]);
	EXPECT_EQ(0, count[PEER_TEST_ERR_CONTRACT]);
	EXPECT_EQ(0, count[PEER_TEST_ERR_ARGUMENT]);
	EXPECT_EQ(count[PEER_TEST_ACQUIRED], count[PEER_TEST_RELEASE]);
	EXPECT_EQ(0, vt_buf_close(&self->buf));
	vt_dev_close(&self->dev);
	/* A test may have unloaded it. */
	if (vt_module_is_loaded("peerdirect_test")) {
		EXPECT_EQ(0, vt_counters_balanced(&vt_mem_peerdirect));
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
	}
}

TEST_F(peerdirect, each_call_once)
{
	struct peer_test_stats stats;
	struct ibv_mr *mr;

	mr = reg_middle(self);
	ASSERT_NE(NULL, mr);
	stats = stats_of(&self->buf);
	EXPECT_EQ(1, stats.count[PEER_TEST_ACQUIRE]);
	EXPECT_EQ(1, stats.count[PEER_TEST_ACQUIRED]);
	EXPECT_EQ(1, stats.count[PEER_TEST_GET_PAGES]);
	EXPECT_EQ(1, stats.count[PEER_TEST_DMA_MAP]);
	EXPECT_EQ(!strstr(variant->params, "no_page_size"),
		  stats.count[PEER_TEST_GET_PAGE_SIZE]);
	EXPECT_EQ(0, stats.count[PEER_TEST_DMA_UNMAP]);

	ASSERT_EQ(0, ibv_dereg_mr(mr));
	stats = stats_of(&self->buf);
	EXPECT_EQ(1, stats.count[PEER_TEST_DMA_MAP]);
	EXPECT_EQ(1, stats.count[PEER_TEST_DMA_UNMAP]);
	EXPECT_EQ(1, stats.count[PEER_TEST_PUT_PAGES]);
	EXPECT_EQ(1, stats.count[PEER_TEST_RELEASE]);
	EXPECT_EQ(0, stats.count[PEER_TEST_INVALIDATE]);
}

/* Writes into the middle, across several pieces. Return: the status. */
static int write_middle(FIXTURE_DATA(peerdirect) *self, struct ibv_mr *mr)
{
	const uint64_t offset = 5 * PAGE + 123;
	struct vt_remote to = { (uintptr_t)self->buf.mem.addr + offset,
				mr->rkey };
	struct ibv_sge sge;
	struct vt_buf host;
	struct vt_pair pair;
	int ret;

	if (vt_pair_open(&pair, &self->dev, NULL) ||
	    vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL))
		return -EIO;
	vt_buf_fill(&host, 2);
	sge = vt_sge(&host, 77, SIZE / 2);
	ret = vt_rdma_write(&pair.end[0], &sge, 1, to);
	if (!ret)
		memcpy(self->buf.shadow + offset, host.shadow + 77, SIZE / 2);
	vt_buf_close(&host);
	vt_pair_close(&pair);
	return ret;
}

TEST_F(peerdirect, bytes)
{
	struct ibv_mr *mr = reg_middle(self);

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, write_middle(self, mr));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* The core asks the client about memory of other exporters; it does not claim that. */
TEST_F(peerdirect, memory_of_others)
{
	struct vt_mem vram;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(&vram, &vt_mem_vram, SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, vram.addr, SIZE, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&vram);
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->buf.mem.addr, 2 * SIZE,
				   VT_ACCESS_ALL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_ACQUIRED));
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_GET_PAGES));
}

static void plan(struct __test_metadata *_metadata,
		 FIXTURE_DATA(peerdirect) *self, enum peer_test_event event,
		 int error)
{
	struct peer_test_plan what = { event, error };

	ASSERT_EQ(0, ioctl(self->buf.mem.fd, PEER_TEST_IOC_PLAN, &what));
}

/* The user gets the error of the client's callback. */
TEST_F(peerdirect, callback_errors)
{
	struct ibv_mr *mr;

	plan(_metadata, self, PEER_TEST_FAIL_ACQUIRE, -EPERM);
	EXPECT_EQ(NULL, reg_middle(self));
	EXPECT_EQ(EPERM, errno);
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_RELEASE));

	plan(_metadata, self, PEER_TEST_FAIL_GET_PAGES, -ENOSPC);
	EXPECT_EQ(NULL, reg_middle(self));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_DMA_MAP));
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_PUT_PAGES));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_RELEASE));

	plan(_metadata, self, PEER_TEST_FAIL_DMA_MAP, -ENODEV);
	EXPECT_EQ(NULL, reg_middle(self));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_DMA_UNMAP));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_PUT_PAGES));
	EXPECT_EQ(2, count_of(&self->buf, PEER_TEST_RELEASE));

	mr = reg_middle(self);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* The region as a separate buffer, for helpers. */
static struct vt_buf middle_buf(FIXTURE_DATA(peerdirect) *self,
				struct ibv_mr *mr)
{
	struct vt_buf middle = self->buf;

	middle.mr = mr;
	/* An address in the region that is aligned for atomics. */
	middle.iova = (uintptr_t)self->buf.mem.addr + 6 * PAGE;
	return middle;
}

TEST_F_TIMEOUT(peerdirect, invalidate, 60)
{
	struct vt_buf middle;
	struct ibv_mr *mr;
	int64_t start;

	if (variant->flavour == NEVER_INVALIDATES)
		DOES_NOT_APPLY(return, "this client never invalidates");
	mr = reg_middle(self);
	ASSERT_NE(NULL, mr);
	middle = middle_buf(self, mr);
	start = vt_now_ms();
	ASSERT_EQ(0, vt_mem_revoke(&self->buf.mem));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_INVALIDATE));
	EXPECT_EQ(variant->flavour == UNMAPS_ITSELF,
		  count_of(&self->buf, PEER_TEST_SELF_UNMAP));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &middle));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, mr, 300));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, count_of(&self->buf, PEER_TEST_EARLY_RELEASE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	if (variant->flavour == INVALIDATES) {
		EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_DMA_UNMAP));
		EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_PUT_PAGES));
	}

	/* The memory can be registered again. */
	mr = reg_middle(self);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, write_middle(self, mr));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* Invalidation during a registration: it fails, or the MR is dead. */
static void invalidate_early(struct __test_metadata *_metadata,
			     FIXTURE_DATA(peerdirect) *self,
			     enum peer_test_event when)
{
	int64_t start = vt_now_ms();
	struct vt_buf middle;
	struct ibv_mr *mr;

	plan(_metadata, self, when, 0);
	mr = reg_middle(self);
	if (mr) {
		/* Another thread may invalidate after the end of the registration. */
		int64_t until = vt_now_ms() + BOUND_MS;

		while (vt_now_ms() < until && !write_middle(self, mr))
			;
		middle = middle_buf(self, mr);
		EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &middle));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	} else {
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_INVALIDATE));
	EXPECT_GT(3 * BOUND_MS, vt_now_ms() - start);
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
}

/* In the callback. */
TEST_F_TIMEOUT(peerdirect, invalidate_within_get_pages, 60)
{
	if (variant->flavour == NEVER_INVALIDATES)
		DOES_NOT_APPLY(return, "this client never invalidates");
	invalidate_early(_metadata, self, PEER_TEST_INVALIDATE_WITHIN);
}

/* In another thread during the callback. */
TEST_F_TIMEOUT(peerdirect, invalidate_during_get_pages, 60)
{
	if (variant->flavour == NEVER_INVALIDATES)
		DOES_NOT_APPLY(return, "this client never invalidates");
	invalidate_early(_metadata, self, PEER_TEST_INVALIDATE_BESIDE);
}

struct race {
	FIXTURE_DATA(peerdirect) *self;
	atomic_bool stop;
	int invalidations;
};

static void *invalidator(void *arg)
{
	struct race *race = arg;

	while (!race->stop) {
		if (!vt_mem_revoke(&race->self->buf.mem))
			race->invalidations++;
		usleep(rand() % 1000);
	}
	return NULL;
}

/*
 * Deregistration against invalidation. A client that unmaps by itself holds its lock in
 * both paths.
 */
TEST_F_TIMEOUT(peerdirect, invalidate_against_dereg, 60)
{
	struct race race = { .self = self };
	int64_t until = vt_now_ms() + 3000;
	pthread_t thread;
	struct ibv_mr *mr;
	int rounds;

	if (variant->flavour == NEVER_INVALIDATES)
		DOES_NOT_APPLY(return, "this client never invalidates");
	ASSERT_EQ(0, pthread_create(&thread, NULL, invalidator, &race));
	for (rounds = 0; vt_now_ms() < until; rounds++) {
		mr = reg_middle(self);
		if (!mr) {
			ASSERT_EQ(EFAULT, errno);
			continue;
		}
		usleep(rand() % 1000);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
	race.stop = true;
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("%d registrations, %d invalidations, %llu of an MR", rounds,
	       race.invalidations,
	       (unsigned long long)count_of(&self->buf, PEER_TEST_INVALIDATE));
	EXPECT_LT(10, rounds);
	EXPECT_LT(0, count_of(&self->buf, PEER_TEST_INVALIDATE));
}

#define CALL_LATE "/sys/module/peerdirect_test/parameters/call_late"

/*
 * The client invalidates a range that was released. That does not affect a later
 * registration.
 */
TEST_F(peerdirect, invalidate_after_release)
{
	struct vt_counters before, after;
	struct ibv_mr *mr;
	int i;

	if (variant->flavour == NEVER_INVALIDATES)
		DOES_NOT_APPLY(return, "this client has no callback");
	for (i = 0; i < 3; i++) {
		mr = reg_middle(self);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		mr = reg_middle(self);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, vt_counters_read(&vt_mem_peerdirect, &before));
		ASSERT_EQ(0, vt_write_file(CALL_LATE, "1"));
		ASSERT_EQ(0, vt_counters_read(&vt_mem_peerdirect, &after));
		EXPECT_EQ(before.free_callbacks, after.free_callbacks);
		EXPECT_EQ(0, write_middle(self, mr));
		EXPECT_EQ(0, vt_buf_check_all(&self->buf));
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	}
}

TEST_F(peerdirect, munmap)
{
	struct vt_buf middle;
	struct ibv_mr *mr = reg_middle(self);

	ASSERT_NE(NULL, mr);
	middle = middle_buf(self, mr);
	ASSERT_EQ(0, munmap(self->buf.mem.addr + 8 * PAGE, PAGE));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &middle));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_peerdirect));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_PUT_PAGES));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_DMA_UNMAP));
}

/* The module of the client is unloaded while its memory is mapped and registered. */
TEST_F_TIMEOUT(peerdirect, unload, 60)
{
	struct vt_buf middle;
	struct ibv_mr *mr = reg_middle(self);
	int64_t start;

	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, write_middle(self, mr));
	middle = middle_buf(self, mr);
	start = vt_now_ms();
	ASSERT_EQ(0, vt_rmmod("peerdirect_test"));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	/* All its callbacks were called before that. */
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_DMA_UNMAP));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_PUT_PAGES));
	EXPECT_EQ(1, count_of(&self->buf, PEER_TEST_RELEASE));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &middle));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, mr, 300));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(NULL, reg_middle(self));
	EXPECT_EQ(EFAULT, errno);

	/* The client is loaded again before the old MR is deregistered. */
	EXPECT_EQ(0, vt_insmod_test("peerdirect_test.ko", variant->params));
	EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &middle));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	mr = reg_middle(self);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, write_middle(self, mr));
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* The core rejects a client without a mandatory callback: the module does not load. */
TEST(incomplete_client)
{
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_peerdirect));
	EXPECT_EQ(1, vt_peerdirect_load("incomplete=1"));
	EXPECT_FALSE(vt_module_is_loaded("peerdirect_test"));
}

TEST_HARNESS_MAIN
