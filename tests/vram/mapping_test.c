// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Mappings of BOs in one or several processes: partial and read-only mappings,
 * their addresses, mremap(), madvise(), /proc/self/mem, fork(), BOs that
 * processes share, destroyed BOs, and processes that are killed while they use
 * BOs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define LENGTH (2 * MIB)

FIXTURE(mapping) {
	int fd;
	uint32_t handle;
	char *map;
};

FIXTURE_SETUP(mapping)
{
	ASSERT_EQ(0, vram_wait_empty(10));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = vram_make_filled(self->fd, LENGTH, 0, 1, &self->handle);
	ASSERT_NE(NULL, self->map);
}

FIXTURE_TEARDOWN_PARENT(mapping)
{
	EXPECT_EQ(0, vram_wait_empty(20));
}

static int wait_exit(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -errno;
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* ---- parts and permissions -------------------------------------------- */

TEST_F(mapping, unmap_parts)
{
	size_t quarter = LENGTH / 4;
	char *map = self->map;

	ASSERT_EQ(0, munmap(map + quarter, quarter));
	EXPECT_EQ(SIGSEGV, touch_read(map + quarter));
	EXPECT_EQ(-1, pattern_check(map, quarter, 1, 0));
	EXPECT_EQ(-1, pattern_check(map + 2 * quarter, 2 * quarter, 1,
				    2 * quarter / 8));
	/* Both parts show the data after a move. */
	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(-1, pattern_check(map, quarter, 1, 0));
	EXPECT_EQ(-1, pattern_check(map + 2 * quarter, 2 * quarter, 1,
				    2 * quarter / 8));
	/* A mapping keeps the BO alive without a handle. */
	ASSERT_EQ(0, vram_close(self->fd, self->handle));
	ASSERT_EQ(0, munmap(map, quarter));
	EXPECT_EQ(-1, pattern_check(map + 2 * quarter, 2 * quarter, 1,
				    2 * quarter / 8));
	ASSERT_EQ(0, munmap(map + 2 * quarter, 2 * quarter));
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_F(mapping, map_part)
{
	struct peer_vram_query query;
	char *part;

	ASSERT_EQ(0, vram_query(self->fd, self->handle, &query));
	part = mmap(NULL, MIB / 2, RW, MAP_SHARED, self->fd,
		    query.mmap_offset + MIB);
	ASSERT_NE(MAP_FAILED, part);
	EXPECT_EQ(-1, pattern_check(part, MIB / 2, 1, MIB / 8));
	pattern_fill(part, MIB / 2, 2, 0);
	EXPECT_EQ(-1, pattern_check(self->map + MIB, MIB / 2, 2, 0));
	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(-1, pattern_check(part, MIB / 2, 2, 0));
}

TEST_F(mapping, protection)
{
	char *map = self->map, *ro;

	ASSERT_EQ(0, mprotect(map + MIB, PAGE, PROT_READ));
	EXPECT_EQ(0, touch_read(map + MIB));
	EXPECT_EQ(SIGSEGV, touch_write(map + MIB));
	EXPECT_EQ(0, touch_write(map + MIB + PAGE));
	EXPECT_EQ(0, touch_write(map + MIB - 1));
	ASSERT_EQ(0, mprotect(map + MIB, PAGE, RW));
	EXPECT_EQ(0, touch_write(map + MIB));

	ro = vram_map(self->fd, self->handle, LENGTH, PROT_READ);
	ASSERT_NE(NULL, ro);
	EXPECT_EQ(0, memcmp(ro, map, LENGTH));
	EXPECT_EQ(SIGSEGV, touch_write(ro));
	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(SIGSEGV, touch_write(ro));
	EXPECT_EQ(0, memcmp(ro, map, LENGTH));
}

TEST_F(mapping, moved_by_mremap)
{
	char *to = mmap(NULL, LENGTH, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
	uint32_t handle;
	uint64_t offset;

	ASSERT_EQ(to, mremap(self->map, LENGTH, LENGTH,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	EXPECT_EQ(-1, pattern_check(to, LENGTH, 1, 0));
	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(-1, pattern_check(to, LENGTH, 1, 0));
	ASSERT_EQ(0, vram_lookup(self->fd, to + PAGE, &handle, &offset));
	EXPECT_EQ(PAGE, offset);
	/* Mappings can shrink but not grow. */
	ASSERT_EQ(to, mremap(to, LENGTH, PAGE, 0));
	EXPECT_EQ(MAP_FAILED, mremap(to, PAGE, LENGTH, MREMAP_MAYMOVE));
}

/* Advice for pages that the kernel manages does not apply to PFN mappings. */
TEST_F(mapping, madvise_is_rejected)
{
	EXPECT_EQ(-1, madvise(self->map, LENGTH, MADV_DONTNEED));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, madvise(self->map, LENGTH, MADV_PAGEOUT));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 1, 0));
}

/* Accesses the BO as a debugger does. */
TEST_F(mapping, proc_mem)
{
	int mem = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	size_t length = 3 * PAGE;
	char *at = self->map + 60 * KIB + 8;
	char buf[3 * PAGE];
	int domain;

	ASSERT_LE(0, mem);
	for (domain = 1; domain >= 0; domain--) {
		ASSERT_EQ(0, vram_move(self->fd, self->handle, domain));
		pattern_fill(self->map, LENGTH, domain, 0);
		ASSERT_EQ(length, pread(mem, buf, length, (uintptr_t)at));
		EXPECT_EQ(-1, pattern_check(buf, length, domain,
					    (at - self->map) / 8));
		pattern_fill(buf, length, 7, 0);
		ASSERT_EQ(length, pwrite(mem, buf, length, (uintptr_t)at));
		EXPECT_EQ(-1, pattern_check(at, length, 7, 0));
	}
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(-1, pread(mem, buf, length, (uintptr_t)at));
}

/* ---- addresses -------------------------------------------------------- */

/* Reserves addresses. One page shifts the address that mmap() tries next. */
static char *reserve_addresses(void *at, size_t length, int flags)
{
	return mmap(at, length, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS |
		    MAP_NORESERVE | flags, -1, 0);
}

/* What the two kinds of larger page table entries of the core cover. */
#define LARGE large_entry_size()
#define RUN (16 * PAGE)

/*
 * Returns N for a mapping of @length: offsets in the BO that are multiples of N
 * have addresses that are multiples of N.
 */
static size_t expected_alignment(size_t length)
{
	return length >= LARGE ? LARGE : length >= RUN ? RUN : PAGE;
}

TEST_F(mapping, addresses_are_aligned)
{
	const size_t lengths[] = {
		PAGE, RUN - PAGE, RUN, RUN + PAGE, LARGE / 2, LARGE - PAGE,
		LARGE, 2 * LARGE + LARGE / 2, 2 * LARGE + LARGE / 2 + PAGE,
	};
	unsigned int i, round;
	char *map;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < 9; i++) {
			ASSERT_NE(MAP_FAILED, reserve_addresses(NULL, PAGE, 0));
			map = vram_map(self->fd, 0, lengths[i], RW);
			ASSERT_NE(NULL, map);
			EXPECT_EQ(0, (uintptr_t)map %
				  expected_alignment(lengths[i])) {
				TH_LOG("length %zu", lengths[i]);
			}
			ASSERT_EQ(0, munmap(map, lengths[i]));
		}
	}
}

/* The offset of the mapping in the BO counts: address - offset is aligned. */
TEST_F(mapping, addresses_of_parts_are_aligned)
{
	const size_t skips[] = {
		0, PAGE, RUN - PAGE, RUN, LARGE / 2, LARGE + PAGE,
		LARGE + LARGE / 2,
	};
	const size_t lengths[] = { PAGE, 2 * RUN, 2 * LARGE };
	struct peer_vram_query query;
	unsigned int i, j;
	uint32_t handle;
	char *map;

	ASSERT_EQ(0, vram_create(self->fd, 4 * LARGE, 0, &handle));
	ASSERT_EQ(0, vram_query(self->fd, handle, &query));
	for (i = 0; i < 7; i++) {
		for (j = 0; j < 3; j++) {
			map = mmap(NULL, lengths[j], RW, MAP_SHARED, self->fd,
				   query.mmap_offset + skips[i]);
			ASSERT_NE(MAP_FAILED, map);
			EXPECT_EQ(0, ((uintptr_t)map - skips[i]) %
				  expected_alignment(lengths[j])) {
				TH_LOG("%zu bytes from %zu on", lengths[j],
				       skips[i]);
			}
			ASSERT_EQ(0, munmap(map, lengths[j]));
		}
	}
}

/* mmap() uses the requested address if it is free or MAP_FIXED is set. */
TEST_F(mapping, fixed_addresses)
{
	char *room = reserve_addresses(NULL, 3 * LENGTH, 0), *at;

	ASSERT_NE(MAP_FAILED, room);
	at = room + (-(uintptr_t)room & (LENGTH - 1)) + PAGE;
	EXPECT_EQ(at, mmap(at, LENGTH, RW, MAP_SHARED | MAP_FIXED, self->fd, 0));
	EXPECT_EQ(MAP_FAILED, mmap(at, LENGTH, RW, MAP_SHARED |
				   MAP_FIXED_NOREPLACE, self->fd, 0));
	EXPECT_EQ(EEXIST, errno);
	EXPECT_NE(MAP_FAILED, mmap(at, LENGTH, RW, MAP_SHARED, self->fd, 0));
	EXPECT_EQ(0, touch_write(at));
	ASSERT_EQ(0, munmap(at, LENGTH));
	EXPECT_EQ(at, mmap(at, LENGTH, RW, MAP_SHARED, self->fd, 0));
}

#ifdef MAP_32BIT	/* only x86 has it */
/* The only hole below the MAP_32BIT limit has the size of the mapping. */
TEST_F(mapping, unaligned_hole)
{
	char *low = (char *)(1UL << 30), *hole = low + 128 * MIB + PAGE;

	ASSERT_EQ(low, reserve_addresses(low, 1UL << 30, MAP_FIXED_NOREPLACE));
	ASSERT_EQ(0, munmap(hole, LENGTH));
	EXPECT_EQ(hole, mmap(NULL, LENGTH, RW, MAP_SHARED | MAP_32BIT, self->fd,
			     0));
	EXPECT_EQ(MAP_FAILED, mmap(NULL, LENGTH, RW, MAP_SHARED | MAP_32BIT,
				   self->fd, 0));
	EXPECT_EQ(ENOMEM, errno);
}
#endif

/* ---- processes -------------------------------------------------------- */

TEST_F(mapping, shared_with_child)
{
	pid_t pid = fork();

	ASSERT_LE(0, pid);
	if (!pid) {
		if (pattern_check(self->map, LENGTH, 1, 0) >= 0)
			_exit(1);
		if (vram_move(self->fd, self->handle, 0))
			_exit(2);
		pattern_fill(self->map, LENGTH, 2, 0);
		_exit(pattern_check(self->map, LENGTH, 2, 0) >= 0 ? 3 : 0);
	}
	EXPECT_EQ(0, wait_exit(pid));
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 2, 0));
}

/*
 * Imports the BO of a received dma-buf, fills it, and checks that it was
 * destroyed when the parent says so. Return: the exit status, 0 is success.
 */
static int import_and_wait(int sock)
{
	int fd = vram_open(O_RDWR), dmabuf = recv_fd(sock);
	uint32_t handle;
	char *map, byte;

	if (fd < 0 || dmabuf < 0)
		return 1;
	if (vram_import(fd, dmabuf, &handle))
		return 2;
	close(dmabuf);
	map = vram_map(fd, handle, LENGTH, RW);
	if (!map || pattern_check(map, LENGTH, 1, 0) >= 0)
		return 3;
	pattern_fill(map, LENGTH, 2, 0);
	/* Report that the BO is mapped; wait until it is destroyed. */
	if (write(sock, "", 1) != 1 || read(sock, &byte, 1) != 1)
		return 4;
	if (touch_read(map) != SIGBUS || touch_write(map + MIB) != SIGBUS)
		return 5;
	if (vram_read(fd, handle, 0, &byte, 1) != -ENODEV)
		return 6;
	return 0;
}

TEST_F(mapping, destroyed_while_shared)
{
	struct peer_vram_info info;
	int sock[2], dmabuf;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sock));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* Drop what was inherited; use only the received dma-buf. */
		munmap(self->map, LENGTH);
		close(self->fd);
		close(sock[0]);
		_exit(import_and_wait(sock[1]));
	}
	close(sock[1]);
	dmabuf = vram_share(self->fd, self->handle);
	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, send_fd(sock[0], dmabuf));
	close(dmabuf);
	ASSERT_EQ(1, read(sock[0], &byte, 1));
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 2, 0));

	/* The memory is freed although both processes still refer to the BO. */
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(0, info.vram_used);
	EXPECT_EQ(1, info.objects);
	EXPECT_EQ(SIGBUS, touch_read(self->map));
	ASSERT_EQ(1, write(sock[0], "", 1));
	EXPECT_EQ(0, wait_exit(pid));
}

/* A dma-buf keeps the BO alive without a handle or a mapping. */
TEST_F(mapping, dmabuf_keeps_bo)
{
	int dmabuf = vram_share(self->fd, self->handle);
	uint32_t handle;

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	ASSERT_EQ(0, close(self->fd));
	self->fd = vram_open(O_RDWR);
	ASSERT_EQ(0, vram_import(self->fd, dmabuf, &handle));
	close(dmabuf);
	self->map = vram_map(self->fd, handle, LENGTH, RW);
	ASSERT_NE(NULL, self->map);
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 1, 0));
}

TEST_F(mapping, destroyed_in_system_memory)
{
	struct peer_vram_info info;

	ASSERT_EQ(0, vram_move(self->fd, self->handle, 0));
	EXPECT_EQ(0, touch_read(self->map));
	ASSERT_EQ(0, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(SIGBUS, touch_read(self->map));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(0, info.system_used);
}

/*
 * Uses BOs until the process is killed. The fixture's teardown checks that
 * nothing is left.
 */
static void use_until_killed(unsigned int seed)
{
	static const uint32_t flags[] = { 0, PEER_VRAM_CREATE_SYSTEM };
	char *buf = malloc(MIB);

	for (;;) {
		size_t length = (rand_r(&seed) % 64 + 1) * MIB;
		int fd = vram_open(O_RDWR);
		uint32_t handle;
		char *map;

		if (vram_create(fd, length, flags[rand_r(&seed) % 2], &handle))
			_exit(1);
		map = vram_map(fd, handle, length, RW);
		if (!map)
			_exit(2);
		memset(map, 1, length);
		vram_move(fd, handle, rand_r(&seed) % 2);
		vram_read(fd, handle, length - MIB, buf, MIB);
		vram_write(fd, handle, 0, buf, MIB);
		if (rand_r(&seed) % 2)
			vram_destroy(fd, handle);
		if (rand_r(&seed) % 2)
			munmap(map, length);
		close(fd);
	}
}

TEST_F_TIMEOUT(mapping, killed_while_in_use, 120)
{
	pid_t pid[3];
	int round, i;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < 3; i++) {
			pid[i] = fork();
			ASSERT_LE(0, pid[i]);
			if (!pid[i]) {
				munmap(self->map, LENGTH);
				close(self->fd);
				use_until_killed(round * 10 + i);
			}
		}
		usleep(200000 + 37000 * round);
		for (i = 0; i < 3; i++) {
			kill(pid[i], SIGKILL);
			EXPECT_EQ(-SIGKILL, wait_exit(pid[i]));
		}
	}
	EXPECT_EQ(-1, pattern_check(self->map, LENGTH, 1, 0));
}

TEST_HARNESS_MAIN
