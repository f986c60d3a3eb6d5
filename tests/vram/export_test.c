// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration of BOs with an RDMA device: which ranges can be registered, what
 * registration pins, and what ends a region. These tests check the exporter's
 * accounting. The tests of verbs check the transferred data.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "kselftest_harness.h"
#include "vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define PART (2 * MIB)
#define LENGTH (4 * MIB)
#define WRITE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

FIXTURE(export) {
	int fd;
	uint32_t handle;
	char *map;
	struct ibv_context *context;
	struct ibv_pd *pd;
};

FIXTURE_SETUP(export)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	if (!list || !list[0])
		SKIP(return, "no RDMA device");
	ASSERT_EQ(0, vram_wait_empty(10));
	self->context = ibv_open_device(list[0]);
	ASSERT_NE(NULL, self->context);
	self->pd = ibv_alloc_pd(self->context);
	ASSERT_NE(NULL, self->pd);
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &self->handle));
	self->map = vram_map(self->fd, self->handle, LENGTH, RW);
	ASSERT_NE(NULL, self->map);
}

FIXTURE_TEARDOWN_PARENT(export)
{
	EXPECT_EQ(0, vram_wait_empty(20));
}

/* Registers and deregisters an MR. Return: 0 or errno of ibv_reg_mr(). */
static int reg_errno(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, length, access);

	if (!mr)
		return errno;
	ibv_dereg_mr(mr);
	return 0;
}

struct usage {
	uint64_t pinned, pinnable;
	uint32_t regions, pins;
};

static struct usage get_usage(int fd, uint32_t handle)
{
	struct peer_vram_query query = {};
	struct peer_vram_info info = {};

	vram_info(fd, &info);
	vram_query(fd, handle, &query);
	return (struct usage){ info.vram_pinned, info.vram_pinnable,
			       query.regions, query.pins };
}

/* A work item releases revoked regions, so unpinning is asynchronous. */
static bool wait_unpinned(int fd)
{
	struct peer_vram_info info;
	int n;

	for (n = 0; n < 500; n++) {
		if (!vram_info(fd, &info) && !info.vram_pinned)
			return true;
		usleep(10000);
	}
	return false;
}

/* ---- valid and invalid ranges ----------------------------------------- */

TEST_F(export, whole_and_parts)
{
	char *map = self->map;

	EXPECT_EQ(0, reg_errno(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, map, 1, WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, map + LENGTH - 1, 1, WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, map + PAGE - 1, 2, WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, map + 12345, MIB, 0));
	/* One BO, mapped by three adjacent VMAs. */
	ASSERT_EQ(0, mprotect(map + MIB, PAGE, PROT_READ));
	EXPECT_EQ(0, reg_errno(self->pd, map, LENGTH, 0));
	ASSERT_EQ(0, mprotect(map + MIB, PAGE, RW));
	EXPECT_EQ(0, reg_errno(self->pd, map, LENGTH, WRITE));
}

TEST_F(export, out_of_bounds)
{
	size_t room = LENGTH + 4 * PAGE;
	char *space = mmap(NULL, room, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct peer_vram_query query, query2;
	char *map = space + 2 * PAGE;
	uint32_t other;

	/* A BO with system memory on both sides. */
	ASSERT_NE(MAP_FAILED, space);
	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	ASSERT_EQ(map, mmap(map, LENGTH, RW, MAP_SHARED | MAP_FIXED, self->fd,
			    query.mmap_offset));
	EXPECT_EQ(0, reg_errno(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map, LENGTH + 1, WRITE));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map - 1, 2, WRITE));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map - PAGE, LENGTH, WRITE));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map + LENGTH - PAGE, 2 * PAGE, 0));
	/* A gap in the range. */
	ASSERT_EQ(0, munmap(map + MIB, PAGE));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, map, MIB, WRITE));
	/* A wrong offset of the same BO, then the right offset of another BO. */
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query.mmap_offset));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map, LENGTH, WRITE));
	ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &other));
	ASSERT_EQ(0, vram_query(self->fd, other, &query2));
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query2.mmap_offset + MIB));
	EXPECT_EQ(EFAULT, reg_errno(self->pd, map, LENGTH, WRITE));
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query.mmap_offset + MIB));
	EXPECT_EQ(0, reg_errno(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, get_usage(self->fd, self->handle).regions);
}

TEST_F(export, permissions)
{
	char *ro = vram_map(self->fd, self->handle, LENGTH, PROT_READ);
	char *none = vram_map(self->fd, self->handle, LENGTH, PROT_NONE);
	uint32_t handle;
	char *map;

	ASSERT_NE(NULL, ro);
	EXPECT_EQ(EACCES, reg_errno(self->pd, ro, LENGTH, WRITE));
	EXPECT_EQ(EACCES, reg_errno(self->pd, ro, 1, IBV_ACCESS_LOCAL_WRITE));
	EXPECT_EQ(0, reg_errno(self->pd, ro, LENGTH, 0));
	EXPECT_EQ(0, reg_errno(self->pd, ro, LENGTH, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(EACCES, reg_errno(self->pd, none, LENGTH, 0));
	/* One page is read-only. */
	ASSERT_EQ(0, mprotect(self->map + MIB, PAGE, PROT_READ));
	EXPECT_EQ(EACCES, reg_errno(self->pd, self->map, LENGTH, WRITE));

	ASSERT_EQ(0, vram_create(self->fd, LENGTH, PEER_VRAM_CREATE_NO_EXPORT,
				 &handle));
	map = vram_map(self->fd, handle, LENGTH, RW);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(EACCES, reg_errno(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(EACCES, reg_errno(self->pd, map, 1, 0));
	EXPECT_EQ(0, get_usage(self->fd, handle).regions);
	EXPECT_EQ(0, get_usage(self->fd, self->handle).regions);
}

TEST_F(export, destroyed)
{
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(ENODEV, reg_errno(self->pd, self->map, LENGTH, WRITE));
}

/* ---- pins ------------------------------------------------------------- */

TEST_F(export, pins)
{
	struct usage before = get_usage(self->fd, self->handle), now;
	struct ibv_mr *mr[2];

	mr[0] = ibv_reg_mr(self->pd, self->map, PAGE, WRITE);
	ASSERT_NE(NULL, mr[0]);
	now = get_usage(self->fd, self->handle);
	EXPECT_EQ(1, now.regions);
	EXPECT_EQ(1, now.pins);
	/* Registering one page pins the part that it is in. */
	EXPECT_EQ(PART, now.pinned);
	EXPECT_EQ(before.pinnable - PART, now.pinnable);

	mr[1] = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	ASSERT_NE(NULL, mr[1]);
	now = get_usage(self->fd, self->handle);
	EXPECT_EQ(2, now.regions);
	EXPECT_EQ(2, now.pins);
	EXPECT_EQ(LENGTH, now.pinned);

	EXPECT_EQ(-EBUSY, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 1));
	ASSERT_EQ(0, ibv_dereg_mr(mr[0]));
	EXPECT_EQ(-EBUSY, vram_move(self->fd, self->handle, 0));
	ASSERT_EQ(0, ibv_dereg_mr(mr[1]));
	now = get_usage(self->fd, self->handle);
	EXPECT_EQ(0, now.regions);
	EXPECT_EQ(0, now.pins);
	EXPECT_EQ(0, now.pinned);
	EXPECT_EQ(before.pinnable, now.pinnable);
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
}

/*
 * Registration moves a BO from system memory to VRAM with its data, and prevents
 * its eviction.
 */
TEST_F(export, pinned_in_vram)
{
	struct peer_vram_block before[64], after[64];
	struct peer_vram_query query;
	struct peer_vram_info info;
	struct ibv_mr *mr;
	uint32_t handle;
	int i;

	pattern_fill(self->map, LENGTH, 1, 0);
	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	mr = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query.domain);
	EXPECT_EQ(64, vram_blocks(self->fd, self->handle, before, 64));

	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(-ENOMEM, vram_create(self->fd, info.vram_size, 0, &handle));
	/* Each needs all other VRAM, so they evict each other. */
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vram_create(self->fd, info.vram_size - LENGTH, 0,
					 &handle));
	EXPECT_EQ(64, vram_blocks(self->fd, self->handle, after, 64));
	EXPECT_EQ(0, memcmp(before, after, sizeof(before)));
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 1, 0));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(export, pin_limit)
{
	struct usage before = get_usage(self->fd, self->handle);
	struct peer_vram_info info;
	uint32_t handle[2];
	struct ibv_mr *mr;
	char *map[2];

	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_LT(before.pinnable, info.vram_size);
	ASSERT_EQ(0, vram_create(self->fd, before.pinnable, 0, &handle[0]));
	map[0] = vram_map(self->fd, handle[0], before.pinnable, RW);
	ASSERT_NE(NULL, map[0]);
	mr = ibv_reg_mr(self->pd, map[0], before.pinnable, WRITE);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, get_usage(self->fd, handle[0]).pinnable);
	EXPECT_EQ(ENOSPC, reg_errno(self->pd, self->map, 1, WRITE));
	/* Another MR of a pinned BO does not count. */
	EXPECT_EQ(0, reg_errno(self->pd, map[0], 1, WRITE));
	/* VRAM above the limit is available to BOs that are not pinned. */
	ASSERT_EQ(0, vram_create(self->fd, info.vram_size - before.pinnable, 0,
				 &handle[1]));

	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, reg_errno(self->pd, self->map, 1, WRITE));
	/* A BO that is larger than the limit. */
	ASSERT_EQ(0, vram_close(self->fd, handle[1]));
	ASSERT_EQ(0, vram_create(self->fd, before.pinnable + PAGE, 0,
				 &handle[1]));
	map[1] = vram_map(self->fd, handle[1], before.pinnable + PAGE, RW);
	ASSERT_NE(NULL, map[1]);
	EXPECT_EQ(ENOSPC, reg_errno(self->pd, map[1], before.pinnable + PAGE,
				    WRITE));
	EXPECT_EQ(0, get_usage(self->fd, handle[1]).regions);
}

/* ---- end of regions --------------------------------------------------- */

TEST_F(export, revoke)
{
	struct ibv_mr *mr = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	struct usage now;

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vram_revoke(self->fd, self->handle));
	now = get_usage(self->fd, self->handle);
	EXPECT_EQ(0, now.regions);
	EXPECT_EQ(0, now.pins);
	EXPECT_EQ(0, now.pinned);
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
	/* The BO still works and can be registered again. */
	EXPECT_EQ(0, touch_write(self->map));
	EXPECT_EQ(0, reg_errno(self->pd, self->map, LENGTH, WRITE));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(export, destroy)
{
	struct ibv_mr *mr = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	struct peer_vram_info info;

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(0, info.vram_used);
	EXPECT_EQ(0, info.vram_pinned);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(export, unmap)
{
	struct ibv_mr *mr = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	EXPECT_TRUE(wait_unpinned(self->fd));
	ASSERT_EQ(0, vram_close(self->fd, self->handle));
	/* The BO is freed although the MR is still registered. */
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* The process closes its descriptor, as perftest does, and exits with an MR. */
TEST_F(export, exit_while_registered)
{
	struct usage now;
	pid_t pid = fork();
	int status;

	ASSERT_LE(0, pid);
	if (!pid) {
		struct ibv_device **list = ibv_get_device_list(NULL);
		struct ibv_context *context = ibv_open_device(list[0]);
		struct ibv_pd *pd = ibv_alloc_pd(context);
		int fd = vram_open(O_RDWR);
		void *map = vram_map(fd, 0, LENGTH, RW);

		close(fd);
		if (!map || !ibv_reg_mr(pd, map, LENGTH, WRITE))
			_exit(1);
		now = get_usage(self->fd, self->handle);
		if (now.pinned != LENGTH)
			_exit(2);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(wait_unpinned(self->fd));
}

TEST_F_TIMEOUT(export, register_repeatedly, 120)
{
	struct ibv_mr *mr;
	int i;

	for (i = 0; i < 1000; i++) {
		mr = ibv_reg_mr(self->pd, self->map + i * 8, 64 * KIB, WRITE);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
	EXPECT_EQ(0, get_usage(self->fd, self->handle).pinned);
}

TEST_HARNESS_MAIN
