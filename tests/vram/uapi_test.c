// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ioctls and mmap() of /dev/peer_vram0: every errno that the header lists.
 * uapi_table_test.c has the checks that are the same for all ioctls.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vram.h"

#define LIMIT_PARAM "/sys/module/peer_vram/parameters/limit_mb"

FIXTURE(uapi) {
	int fd;
	uint32_t handle;	/* BO of 1 MiB */
	int dmabuf;		/* dma-buf of this BO */
};

FIXTURE_SETUP(uapi)
{
	ASSERT_EQ(0, vram_wait_empty(10));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, MIB, 0, &self->handle));
	self->dmabuf = vram_share(self->fd, self->handle);
	ASSERT_LE(0, self->dmabuf);
}

FIXTURE_TEARDOWN_PARENT(uapi)
{
	EXPECT_EQ(0, vram_wait_empty(10));
}

/* ---- errnos ----------------------------------------------------------- */

/* Checks that all ioctls that take a handle return the same value. */
#define EXPECT_ALL(want, h)						\
	do {								\
		struct peer_vram_query _query;				\
		char _byte;						\
									\
		EXPECT_EQ(want, vram_revoke(self->fd, h));		\
		EXPECT_EQ(want, vram_move(self->fd, h, 0));		\
		EXPECT_EQ(want, vram_query(self->fd, h, &_query));	\
		EXPECT_EQ(want, vram_read(self->fd, h, 0, &_byte, 1));	\
		EXPECT_EQ(want, vram_write(self->fd, h, 0, &_byte, 1));	\
		EXPECT_EQ(want, vram_blocks(self->fd, h, NULL, 0));	\
		EXPECT_EQ(want, vram_destroy(self->fd, h));		\
	} while (0)

TEST_F(uapi, no_such_handle)
{
	int other = vram_open(O_RDWR);
	uint32_t handle;

	ASSERT_LE(0, other);
	EXPECT_ALL(-ENOENT, 0);
	EXPECT_ALL(-ENOENT, self->handle + 1);
	EXPECT_ALL(-ENOENT, UINT32_MAX);
	EXPECT_EQ(-ENOENT, vram_share(self->fd, self->handle + 1));
	EXPECT_EQ(-ENOENT, vram_close(self->fd, self->handle + 1));
	/* A handle is valid in one open file only. */
	EXPECT_EQ(-ENOENT, vram_close(other, self->handle));
	EXPECT_EQ(-ENOENT, vram_move(other, self->handle, 0));

	ASSERT_EQ(0, vram_create(self->fd, PAGE, 0, &handle));
	ASSERT_EQ(0, vram_close(self->fd, handle));
	EXPECT_ALL(-ENOENT, handle);
	EXPECT_EQ(-ENOENT, vram_close(self->fd, handle));
}

TEST_F(uapi, destroyed)
{
	struct peer_vram_query query;
	uint32_t handle;

	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	EXPECT_ALL(-ENODEV, self->handle);
	/* A destroyed BO still has a handle and can be imported. */
	ASSERT_EQ(0, vram_import(self->fd, self->dmabuf, &handle));
	EXPECT_ALL(-ENODEV, handle);
	EXPECT_EQ(0, vram_close(self->fd, handle));
	EXPECT_EQ(0, vram_close(self->fd, self->handle));
}

TEST_F(uapi, lengths)
{
	struct peer_vram_query query;
	struct peer_vram_info info;
	uint32_t handle;

	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(-EINVAL, vram_create(self->fd, 0, 0, &handle));
	EXPECT_EQ(-E2BIG, vram_create(self->fd, info.vram_size + 1, 0, &handle));
	EXPECT_EQ(-E2BIG, vram_create(self->fd, UINT64_MAX, 0, &handle));
	EXPECT_EQ(-E2BIG, vram_create(self->fd, UINT64_MAX, 2, &handle));
	EXPECT_EQ(0, vram_create(self->fd, info.vram_size, 0, &handle));

	ASSERT_EQ(0, vram_create(self->fd, 1, 0, &handle));
	ASSERT_EQ(0, vram_query(self->fd, handle, &query));
	EXPECT_EQ(PAGE, query.length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query.domain);
	EXPECT_EQ(PEER_VRAM_QUERY_EXPORTABLE, query.flags);

	ASSERT_EQ(0, vram_create(self->fd, PAGE + 1, 3, &handle));
	ASSERT_EQ(0, vram_query(self->fd, handle, &query));
	EXPECT_EQ(2 * PAGE, query.length);
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, query.domain);
	EXPECT_EQ(0, query.flags);
	EXPECT_EQ(0, query.regions);
	EXPECT_EQ(0, query.pins);
}

TEST_F(uapi, ranges)
{
	char buf[16] = {};
	uint32_t h = self->handle;

	EXPECT_EQ(0, vram_read(self->fd, h, 0, NULL, 0));
	EXPECT_EQ(0, vram_read(self->fd, h, MIB, NULL, 0));
	EXPECT_EQ(0, vram_read(self->fd, h, MIB - 1, buf, 1));
	EXPECT_EQ(-ERANGE, vram_read(self->fd, h, MIB, buf, 1));
	EXPECT_EQ(-ERANGE, vram_read(self->fd, h, MIB - 1, buf, 2));
	EXPECT_EQ(-ERANGE, vram_write(self->fd, h, MIB - 15, buf, 16));
	EXPECT_EQ(-ERANGE, vram_read(self->fd, h, UINT64_MAX, buf, 2));
	EXPECT_EQ(-ERANGE, vram_read(self->fd, h, 2, buf, UINT64_MAX));
	EXPECT_EQ(-ERANGE, vram_read(self->fd, h, UINT64_MAX, NULL, 0));
}

/* The limit of all BOs applies to CREATE and mmap(). Closing a BO frees its part. */
TEST_F(uapi, total_limit)
{
	uint32_t handle[4] = {};
	struct peer_vram_info info;

	ASSERT_EQ(0, sysfs_write(LIMIT_PARAM, "4"));
	EXPECT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(3 * MIB, info.creatable);
	EXPECT_EQ(0, vram_create(self->fd, 2 * MIB, 2, &handle[0]));
	EXPECT_EQ(-ENOMEM, vram_create(self->fd, MIB + 1, 0, &handle[1]));
	EXPECT_EQ(0, vram_create(self->fd, MIB, 0, &handle[1]));
	EXPECT_EQ(-ENOMEM, vram_create(self->fd, 1, 2, &handle[2]));
	EXPECT_EQ(NULL, vram_map(self->fd, 0, PAGE, PROT_READ));
	EXPECT_EQ(ENOMEM, errno);
	EXPECT_EQ(0, vram_close(self->fd, handle[0]));
	EXPECT_EQ(0, vram_create(self->fd, 2 * MIB, 0, &handle[2]));
	EXPECT_EQ(0, sysfs_write(LIMIT_PARAM, "0"));
}

TEST_F_TIMEOUT(uapi, too_many_handles, 180)
{
	void *map = vram_map(self->fd, self->handle, MIB, PROT_READ);
	uint32_t handle;
	int n, ret = 0;

	ASSERT_NE(NULL, map);
	for (n = 1; !ret && n < 100000; n++)
		ret = vram_lookup(self->fd, map, &handle, NULL);
	EXPECT_EQ(-EMFILE, ret);
	EXPECT_EQ(65536, n - 1);
	EXPECT_EQ(-EMFILE, vram_create(self->fd, PAGE, 0, &handle));
	EXPECT_EQ(0, vram_close(self->fd, 17));
	EXPECT_EQ(0, vram_create(self->fd, PAGE, 0, &handle));
	EXPECT_EQ(17, handle);
}

TEST_F(uapi, lookup)
{
	char *map = vram_map(self->fd, 0, 3 * PAGE, PROT_READ | PROT_WRITE);
	char *heap = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	struct peer_vram_query query;
	uint32_t handle, again;
	uint64_t offset;

	ASSERT_NE(NULL, map);
	ASSERT_EQ(0, vram_lookup(self->fd, map + 2 * PAGE + 7, &handle, &offset));
	EXPECT_EQ(2 * PAGE + 7, offset);
	EXPECT_EQ(0, vram_query(self->fd, handle, &query));
	EXPECT_EQ(3 * PAGE, query.length);
	ASSERT_EQ(0, vram_lookup(self->fd, map, &again, &offset));
	EXPECT_EQ(0, offset);
	EXPECT_NE(handle, again);

	EXPECT_EQ(-ENOENT, vram_lookup(self->fd, heap, &handle, &offset));
	EXPECT_EQ(-ENOENT, vram_lookup(self->fd, NULL, &handle, &offset));
	ASSERT_EQ(0, munmap(map + PAGE, PAGE));
	EXPECT_EQ(-ENOENT, vram_lookup(self->fd, map + PAGE, &handle, &offset));
	ASSERT_EQ(0, vram_lookup(self->fd, map + 2 * PAGE, &handle, &offset));
	EXPECT_EQ(2 * PAGE, offset);
}

TEST_F(uapi, share_and_import)
{
	uint32_t handle;
	struct rlimit few = { .rlim_cur = self->dmabuf + 1, .rlim_max = 4096 };

	EXPECT_EQ(-EBADF, vram_import(self->fd, -1, &handle));
	EXPECT_EQ(-EBADF, vram_import(self->fd, 1000, &handle));
	EXPECT_EQ(-EINVAL, vram_import(self->fd, self->fd, &handle));
	EXPECT_EQ(-EINVAL, vram_import(self->fd, 0, &handle));
	EXPECT_EQ(0, vram_import(self->fd, self->dmabuf, &handle));
	EXPECT_EQ(FD_CLOEXEC, fcntl(self->dmabuf, F_GETFD));
	ASSERT_EQ(0, setrlimit(RLIMIT_NOFILE, &few));
	EXPECT_EQ(-EMFILE, vram_share(self->fd, self->handle));
}

TEST_F(uapi, read_only_file)
{
	struct peer_vram_set_flags flags = { .size = sizeof(flags) };
	int fd = vram_open(O_RDONLY);
	struct peer_vram_query query;
	uint32_t handle;
	uint64_t offset;
	char byte;
	void *map;

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vram_import(fd, self->dmabuf, &handle));
	EXPECT_EQ(0, vram_query(fd, handle, &query));
	EXPECT_EQ(0, vram_read(fd, handle, 0, &byte, 1));
	EXPECT_EQ(-EACCES, vram_write(fd, handle, 0, &byte, 1));
	EXPECT_EQ(-EACCES, vram_move(fd, handle, 0));
	EXPECT_EQ(-EACCES, vram_destroy(fd, handle));
	EXPECT_EQ(-EACCES, vram_revoke(fd, handle));
	EXPECT_EQ(-EACCES, vram_ioctl(fd, PEER_VRAM_IOC_SET_FLAGS, &flags));
	EXPECT_EQ(-EACCES, vram_share(fd, handle));

	EXPECT_EQ(NULL, vram_map(fd, handle, MIB, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	map = vram_map(fd, handle, MIB, PROT_READ);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(-1, mprotect(map, MIB, PROT_READ | PROT_WRITE));
	EXPECT_EQ(EACCES, errno);
	/* A handle of a writable file would allow writing; LOOKUP must fail. */
	EXPECT_EQ(-EACCES, vram_lookup(self->fd, map, &handle, &offset));
	EXPECT_EQ(0, vram_lookup(fd, map, &handle, &offset));
}

TEST_F(uapi, blocks)
{
	struct peer_vram_block blocks[16], first;
	uint32_t handle;

	EXPECT_EQ(16, vram_blocks(self->fd, self->handle, blocks, 16));
	EXPECT_EQ(16, vram_blocks(self->fd, self->handle, NULL, 0));
	EXPECT_EQ(16, vram_blocks(self->fd, self->handle, &first, 1));
	EXPECT_EQ(0, memcmp(&first, &blocks[0], sizeof(first)));
	EXPECT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(0, vram_blocks(self->fd, self->handle, blocks, 16));

	ASSERT_EQ(0, vram_create(self->fd, 3 * PAGE, 0, &handle));
	ASSERT_EQ(1, vram_blocks(self->fd, handle, blocks, 16));
	EXPECT_EQ(0, blocks[0].offset);
	EXPECT_EQ(3 * PAGE, blocks[0].length);

	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(-EPERM, vram_blocks(self->fd, self->handle, blocks, 16));
	ASSERT_EQ(0, seteuid(0));
}

TEST_F(uapi, mmap_errnos)
{
	int prot = PROT_READ | PROT_WRITE;
	int other = vram_open(O_RDWR);
	struct peer_vram_query query;
	struct peer_vram_info info;
	uint64_t at;
	void *map;

	ASSERT_EQ(0, vram_info(self->fd, &info));
	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	at = query.mmap_offset;
	EXPECT_NE(0, at);

#define EXPECT_MMAP(want, length, prot, flags, fd, offset)		\
	do {								\
		errno = 0;						\
		EXPECT_EQ(MAP_FAILED, mmap(NULL, length, prot, flags,	\
					   fd, offset));		\
		EXPECT_EQ(want, errno);					\
	} while (0)

	EXPECT_MMAP(EINVAL, MIB, prot, MAP_PRIVATE, self->fd, at);
	EXPECT_MMAP(EINVAL, MIB, PROT_READ, MAP_PRIVATE, self->fd, at);
	EXPECT_MMAP(EINVAL, PAGE, prot, MAP_PRIVATE, self->fd, 0);
	EXPECT_MMAP(EINVAL, MIB + PAGE, prot, MAP_SHARED, self->fd, at);
	EXPECT_MMAP(EINVAL, MIB, prot, MAP_SHARED, self->fd, at + PAGE);
	EXPECT_MMAP(EINVAL, PAGE, prot, MAP_SHARED, self->fd, at + MIB);
	EXPECT_MMAP(EINVAL, PAGE, prot, MAP_SHARED, self->fd, PAGE);
	EXPECT_MMAP(EINVAL, PAGE, prot, MAP_SHARED, other, at);
	EXPECT_MMAP(E2BIG, info.vram_size + PAGE, prot, MAP_SHARED, self->fd, 0);

	map = mmap(NULL, PAGE, prot, MAP_SHARED, self->fd, at + MIB - PAGE);
	ASSERT_NE(MAP_FAILED, map);
	EXPECT_EQ(MAP_FAILED, mremap(map, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	EXPECT_EQ(EFAULT, errno);
	/* A new mapping needs a handle. The existing one still works. */
	ASSERT_EQ(0, vram_close(self->fd, self->handle));
	EXPECT_MMAP(EINVAL, MIB, prot, MAP_SHARED, self->fd, at);
	EXPECT_EQ(0, touch_write(map));
}

TEST_HARNESS_MAIN
