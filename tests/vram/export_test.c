// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Objects under memory regions of an RDMA device: what may be registered, what
 * is pinned by it, and how regions end. Whether the bytes arrive is for the
 * tests of verbs; here it is the exporter's books.
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

/* Registers, and gives errno; deregisters what must not have been possible. */
static int refused(struct ibv_pd *pd, void *addr, size_t length, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(pd, addr, length, access);

	if (!mr)
		return errno;
	ibv_dereg_mr(mr);
	return 0;
}

struct books {
	uint64_t pinned, pinnable;
	uint32_t regions, pins;
};

static struct books look(int fd, uint32_t handle)
{
	struct peer_vram_query query = {};
	struct peer_vram_info info = {};

	vram_info(fd, &info);
	vram_query(fd, handle, &query);
	return (struct books){ info.vram_pinned, info.vram_pinnable,
			       query.regions, query.pins };
}

/* Revoked regions are given back from a work item: soon, not at once. */
static bool soon_unpinned(int fd)
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

/* ---- what may be registered ------------------------------------------- */

TEST_F(export, whole_and_parts)
{
	char *map = self->map;

	EXPECT_EQ(0, refused(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, refused(self->pd, map, 1, WRITE));
	EXPECT_EQ(0, refused(self->pd, map + LENGTH - 1, 1, WRITE));
	EXPECT_EQ(0, refused(self->pd, map + 4095, 2, WRITE));
	EXPECT_EQ(0, refused(self->pd, map + 12345, MIB, 0));
	/* One object, several mappings of it side by side. */
	ASSERT_EQ(0, mprotect(map + MIB, PAGE, PROT_READ));
	EXPECT_EQ(0, refused(self->pd, map, LENGTH, 0));
	ASSERT_EQ(0, mprotect(map + MIB, PAGE, RW));
	EXPECT_EQ(0, refused(self->pd, map, LENGTH, WRITE));
}

TEST_F(export, out_of_bounds)
{
	size_t room = LENGTH + 4 * PAGE;
	char *space = mmap(NULL, room, RW, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct peer_vram_query query, query2;
	char *map = space + 2 * PAGE;
	uint32_t other;

	/* An object with ordinary memory on both sides. */
	ASSERT_NE(MAP_FAILED, space);
	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	ASSERT_EQ(map, mmap(map, LENGTH, RW, MAP_SHARED | MAP_FIXED, self->fd,
			    query.mmap_offset));
	EXPECT_EQ(0, refused(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(EFAULT, refused(self->pd, map, LENGTH + 1, WRITE));
	EXPECT_EQ(EFAULT, refused(self->pd, map - 1, 2, WRITE));
	EXPECT_EQ(EFAULT, refused(self->pd, map - PAGE, LENGTH, WRITE));
	EXPECT_EQ(EFAULT, refused(self->pd, map + LENGTH - PAGE, 2 * PAGE, 0));
	/* A hole. */
	ASSERT_EQ(0, munmap(map + MIB, PAGE));
	EXPECT_EQ(EFAULT, refused(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, refused(self->pd, map, MIB, WRITE));
	/* The wrong piece of the right object, and the right piece of another. */
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query.mmap_offset));
	EXPECT_EQ(EFAULT, refused(self->pd, map, LENGTH, WRITE));
	ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &other));
	ASSERT_EQ(0, vram_query(self->fd, other, &query2));
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query2.mmap_offset + MIB));
	EXPECT_EQ(EFAULT, refused(self->pd, map, LENGTH, WRITE));
	ASSERT_EQ(map + MIB, mmap(map + MIB, PAGE, RW, MAP_SHARED | MAP_FIXED,
				  self->fd, query.mmap_offset + MIB));
	EXPECT_EQ(0, refused(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(0, look(self->fd, self->handle).regions);
}

TEST_F(export, permissions)
{
	char *ro = vram_map(self->fd, self->handle, LENGTH, PROT_READ);
	char *none = vram_map(self->fd, self->handle, LENGTH, PROT_NONE);
	uint32_t handle;
	char *map;

	ASSERT_NE(NULL, ro);
	EXPECT_EQ(EACCES, refused(self->pd, ro, LENGTH, WRITE));
	EXPECT_EQ(EACCES, refused(self->pd, ro, 1, IBV_ACCESS_LOCAL_WRITE));
	EXPECT_EQ(0, refused(self->pd, ro, LENGTH, 0));
	EXPECT_EQ(0, refused(self->pd, ro, LENGTH, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(EACCES, refused(self->pd, none, LENGTH, 0));
	/* One page of it. */
	ASSERT_EQ(0, mprotect(self->map + MIB, PAGE, PROT_READ));
	EXPECT_EQ(EACCES, refused(self->pd, self->map, LENGTH, WRITE));

	ASSERT_EQ(0, vram_create(self->fd, LENGTH, PEER_VRAM_CREATE_NO_EXPORT,
				 &handle));
	map = vram_map(self->fd, handle, LENGTH, RW);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(EACCES, refused(self->pd, map, LENGTH, WRITE));
	EXPECT_EQ(EACCES, refused(self->pd, map, 1, 0));
	EXPECT_EQ(0, look(self->fd, handle).regions);
	EXPECT_EQ(0, look(self->fd, self->handle).regions);
}

TEST_F(export, destroyed)
{
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(ENODEV, refused(self->pd, self->map, LENGTH, WRITE));
}

/* ---- pins ------------------------------------------------------------- */

TEST_F(export, pins)
{
	struct books before = look(self->fd, self->handle), now;
	struct ibv_mr *mr[2];

	mr[0] = ibv_reg_mr(self->pd, self->map, PAGE, WRITE);
	ASSERT_NE(NULL, mr[0]);
	now = look(self->fd, self->handle);
	EXPECT_EQ(1, now.regions);
	EXPECT_EQ(1, now.pins);
	/* The whole object is, however little of it is registered. */
	EXPECT_EQ(LENGTH, now.pinned);
	EXPECT_EQ(before.pinnable - LENGTH, now.pinnable);

	mr[1] = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	ASSERT_NE(NULL, mr[1]);
	now = look(self->fd, self->handle);
	EXPECT_EQ(2, now.regions);
	EXPECT_EQ(2, now.pins);
	EXPECT_EQ(LENGTH, now.pinned);

	EXPECT_EQ(-EBUSY, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 1));
	ASSERT_EQ(0, ibv_dereg_mr(mr[0]));
	EXPECT_EQ(-EBUSY, vram_move(self->fd, self->handle, 0));
	ASSERT_EQ(0, ibv_dereg_mr(mr[1]));
	now = look(self->fd, self->handle);
	EXPECT_EQ(0, now.regions);
	EXPECT_EQ(0, now.pins);
	EXPECT_EQ(0, now.pinned);
	EXPECT_EQ(before.pinnable, now.pinnable);
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
}

/* From system memory, with its bytes, and not out of it again by eviction. */
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
	/* Both want all the rest; it is not the oldest that has to leave. */
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
	struct books before = look(self->fd, self->handle);
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
	EXPECT_EQ(0, look(self->fd, handle[0]).pinnable);
	EXPECT_EQ(ENOSPC, refused(self->pd, self->map, 1, WRITE));
	/* More of what is pinned already costs nothing. */
	EXPECT_EQ(0, refused(self->pd, map[0], 1, WRITE));
	/* What is left is for those who do not pin. */
	ASSERT_EQ(0, vram_create(self->fd, info.vram_size - before.pinnable, 0,
				 &handle[1]));

	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, refused(self->pd, self->map, 1, WRITE));
	/* More than may ever be pinned. */
	ASSERT_EQ(0, vram_close(self->fd, handle[1]));
	ASSERT_EQ(0, vram_create(self->fd, before.pinnable + PAGE, 0,
				 &handle[1]));
	map[1] = vram_map(self->fd, handle[1], before.pinnable + PAGE, RW);
	ASSERT_NE(NULL, map[1]);
	EXPECT_EQ(ENOSPC, refused(self->pd, map[1], 1, WRITE));
	EXPECT_EQ(0, look(self->fd, handle[1]).regions);
}

/* ---- how regions end -------------------------------------------------- */

TEST_F(export, revoke)
{
	struct ibv_mr *mr = ibv_reg_mr(self->pd, self->map, LENGTH, WRITE);
	struct books now;

	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, vram_revoke(self->fd, self->handle));
	now = look(self->fd, self->handle);
	EXPECT_EQ(0, now.regions);
	EXPECT_EQ(0, now.pins);
	EXPECT_EQ(0, now.pinned);
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
	/* The object lives on; others may register it. */
	EXPECT_EQ(0, touch_write(self->map));
	EXPECT_EQ(0, refused(self->pd, self->map, LENGTH, WRITE));
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
	EXPECT_TRUE(soon_unpinned(self->fd));
	ASSERT_EQ(0, vram_close(self->fd, self->handle));
	/* Nothing of the object is left, though the MR is still registered. */
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

/* The descriptor closed, as perftest does; and never deregistered. */
TEST_F(export, exit_while_registered)
{
	struct books now;
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
		now = look(self->fd, self->handle);
		if (now.pinned != LENGTH)
			_exit(2);
		raise(SIGKILL);
	}
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_TRUE(WIFSIGNALED(status));
	EXPECT_TRUE(soon_unpinned(self->fd));
}

TEST_F_TIMEOUT(export, many_rounds, 120)
{
	struct ibv_mr *mr;
	int i;

	for (i = 0; i < 1000; i++) {
		mr = ibv_reg_mr(self->pd, self->map + i * 8, 64 * KIB, WRITE);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
	EXPECT_EQ(0, look(self->fd, self->handle).pinned);
}

TEST_HARNESS_MAIN
