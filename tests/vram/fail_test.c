// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Every allocation on the way of every call fails once: the call fails or copes,
 * nothing is left behind, and the next one works. Needs a kernel with fault
 * injection; skipped on others.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "kselftest_harness.h"
#include "vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define LENGTH (256 * KIB)
#define FAULTS "/sys/kernel/debug/"

FIXTURE(fail) {
	int fd;
	int nth;		/* /proc/self/fail-nth */
	uint32_t handle;
	char *map;
	struct ibv_pd *pd;
};

/* Allocations that may sleep are the ones of interest. */
static int arm_kernel(void)
{
	int ret = sysfs_write(FAULTS "failslab/ignore-gfp-wait", "N");

	sysfs_write(FAULTS "failslab/verbose", "0");
	if (!ret)
		ret = sysfs_write(FAULTS "fail_page_alloc/ignore-gfp-wait", "N");
	sysfs_write(FAULTS "fail_page_alloc/min-order", "0");
	sysfs_write(FAULTS "fail_page_alloc/verbose", "0");
	return ret;
}

static struct ibv_pd *open_pd(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context;

	if (!list || !list[0])
		return NULL;
	context = ibv_open_device(list[0]);
	return context ? ibv_alloc_pd(context) : NULL;
}

FIXTURE_SETUP(fail)
{
	self->nth = open("/proc/self/fail-nth", O_RDWR | O_CLOEXEC);
	if (self->nth < 0 || arm_kernel())
		SKIP(return, "this kernel has no fault injection");
	ASSERT_EQ(0, vram_wait_empty(10));
	self->pd = open_pd();
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &self->handle));
	self->map = vram_map(self->fd, self->handle, LENGTH, RW);
	ASSERT_NE(NULL, self->map);
	pattern_fill(self->map, LENGTH, 1, 0);
}

FIXTURE_TEARDOWN_PARENT(fail)
{
	EXPECT_EQ(0, vram_wait_empty(20));
}

/* Lets allocation number n fail. Gives false when there are not so many. */
static bool fault_begin(int nth, int n)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", n);
	return pwrite(nth, text, strlen(text), 0) > 0;
}

static bool fault_happened(int nth)
{
	char text[16] = "";

	/* What is left of the count: 0 if it came to that. */
	if (pread(nth, text, sizeof(text) - 1, 0) < 0)
		return false;
	if (pwrite(nth, "0", 1, 0) < 0)
		return false;
	return atoi(text) == 0;
}

typedef int (*attempt)(FIXTURE_DATA(fail) *self);

/*
 * Does it with the first, the second, ... allocation failing, until there are
 * no more. What fails must do so for lack of memory.
 */
static int sweep(struct __test_metadata *_metadata, FIXTURE_DATA(fail) *self,
		 attempt once)
{
	bool happened = true;
	int n, ret, failed = 0;

	for (n = 1; happened && n < 1000; n++) {
		if (!fault_begin(self->nth, n))
			return -1;
		ret = once(self);
		happened = fault_happened(self->nth);
		if (ret) {
			failed++;
			EXPECT_TRUE(happened);
			EXPECT_EQ(-ENOMEM, ret)
				TH_LOG("with allocation %d failing", n);
		}
	}
	EXPECT_LT(n, 1000);
	EXPECT_EQ(0, once(self));
	TH_LOG("%d allocations, %d failures", n - 2, failed);
	return failed;
}

static int once_create(FIXTURE_DATA(fail) *self)
{
	uint32_t handle;
	int ret = vram_create(self->fd, LENGTH, 0, &handle);

	return ret ? ret : vram_close(self->fd, handle);
}

TEST_F_TIMEOUT(fail, create, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_create));
}

static int once_mmap(FIXTURE_DATA(fail) *self)
{
	void *map = vram_map(self->fd, 0, LENGTH, RW);

	return map ? munmap(map, LENGTH) : -errno;
}

TEST_F_TIMEOUT(fail, mmap, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_mmap));
}

/* By a file that knows nothing of the object yet. */
static int once_lookup(FIXTURE_DATA(fail) *self)
{
	int fd = vram_open(O_RDWR);
	uint32_t handle;
	int ret;

	if (fd < 0)
		return fd;
	ret = vram_lookup(fd, self->map, &handle, NULL);
	close(fd);
	return ret;
}

TEST_F_TIMEOUT(fail, lookup, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_lookup));
}

static int once_share(FIXTURE_DATA(fail) *self)
{
	int share = vram_share(self->fd, self->handle);
	uint32_t handle;
	int ret;

	/* The descriptor's file fails with ENFILE for want of memory. */
	if (share < 0)
		return share == -ENFILE ? -ENOMEM : share;
	ret = vram_import(self->fd, share, &handle);
	close(share);
	return ret ? ret : vram_close(self->fd, handle);
}

TEST_F_TIMEOUT(fail, share, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_share));
}

/* Moves try again, so that one failure is not noticed; the bytes survive it. */
static int once_move(FIXTURE_DATA(fail) *self)
{
	int ret = vram_move(self->fd, self->handle, 0);

	if (!ret)
		ret = vram_move(self->fd, self->handle, 1);
	return ret;
}

TEST_F_TIMEOUT(fail, move, 120)
{
	EXPECT_EQ(0, sweep(_metadata, self, once_move));
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 1, 0));
}

static int once_read(FIXTURE_DATA(fail) *self)
{
	static char buf[LENGTH];

	return vram_read(self->fd, self->handle, 0, buf, LENGTH);
}

/* Its buffer has a second way to come by its memory. */
TEST_F_TIMEOUT(fail, read, 120)
{
	EXPECT_EQ(0, sweep(_metadata, self, once_read));
}

static int once_blocks(FIXTURE_DATA(fail) *self)
{
	struct peer_vram_block blocks[4];
	int ret = vram_blocks(self->fd, self->handle, blocks, 4);

	return ret < 0 ? ret : 0;
}

TEST_F_TIMEOUT(fail, blocks, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_blocks));
}

static int once_open(FIXTURE_DATA(fail) *self)
{
	int fd = vram_open(O_RDWR);

	return fd < 0 ? fd : close(fd);
}

TEST_F_TIMEOUT(fail, open, 120)
{
	EXPECT_LT(0, sweep(_metadata, self, once_open));
}

static int once_register(FIXTURE_DATA(fail) *self)
{
	struct ibv_mr *mr = ibv_reg_mr(self->pd, self->map, LENGTH,
				       IBV_ACCESS_LOCAL_WRITE);

	return mr ? ibv_dereg_mr(mr) : -errno;
}

TEST_F_TIMEOUT(fail, register_mr, 240)
{
	if (!self->pd)
		SKIP(return, "no RDMA device");
	EXPECT_LT(0, sweep(_metadata, self, once_register));
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
}

TEST_HARNESS_MAIN
