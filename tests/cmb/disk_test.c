// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Transfers between the memory of a controller and its disk. The tests check that
 * a transfer stores all its data and nothing else, also through the kernel's nvme
 * driver, that RDMA into the memory and transfers to the disk work together, and
 * the errno of each invalid request.
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

/* More than one NVMe command can transfer. */
#define LENGTH (3 * MIB)

/* ---- transfers in both directions ------------------------------------- */

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
	ASSERT_EQ(0, cmb_bind(variant->which, "peer_cmb"));
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

TEST_F(disk, query)
{
	struct peer_cmb_disk disk;

	ASSERT_EQ(0, cmb_disk(self->fd, &disk));
	EXPECT_EQ(variant->disk, disk.length);
	EXPECT_EQ(variant->block, disk.block_size);
}

/* Fills a range of the disk with pattern 1. Return: 0 or -errno. */
static int fill_disk(FIXTURE_DATA(disk) *self, uint64_t at, uint64_t length)
{
	vt_pattern_fill(self->map, 1, at, length);
	return cmb_write_disk(self->fd, self->map, length, at);
}

/* Various alignments in pages, and one or several NVMe commands. */
static const struct {
	uint64_t offset;	/* in the mapping; a multiple of 4 */
	uint64_t blocks;
} transfers[] = {
	{ 0, 1 }, { 4, 1 }, { 4092, 1 }, { 0, 2 }, { 0, 8 }, { 2048, 8 }, { 0, 9 },
	{ 0, 16 }, { 512, 16 }, { 4, 17 }, { 4092, 100 }, { 0, 1024 }, { 4, 1024 },
	{ 0, 1025 }, { 1028, 2049 }, { 4092, 5000 },
};

#define NUM_TRANSFERS (sizeof(transfers) / sizeof(transfers[0]))

/*
 * Writes each range to another part of the disk, between two guard blocks, and
 * reads it back with the guards to another address.
 */
TEST_F_TIMEOUT(disk, unaligned_transfers, 120)
{
	uint64_t block = variant->block, at = 8 * block, length, n;

	for (n = 0; n < NUM_TRANSFERS; n++) {
		uint64_t offset = transfers[n].offset;

		length = transfers[n].blocks * block;
		if (offset + length + 2 * block > variant->length)
			continue;
		ASSERT_EQ(0, fill_disk(self, at - block, length + 2 * block));
		vt_pattern_fill(self->map + offset, 10 + n, 0, length);
		ASSERT_EQ(0, cmb_write_disk(self->fd, self->map + offset, length,
					    at));

		memset(self->map, 0x5a, variant->length);
		ASSERT_EQ(0, cmb_read_disk(self->fd, self->map + offset,
					   length + 2 * block, at - block));
		memset(self->want, 0x5a, variant->length);
		vt_pattern_fill(self->want + offset, 1, at - block, block);
		vt_pattern_fill(self->want + offset + block, 10 + n, 0, length);
		vt_pattern_fill(self->want + offset + block + length, 1,
				at + length, block);
		EXPECT_EQ(-1, vt_first_diff(self->map, self->want,
					    variant->length))
			TH_LOG("transfer %llu", (unsigned long long)n);
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

/* ---- invalid requests ------------------------------------------------- */

static int drop_cap_sys_rawio(void)
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

TEST_F(disk, invalid_ranges)
{
	uint64_t block = variant->block, end = variant->disk;
	int fd = self->fd;
	uint8_t *map = self->map, *other;
	void *anon = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
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

	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, anon, block, 0));
	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, NULL, block, 0));
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, map + variant->length - block,
					  2 * block, 0));
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, map, -block, 0));
	/* Two allocations with adjacent addresses are not one range. */
	ASSERT_EQ(0, munmap(map + variant->length - PAGE, PAGE));
	other = mmap(map + variant->length - PAGE, PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_EQ(map + variant->length - PAGE, other);
	EXPECT_EQ(-EFAULT, cmb_write_disk(fd, other - block, 2 * block, 0));
	EXPECT_EQ(0, cmb_write_disk(fd, other, block, 0));
}

TEST_F(disk, permissions)
{
	uint64_t block = variant->block;
	int fd;

	/* Reading from the disk needs a writable mapping. */
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

	ASSERT_EQ(0, drop_cap_sys_rawio());
	EXPECT_EQ(-EPERM, cmb_write_disk(self->fd, self->map, block, 0));
	EXPECT_EQ(-EPERM, cmb_read_disk(self->fd, self->map, block, 0));
}

TEST_F(disk, memory_of_another_device)
{
	enum cmb_controller which = CMB_NO_DISK;
	int fd;

	ASSERT_EQ(0, cmb_bind(which, "peer_cmb"));
	fd = cmb_open(which, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(-ENXIO, cmb_write_disk(fd, self->map, variant->block, 0));
	close(fd);
}

/* Opens a controller and maps 1 MiB of it. Return: a descriptor or -errno. */
static int open_mapped(enum cmb_controller which, uint8_t **map)
{
	int ret = cmb_load();

	if (!ret)
		ret = cmb_bind(which, "peer_cmb");
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
	/* The memory works without a disk. */
	memset(map, 7, MIB);
	EXPECT_EQ(7, map[MIB - 1]);
}

TEST(no_buffer)
{
	ASSERT_EQ(0, cmb_load());
	EXPECT_EQ(-ENODEV, cmb_bind(CMB_NONE, "peer_cmb"));
	EXPECT_EQ(0, cmb_bind(CMB_NONE, NULL));
}

/* Block of the old controller's disk that cannot be read or written. */
#define BAD_BLOCK (7 * MIB)

TEST(medium_error)
{
	uint8_t *map;
	int fd = open_mapped(CMB_OLD, &map);

	ASSERT_LE(0, fd);
	EXPECT_EQ(-EIO, cmb_write_disk(fd, map, 4096, BAD_BLOCK));
	EXPECT_EQ(-EIO, cmb_read_disk(fd, map, 4096, BAD_BLOCK));
	/* Other blocks still work. */
	EXPECT_EQ(0, cmb_write_disk(fd, map, 4096, BAD_BLOCK + 4096));
	EXPECT_EQ(0, cmb_read_disk(fd, map, 4096, BAD_BLOCK + 4096));
}

/* ---- the same disk with the kernel's driver --------------------------- */

static void *alloc_pages(size_t length)
{
	return mmap(NULL, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* Each driver reads what the other one has written. */
TEST_F_TIMEOUT(disk, kernel_driver_agrees, 120)
{
	size_t length = variant->length / 2;
	void *buffer = alloc_pages(length);
	int nvme_fd;

	vt_pattern_fill(self->map, 5, 0, length);
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, 2 * MIB));
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, cmb_bind(variant->which, "nvme"));
	nvme_fd = cmb_open_disk(variant->which, O_RDWR | O_DIRECT);
	ASSERT_LE(0, nvme_fd);
	ASSERT_EQ(length, pread(nvme_fd, buffer, length, 2 * MIB));
	vt_pattern_fill(self->want, 5, 0, length);
	EXPECT_EQ(-1, vt_first_diff(buffer, self->want, length));

	vt_pattern_fill(buffer, 6, 0, length);
	ASSERT_EQ(length, pwrite(nvme_fd, buffer, length, 2 * MIB));
	ASSERT_EQ(0, close(nvme_fd));
	ASSERT_EQ(0, cmb_bind(variant->which, "peer_cmb"));
	self->fd = cmb_open(variant->which, O_RDWR);
	ASSERT_LE(0, self->fd);
	munmap(self->map, variant->length);
	self->map = cmb_map(self->fd, variant->length);
	ASSERT_NE(NULL, self->map);
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map, length, 2 * MIB));
	vt_pattern_fill(self->want, 6, 0, length);
	EXPECT_EQ(-1, vt_first_diff(self->map, self->want, length));
}

/* ---- processes that are killed during transfers ----------------------- */

/* Reads from the disk in a loop. Writes a byte to @started after the first read. */
static void read_until_killed(enum cmb_controller which, size_t length, int started)
{
	int fd = cmb_open(which, O_RDWR);
	void *map = fd < 0 ? NULL : cmb_map(fd, length);

	for (; map && !cmb_read_disk(fd, map, length, 0); started = -1)
		if (started >= 0 && write(started, "", 1) != 1)
			break;
	_exit(1);
}

/*
 * Kills two processes at a random time of their transfers. Their memory is freed
 * only after the controller has finished with it. The next mapping is zeroed, and
 * still is after another transfer.
 */
TEST_F_TIMEOUT(disk, killed_during_transfers, 120)
{
	size_t length = variant->length / 2;
	int round, n, started[2];
	pid_t pid[2];
	char byte;

	vt_pattern_fill(self->map, 8, 0, length);
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, 0));
	ASSERT_EQ(0, pipe(started));
	for (round = 0; round < 12; round++) {
		ASSERT_EQ(0, munmap(self->map, variant->length));
		for (n = 0; n < 2; n++) {
			pid[n] = fork();
			if (!pid[n])
				read_until_killed(variant->which, length,
						  started[1]);
		}
		for (n = 0; n < 2; n++)
			ASSERT_EQ(1, read(started[0], &byte, 1));
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
	close(started[0]);
	close(started[1]);
}

/* ---- RDMA and disk ---------------------------------------------------- */

TEST_F_TIMEOUT(disk, rdma_to_disk_and_back, 60)
{
	size_t length = variant->length / 2;
	struct vt_remote remote;
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
	remote = (struct vt_remote){ (uintptr_t)self->map, mr->rkey };
	sge = vt_sge(&host, 0, length);

	vt_buf_fill(&host, 9);
	ASSERT_EQ(0, vt_rdma_write(&pair.end[0], &sge, 1, remote));
	ASSERT_EQ(0, cmb_write_disk(self->fd, self->map, length, MIB * 4));
	memset(self->map, 0, length);
	ASSERT_EQ(0, cmb_read_disk(self->fd, self->map, length, MIB * 4));
	memset(host.mem.addr, 0, length);
	ASSERT_EQ(0, vt_rdma_read(&pair.end[0], &sge, 1, remote));
	EXPECT_EQ(0, vt_buf_check_all(&host));

	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_pair_close(&pair);
	vt_dev_close(&dev);
}

TEST_HARNESS_MAIN
