// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A process sees no data that a previous owner has left in memory, and cannot
 * access the memory of others.
 *
 * The owner fills BOs of odd sizes, moves them both ways, and releases them in
 * one of several ways. Then another user allocates all VRAM, and as much system
 * memory, and checks every byte through every interface.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "../vram/vram.h"
#include "lib/buf.h"
#include "lib/proc.h"
#include "user.h"

#define NUM_BOS 24
#define WAIT_MS 60000

enum release_kind {
	RELEASE_EXIT,
	RELEASE_CLOSE,
	RELEASE_DESTROY,
	RELEASE_KILLED,
};

/* No size is a multiple of the block size. */
static size_t bo_size(int i)
{
	return (1 + i % 5) * 256 * KIB + (i % 3) * PAGE + 100;
}

static int fill_bo(int fd, int i, uint32_t *handle)
{
	size_t size = (bo_size(i) + PAGE - 1) & ~(PAGE - 1);
	uint32_t flags = i % 2 ? PEER_VRAM_CREATE_SYSTEM : 0;
	uint8_t *addr;
	int ret;

	ret = vram_create(fd, bo_size(i), flags, handle);
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

/* The process of the previous owner. */
static int fill_and_release(void *arg)
{
	enum release_kind release_kind = *(enum release_kind *)arg;
	uint32_t handle[NUM_BOS];
	int fd = vram_open(O_RDWR);
	int i, ret;

	if (fd < 0)
		return fd;
	for (i = 0; i < NUM_BOS; i++) {
		ret = fill_bo(fd, i, &handle[i]);
		if (ret)
			return ret;
	}
	if (release_kind == RELEASE_KILLED)
		raise(SIGKILL);
	for (i = 0; i < NUM_BOS && !ret; i++) {
		if (release_kind == RELEASE_CLOSE)
			ret = vram_close(fd, handle[i]);
		else if (release_kind == RELEASE_DESTROY)
			ret = vram_destroy(fd, handle[i]);
	}
	return ret;
}

FIXTURE(previous_owner)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct peer_vram_info info;
	int fd;
};

typedef FIXTURE_DATA(previous_owner) previous_owner_t;

FIXTURE_VARIANT(previous_owner)
{
	enum release_kind release_kind;
};

FIXTURE_VARIANT_ADD(previous_owner, exited) { .release_kind = RELEASE_EXIT };
FIXTURE_VARIANT_ADD(previous_owner, closed) { .release_kind = RELEASE_CLOSE };
FIXTURE_VARIANT_ADD(previous_owner, destroyed)
{
	.release_kind = RELEASE_DESTROY,
};
FIXTURE_VARIANT_ADD(previous_owner, killed) { .release_kind = RELEASE_KILLED };

FIXTURE_SETUP(previous_owner)
{
	enum release_kind release_kind = variant->release_kind;
	/*
	 * Soft-RoCE restarts a READ if not all responses arrive before the
	 * timeout.
	 */
	struct vt_pair_opts opts = { .timeout = 20 };

	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(release_kind == RELEASE_KILLED ? -EINTR : 0,
		  user_run(USER_OWNER, fill_and_release, &release_kind,
			   WAIT_MS));
	ASSERT_EQ(0, vram_wait_empty(10));
	ASSERT_EQ(0, user_become(USER_ATTACKER));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_info(self->fd, &self->info));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, MIB,
				 NULL));
}

FIXTURE_TEARDOWN(previous_owner)
{
	vt_buf_close(&self->local);
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	close(self->fd);
	EXPECT_EQ(0, vram_wait_empty(10));
}

/* Reads through the mapping and by ioctl. Return: 0, -EILSEQ, -errno. */
static int check_zero_by_cpu(previous_owner_t *self, uint32_t handle,
			     size_t size)
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
		/* Alternates between the two, and uses both at the end. */
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

/* Reads by RDMA, through a pinned or an on-demand MR. */
static int check_zero_by_rdma(previous_owner_t *self, uint32_t handle,
			      size_t size, int access)
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

/* All of VRAM, which includes everything that the owner had. */
TEST_F_TIMEOUT(previous_owner, all_vram, 120)
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
		ASSERT_EQ(0, check_zero_by_cpu(self, handle[i], 8 * MIB));
}

/* Many small BOs: the block of each contained the owner's data before. */
TEST_F_TIMEOUT(previous_owner, rdma_read, 120)
{
	size_t size = 256 * KIB;
	uint32_t handle;
	int i;

	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, vram_create(self->fd, size - 17, 0, &handle));
		EXPECT_EQ(0, check_zero_by_rdma(self, handle, size, i % 2 ?
					   IBV_ACCESS_ON_DEMAND : 0));
	}
	/* System pages that the device uses in place of VRAM. */
	for (i = 0; i < 12; i++) {
		ASSERT_EQ(0, vram_create(self->fd, size - 17,
					 PEER_VRAM_CREATE_SYSTEM |
					 PEER_VRAM_CREATE_IN_PLACE, &handle));
		EXPECT_EQ(0, check_zero_by_rdma(self, handle, size,
					   IBV_ACCESS_ON_DEMAND));
		EXPECT_EQ(0, check_zero_by_cpu(self, handle, size));
	}
}

/* A BO that was never accessed stays zero when it moves. */
TEST_F_TIMEOUT(previous_owner, moved, 120)
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
			EXPECT_EQ(0, check_zero_by_cpu(self, handle, size));
			ASSERT_EQ(0, vram_move(self->fd, handle, !first));
			EXPECT_EQ(0, check_zero_by_cpu(self, handle, size));
		}
	}
}

/* ---- memory of other processes ----------------------------------------- */

struct victim {
	struct vt_mem mem;
	struct peer_vram_query query;
};

/* Knows all handles of the BO, and cannot use them. */
static int try_handles(void *arg)
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
	/* Other descriptors do not import a BO. */
	if (vram_import(fd, fd, &other) != -EINVAL ||
	    vram_import(fd, 0, &other) == 0 ||
	    vram_import(fd, -1, &other) != -EBADF)
		return -EEXIST;
	return 0;
}

/* Allocates all of VRAM: the other BO is evicted, and nothing else happens. */
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

TEST(foreign_handles_denied)
{
	struct victim victim;

	ASSERT_EQ(0, user_grant_device());
	ASSERT_EQ(0, vt_mem_alloc(&victim.mem, &vt_mem_vram_named, MIB, 0));
	pattern_fill(victim.mem.addr, MIB, 3, 0);
	ASSERT_EQ(0, vram_query(victim.mem.fd, victim.mem.handle,
				&victim.query));
	close(0);
	EXPECT_EQ(0, user_run(USER_ATTACKER, try_handles, &victim, WAIT_MS));
	EXPECT_EQ(-1, pattern_check(victim.mem.addr, MIB, 3, 0));

	EXPECT_EQ(0, user_run(USER_ATTACKER, evict, NULL, WAIT_MS));
	ASSERT_EQ(0, vram_query(victim.mem.fd, victim.mem.handle,
				&victim.query));
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, victim.query.domain);
	EXPECT_EQ(-1, pattern_check(victim.mem.addr, MIB, 3, 0));
	vt_mem_free(&victim.mem);
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_HARNESS_MAIN
