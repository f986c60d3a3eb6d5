// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The controller moves bytes between its memory and its disk: every byte arrives
 * and no other is touched, by the word of a second way to the disk, the kernel's
 * nvme driver; RDMA into the memory, on to the disk, and all the way back; and
 * what is not possible is said so.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../vram/vram.h"
#include "cmb.h"
#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/verbs.h"

#define DISK (64 * MIB)
#define BLOCK 512UL

/* More than a command can move. */
#define LENGTH (3 * MIB)

/* ---- one way and the other -------------------------------------------- */

FIXTURE(disk)
{
	int fd;
	uint8_t *map;
	uint8_t *want;
};

FIXTURE_VARIANT(disk)
{
	enum cmb_controller which;
	size_t length;		/* of the mapping */
	uint64_t disk;
	uint32_t block;
};

FIXTURE_VARIANT_ADD(disk, large)
{
	.which = CMB_LARGE,
	.length = LENGTH,
	.disk = DISK,
	.block = BLOCK,
};

FIXTURE_VARIANT_ADD(disk, old)
{
	.which = CMB_OLD,
	.length = MIB,
	.disk = 8 * MIB,
	.block = 4096,
};

FIXTURE_SETUP(disk)
{
	ASSERT_EQ(0, cmb_load());
	ASSERT_EQ(0, cmb_give(variant->which, "peer_cmb"));
	self->fd = cmb_open(variant->which, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = cmb_map(self->fd, variant->length);
	ASSERT_NE(NULL, self->map);
	self->want = malloc(variant->length);
	ASSERT_NE(NULL, self->want);
}

FIXTURE_TEARDOWN(disk)
{
	free(self->want);
	munmap(self->map, variant->length);
	close(self->fd);
}

TEST_F(disk, what_there_is)
{
	struct peer_cmb_disk disk;

	ASSERT_EQ(0, cmb_disk(self->fd, &disk));
	EXPECT_EQ(variant->disk, disk.length);
	EXPECT_EQ(variant->block, disk.block_size);
}

/* A stream on all the places of the disk that the piece and its guards take. */
static int lay_ground(FIXTURE_DATA(disk) *self, uint64_t at, uint64_t length)
{
	vt_pattern_fill(self->map, 1, at, length);
	return cmb_write_disk(self->fd, self->map, length, at);
}

/* Where in pages a piece begins and ends, and how many commands it takes. */
static const struct {
	uint64_t skip;		/* in the mapping; any multiple of 4 */
	uint64_t blocks;
} pieces[] = {
	{ 0, 1 }, { 4, 1 }, { 4092, 1 }, { 0, 2 }, { 0, 8 }, { 2048, 8 }, { 0, 9 },
	{ 0, 16 }, { 512, 16 }, { 4, 17 }, { 4092, 100 }, { 0, 1024 }, { 4, 1024 },
	{ 0, 1025 }, { 1028, 2049 }, { 4092, 5000 },
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

/* Each piece to a place of its own, back into other memory, with its guards. */
TEST_F_TIMEOUT(disk, every_byte, 120)
{
	uint64_t block = variant->block, at = 8 * block, length, n;

	for (n = 0; n < PIECES; n++) {
		uint64_t skip = pieces[n].skip;

		length = pieces[n].blocks * block;
		if (skip + length + 2 * block > variant->length)
			continue;
		ASSERT_EQ(0, lay_ground(self, at - block, length + 2 * block));
		vt_pattern_fill(self->map + skip, 10 + n, 0, length);
		ASSERT_EQ(0, cmb_write_disk(self->fd, self->map + skip, length,
					    at));

		memset(self->map, 0x5a, variant->length);
		ASSERT_EQ(0, cmb_read_disk(self->fd, self->map + skip,
					   length + 2 * block, at - block));
		memset(self->want, 0x5a, variant->length);
		vt_pattern_fill(self->want + skip, 1, at - block, block);
		vt_pattern_fill(self->want + skip + block, 10 + n, 0, length);
		vt_pattern_fill(self->want + skip + block + length, 1,
				at + length, block);
		EXPECT_EQ(-1, vt_first_diff(self->map, self->want,
					    variant->length))
			TH_LOG("piece %llu", (unsigned long long)n);
		at += length + 8 * block;
	}
	ASSERT_LT(at, variant->disk);
}

TEST_F(disk, first_and_last_block)
{
	uint64_t last = variant->disk - variant->block;

	vt_pattern_fill(self->map, 3, 0, 2 * variant->block);
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, variant->block, 0));
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map + variant->block,
				    variant->block, last));
	vt_pattern_fill(self->want, 3, 0, 2 * variant->block);
	memset(self->map, 0, 2 * variant->block);
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map, variant->block, 0));
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map + variant->block,
				   variant->block, last));
	EXPECT_EQ(-1, vt_first_diff(self->map, self->want, 2 * variant->block));
}

/* ---- what is not possible --------------------------------------------- */

static int without_rawio(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data))
		return -errno;
	data[0].effective &= ~(1U << CAP_SYS_RAWIO);
	return syscall(SYS_capset, &head, data) ? -errno : 0;
}

TEST_F(disk, bad_places)
{
	uint64_t block = variant->block, end = variant->disk;
	int fd = self->fd;
	uint8_t *map = self->map, *other;
	void *foreign = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	EXPECT_EQ(-EINVAL, cmb_write_disk(fd, map, 0, 0));
	EXPECT_EQ(-EINVAL, cmb_write_disk(fd, map + 2, block, 0));
	EXPECT_EQ(-EINVAL, cmb_write_disk(fd, map, block - 4, 0));
	EXPECT_EQ(-EINVAL, cmb_write_disk(fd, map, block, block / 2));
	EXPECT_EQ(-ERANGE, cmb_write_disk(fd, map, block, end));
	EXPECT_EQ(-ERANGE, cmb_write_disk(fd, map, 2 * block, end - block));
	EXPECT_EQ(-ERANGE, cmb_read_disk(fd, map, block, -block));
	EXPECT_EQ(-ERANGE, cmb_read_disk(fd, map, 2 * block, -block));
	EXPECT_EQ(-ERANGE, cmb_read_disk(fd, map, block, 1ULL << 63));

	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, foreign, block, 0));
	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, NULL, block, 0));
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, map + variant->length - block,
					  2 * block, 0));
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, map, -block, 0));
	/* Next to each other in the process, but not one piece. */
	ASSERT_EQ(0, munmap(map + variant->length - PAGE, PAGE));
	other = mmap(map + variant->length - PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_EQ(map + variant->length - PAGE, other);
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, other - block, 2 * block, 0));
	EXPECT_EQ(0, cmb_write_disk(fd, other, block, 0));
}

TEST_F(disk, rights)
{
	uint64_t block = variant->block;
	int fd;

	/* The disk's bytes may not go where the program may not write. */
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_READ));
	EXPECT_EQ(-EACCES, cmb_read_disk(self->fd, self->map, block, 0));
	EXPECT_EQ(0, cmb_write_disk(self->fd, self->map, block, 0));
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_NONE));
	EXPECT_EQ(-EACCES, cmb_write_disk(self->fd, self->map, block, 0));
	ASSERT_EQ(0, mprotect(self->map, PAGE, PROT_READ | PROT_WRITE));

	fd = cmb_open(variant->which, O_RDONLY);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-EACCES, cmb_write_disk(fd, self->map, block, 0));
	close(fd);

	ASSERT_EQ(0, without_rawio());
	EXPECT_EQ(-EPERM, cmb_write_disk(self->fd, self->map, block, 0));
	EXPECT_EQ(-EPERM, cmb_read_disk(self->fd, self->map, block, 0));
}

TEST_F(disk, memory_of_another_node)
{
	enum cmb_controller which = CMB_NO_DISK;
	int fd;

	ASSERT_EQ(0, cmb_give(which, "peer_cmb"));
	fd = cmb_open(which, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, self->map, variant->block, 0));
	close(fd);
}

/* The node of a controller, with 1 MiB of its memory in *map. */
static int open_mapped(enum cmb_controller which, uint8_t **map)
{
	int ret = cmb_load();

	if (!ret)
		ret = cmb_give(which, "peer_cmb");
	if (!ret)
		ret = cmb_open(which, O_RDWR);
	if (ret < 0)
		return ret;
	*map = cmb_map(ret, MIB);
	return *map ? ret : -errno;
}

TEST(no_disk)
{
	struct peer_cmb_disk disk;
	uint8_t *map;
	int fd = open_mapped(CMB_NO_DISK, &map);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENOMEDIUM, cmb_disk(fd, &disk));
	EXPECT_EQ(-ENOMEDIUM, cmb_write_disk(fd, map, BLOCK, 0));
	/* Its memory is as good as any. */
	memset(map, 7, MIB);
	EXPECT_EQ(7, map[MIB - 1]);
}

TEST(no_buffer)
{
	ASSERT_EQ(0, cmb_load());
	EXPECT_EQ(-ENODEV, cmb_give(CMB_NONE, "peer_cmb"));
	EXPECT_EQ(0, cmb_give(CMB_NONE, NULL));
}

/* The drive of the old controller has a place that cannot be read or written. */
#define BAD_BLOCK (7 * MIB)

TEST(medium_error)
{
	uint8_t *map;
	int fd = open_mapped(CMB_OLD, &map);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EIO, cmb_write_disk(fd, map, 4096, BAD_BLOCK));
	EXPECT_EQ(-EIO, cmb_read_disk(fd, map, 4096, BAD_BLOCK));
	/* The controller goes on. */
	EXPECT_EQ(0, cmb_write_disk(fd, map, 4096, BAD_BLOCK + 4096));
	EXPECT_EQ(0, cmb_read_disk(fd, map, 4096, BAD_BLOCK + 4096));
}

/* ---- the same disk by the kernel's driver ----------------------------- */

static void *pages(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Both ways: what one writes, the other reads. */
TEST_F_TIMEOUT(disk, by_the_kernels_driver, 120)
{
	size_t length = variant->length / 2;
	void *buffer = pages(length);
	int nvme;

	vt_pattern_fill(self->map, 5, 0, length);
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, 2 * MIB));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, cmb_give(variant->which, "nvme"));
	nvme = cmb_open_disk(variant->which, O_RDWR | O_DIRECT);
	ASSERT_LE(0, nvme);
	ASSERT_EQ(length, pread(nvme, buffer, length, 2 * MIB));
	vt_pattern_fill(self->want, 5, 0, length);
	EXPECT_EQ(-1, vt_first_diff(buffer, self->want, length));

	vt_pattern_fill(buffer, 6, 0, length);
	ASSERT_EQ(length, pwrite(nvme, buffer, length, 2 * MIB));
	ASSERT_EQ(0, close(nvme));
	ASSERT_EQ(0, cmb_give(variant->which, "peer_cmb"));
	self->fd = cmb_open(variant->which, O_RDWR);
	ASSERT_LE(0, self->fd);
	munmap(self->map, variant->length);
	self->map = cmb_map(self->fd, variant->length);
	ASSERT_NE(NULL, self->map);
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map, length, 2 * MIB));
	vt_pattern_fill(self->want, 6, 0, length);
	EXPECT_EQ(-1, vt_first_diff(self->map, self->want, length));
}

/* ---- users that end in the middle --------------------------------------- */

/* Reads from the disk again and again; says when it has begun. */
static void read_for_ever(enum cmb_controller which, size_t length, int begun)
{
	int fd = cmb_open(which, O_RDWR);
	void *map = fd < 0 ? NULL : cmb_map(fd, length);

	for (; map && !cmb_read_disk(fd, map, length, 0); begun = -1)
		if (begun >= 0 && write(begun, "", 1) != 1)
			break;
	_exit(1);
}

/*
 * Two of them at once, killed somewhere on the way. Memory of theirs is nobody's
 * before the controller has done with it: its next owner sees zeros, and goes on
 * seeing them while the controller serves it.
 */
TEST_F_TIMEOUT(disk, killed_in_transfers, 120)
{
	size_t length = variant->length / 2;
	int round, n, begun[2];
	pid_t pid[2];
	char byte;

	vt_pattern_fill(self->map, 8, 0, length);
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, 0));
	ASSERT_EQ(0, pipe(begun));
	for (round = 0; round < 12; round++) {
		ASSERT_EQ(0, munmap(self->map, variant->length));
		for (n = 0; n < 2; n++) {
			pid[n] = fork();
			if (!pid[n])
				read_for_ever(variant->which, length, begun[1]);
		}
		for (n = 0; n < 2; n++)
			ASSERT_EQ(1, read(begun[0], &byte, 1));
		usleep(700 * round);
		for (n = 0; n < 2; n++) {
			ASSERT_EQ(0, kill(pid[n], SIGKILL));
			ASSERT_EQ(pid[n], waitpid(pid[n], NULL, 0));
		}
		self->map = cmb_map(self->fd, variant->length);
		ASSERT_NE(NULL, self->map);
		ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, variant->block,
					    variant->disk / 2));
		EXPECT_EQ(-1, zero_check(self->map, variant->length));
	}
	close(begun[0]);
	close(begun[1]);
}

/* ---- from a remote to the disk, and back ------------------------------ */

TEST_F_TIMEOUT(disk, remote, 60)
{
	size_t length = variant->length / 2;
	struct vt_remote there;
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_sge sge;
	struct vt_dev dev;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_dev_open(&dev));
	ASSERT_EQ(0, vt_pair_open(&pair, &dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&host, &dev, &vt_mem_host, length, NULL));
	mr = ibv_reg_mr(dev.pd, self->map, length, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	there = (struct vt_remote){ (uintptr_t)self->map, mr->rkey };
	sge = vt_sge(&host, 0, length);

	vt_buf_fill(&host, 9);
	ASSERT_EQ(0, vt_rdma_write(&pair.end[0], &sge, 1, there));
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, MIB * 4));
	memset(self->map, 0, length);
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map, length, MIB * 4));
	memset(host.mem.addr, 0, length);
	ASSERT_EQ(0, vt_rdma_read(&pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, vt_buf_check_all(&host));

	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_pair_close(&pair);
	vt_dev_close(&dev);
}

TEST_HARNESS_MAIN
