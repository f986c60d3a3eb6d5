// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Nobody sees what an earlier owner of memory has left, and nobody reaches what
 * another one has.
 *
 * The owner fills objects of odd sizes, moves them to and fro, and gives them up
 * in some way. Then somebody else takes all of the video memory, and as much of
 * the system's, and looks at every byte by every way there is.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "../vram/vram.h"
#include "lib/buf.h"
#include "lib/proc.h"
#include "user.h"

#define OBJECTS 24
#define WAIT_MS 60000

enum leaving {
	LEAVE_EXIT,
	LEAVE_CLOSE,
	LEAVE_DESTROY,
	LEAVE_KILLED,
};

/* None of them a whole number of blocks. */
static size_t object_size(int i)
{
	return (1 + i % 5) * 256 * KIB + (i % 3) * PAGE + 100;
}

static int fill_object(int fd, int i, uint32_t *handle)
{
	size_t size = (object_size(i) + PAGE - 1) & ~(PAGE - 1);
	uint32_t flags = i % 2 ? PEER_VRAM_CREATE_SYSTEM : 0;
	uint8_t *addr;
	int ret;

	ret = vram_create(fd, object_size(i), flags, handle);
	if (ret)
		return ret;
	addr = vram_map(fd, *handle, size, PROT_READ | PROT_WRITE);
	if (!addr)
		return -errno;
	memset(addr, 0xa5, size);
	if (i % 4 == 2)
		ret = vram_move(fd, *handle, PEER_VRAM_DOMAIN_SYSTEM);
	if (!ret && i % 4 >= 2)
		ret = vram_move(fd, *handle, PEER_VRAM_DOMAIN_VRAM);
	return ret;
}

/* The owner's life. */
static int leave_bytes(void *arg)
{
	enum leaving leaving = *(enum leaving *)arg;
	uint32_t handle[OBJECTS];
	int fd = vram_open(O_RDWR);
	int i, ret;

	if (fd < 0)
		return fd;
	for (i = 0; i < OBJECTS; i++) {
		ret = fill_object(fd, i, &handle[i]);
		if (ret)
			return ret;
	}
	if (leaving == LEAVE_KILLED)
		raise(SIGKILL);
	for (i = 0; i < OBJECTS && !ret; i++) {
		if (leaving == LEAVE_CLOSE)
			ret = vram_close(fd, handle[i]);
		else if (leaving == LEAVE_DESTROY)
			ret = vram_destroy(fd, handle[i]);
	}
	return ret;
}

FIXTURE(owners)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct peer_vram_info info;
	int fd;
};

typedef FIXTURE_DATA(owners) owners_t;

FIXTURE_VARIANT(owners)
{
	enum leaving leaving;
};

FIXTURE_VARIANT_ADD(owners, exited) { .leaving = LEAVE_EXIT };
FIXTURE_VARIANT_ADD(owners, closed) { .leaving = LEAVE_CLOSE };
FIXTURE_VARIANT_ADD(owners, destroyed) { .leaving = LEAVE_DESTROY };
FIXTURE_VARIANT_ADD(owners, killed) { .leaving = LEAVE_KILLED };

FIXTURE_SETUP(owners)
{
	enum leaving leaving = variant->leaving;
	/* Soft-RoCE begins a READ again whose answers do not all come by then. */
	struct vt_pair_opts opts = { .timeout = 20 };

	ASSERT_EQ(0, user_grant_node());
	ASSERT_EQ(leaving == LEAVE_KILLED ? -EINTR : 0,
		  user_run(USER_OWNER, leave_bytes, &leaving, WAIT_MS));
	ASSERT_EQ(0, vram_wait_empty(10));
	ASSERT_EQ(0, user_become(USER_SPY));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_info(self->fd, &self->info));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, MIB,
				 NULL));
}

FIXTURE_TEARDOWN(owners)
{
	vt_buf_close(&self->local);
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	close(self->fd);
	EXPECT_EQ(0, vram_wait_empty(10));
}

/* By the mapping, and by the node's call. Return: 0, -EILSEQ, -errno. */
static int look_at(owners_t *self, uint32_t handle, size_t size)
{
	static uint8_t buf[MIB];
	size_t at, part;
	uint8_t *addr;
	int ret = 0;

	addr = vram_map(self->fd, handle, size, PROT_READ);
	if (!addr)
		return -errno;
	for (at = 0; !ret && at < size; at += part) {
		part = size - at < MIB ? size - at : MIB;
		memset(buf, 0x11, part);
		/* The two ways, in turn; and both at the end. */
		if (at / MIB % 2 || at + part == size)
			ret = vram_read(self->fd, handle, at, buf, part);
		else
			memcpy(buf, addr + at, part);
		if (!ret && zero_check(buf, part) >= 0)
			ret = -EILSEQ;
	}
	if (!ret && zero_check(addr + size - PAGE, PAGE) >= 0)
		ret = -EILSEQ;
	munmap(addr, size);
	return ret;
}

/* By RDMA, by a pinned region or one that is asked for the pages. */
static int read_remotely(owners_t *self, uint32_t handle, size_t size,
			 int access)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, size);
	struct vt_remote from;
	struct ibv_mr *mr;
	uint8_t *addr;
	int ret = 0;

	addr = vram_map(self->fd, handle, size, PROT_READ);
	if (!addr)
		return -errno;
	mr = ibv_reg_mr(self->dev.pd, addr, size,
			IBV_ACCESS_REMOTE_READ | access);
	if (!mr) {
		ret = -errno;
		goto out_unmap;
	}
	from = (struct vt_remote){ (uintptr_t)addr, mr->rkey };
	memset(self->local.mem.addr, 0x11, size);
	ret = vt_rdma_read(&self->pair.end[0], &sge, 1, from);
	if (!ret && zero_check(self->local.mem.addr, size) >= 0)
		ret = -EILSEQ;
	ibv_dereg_mr(mr);
out_unmap:
	munmap(addr, size);
	return ret;
}

/* All of the video memory: so all that the owner had is in it. */
TEST_F_TIMEOUT(owners, all_of_video_memory, 120)
{
	uint64_t n = self->info.vram_size / (8 * MIB);
	uint32_t handle[n];
	struct peer_vram_info info;
	uint64_t i;

	for (i = 0; i < n; i++)
		ASSERT_EQ(0, vram_create(self->fd, 8 * MIB, 0, &handle[i]));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	ASSERT_EQ(info.vram_size, info.vram_used);
	for (i = 0; i < n; i++)
		ASSERT_EQ(0, look_at(self, handle[i], 8 * MIB));
}

/* Many small ones: where an owner's bytes were in the same block, and behind. */
TEST_F_TIMEOUT(owners, remotely, 120)
{
	size_t size = 256 * KIB;
	uint32_t handle;
	int i;

	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, vram_create(self->fd, size - 17, 0, &handle));
		EXPECT_EQ(0, read_remotely(self, handle, size, i % 2 ?
					   IBV_ACCESS_ON_DEMAND : 0));
	}
	/* System pages that the device gets in the place of video memory. */
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, vram_create(self->fd, size - 17,
					 PEER_VRAM_CREATE_SYSTEM |
					 PEER_VRAM_CREATE_IN_PLACE, &handle));
		EXPECT_EQ(0, read_remotely(self, handle, size,
					   IBV_ACCESS_ON_DEMAND));
		EXPECT_EQ(0, look_at(self, handle, size));
	}
}

/* What was never touched stays zero on its way between the two. */
TEST_F_TIMEOUT(owners, moved, 120)
{
	size_t size = 2 * MIB + PAGE;
	uint32_t handle;
	int i, first;

	for (first = 0; first < 2; first++) {
		for (i = 0; i < 4; i++) {
			ASSERT_EQ(0, vram_create(self->fd, size - 1, first ?
						 PEER_VRAM_CREATE_SYSTEM : 0,
						 &handle));
			ASSERT_EQ(0, vram_move(self->fd, handle, !first));
			ASSERT_EQ(0, vram_move(self->fd, handle, first));
			EXPECT_EQ(0, look_at(self, handle, size));
			ASSERT_EQ(0, vram_move(self->fd, handle, !first));
			EXPECT_EQ(0, look_at(self, handle, size));
		}
	}
}

/* ---- what another one has --------------------------------------------- */

struct victim {
	struct vt_mem mem;
	struct peer_vram_query query;
};

/* Knows all numbers of the object, and gets nowhere with them. */
static int guess(void *arg)
{
	struct victim *victim = arg;
	struct peer_vram_query query;
	uint64_t word;
	uint32_t other;
	int fd = vram_open(O_RDWR);
	uint32_t n;

	if (fd < 0)
		return fd;
	for (n = 0; n < 70000; n++)
		if (vram_query(fd, n, &query) != -ENOENT)
			return -EEXIST;
	if (vram_read(fd, victim->mem.handle, 0, &word, 8) != -ENOENT ||
	    vram_write(fd, victim->mem.handle, 0, &word, 8) != -ENOENT ||
	    vram_destroy(fd, victim->mem.handle) != -ENOENT ||
	    vram_revoke(fd, victim->mem.handle) != -ENOENT ||
	    vram_move(fd, victim->mem.handle, 0) != -ENOENT ||
	    vram_share(fd, victim->mem.handle) != -ENOENT)
		return -EEXIST;
	if (mmap(NULL, PAGE, PROT_READ, MAP_SHARED, fd,
		 victim->query.mmap_offset) != MAP_FAILED || errno != EINVAL)
		return -EEXIST;
	/* Descriptors of anything else name no object. */
	if (vram_import(fd, fd, &other) != -EINVAL ||
	    vram_import(fd, 0, &other) == 0 ||
	    vram_import(fd, -1, &other) != -EBADF)
		return -EEXIST;
	return 0;
}

/* An object of the user's own takes all there is: the victim's moves, no more. */
static int evict(void *arg)
{
	uint32_t handle;
	int fd = vram_open(O_RDWR);
	struct peer_vram_info info;
	int ret;

	(void)arg;
	if (fd < 0)
		return fd;
	ret = vram_info(fd, &info);
	if (!ret)
		ret = vram_create(fd, info.vram_size, 0, &handle);
	return ret;
}

TEST(numbers_of_others_say_nothing)
{
	struct victim victim;

	ASSERT_EQ(0, user_grant_node());
	ASSERT_EQ(0, vt_mem_alloc(&victim.mem, &vt_mem_vram_named, MIB, 0));
	pattern_fill(victim.mem.addr, MIB, 3, 0);
	ASSERT_EQ(0, vram_query(victim.mem.fd, victim.mem.handle,
				&victim.query));
	close(0);
	EXPECT_EQ(0, user_run(USER_SPY, guess, &victim, WAIT_MS));
	EXPECT_EQ(-1, pattern_check(victim.mem.addr, MIB, 3, 0));

	EXPECT_EQ(0, user_run(USER_SPY, evict, NULL, WAIT_MS));
	ASSERT_EQ(0, vram_query(victim.mem.fd, victim.mem.handle,
				&victim.query));
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, victim.query.domain);
	EXPECT_EQ(-1, pattern_check(victim.mem.addr, MIB, 3, 0));
	vt_mem_free(&victim.mem);
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_HARNESS_MAIN
