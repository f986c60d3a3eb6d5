// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A controller bound to the kernel's nvme driver, on a kernel with P2PDMA. Memory
 * comes from the P2P pool of the controller, whose disk stays in use. The tests
 * run RDMA into that memory and transfers to the disk and back, unbind the driver
 * meanwhile, and check that RDMA to the kernel's own mapping of the pool fails.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../vram/vram.h"
#include "cmb.h"
#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/verbs.h"
#include "users.h"

#define DISK (64 * MIB)
#define LENGTH (1 * MIB)
#define MAX_MS 60000

FIXTURE(pool)
{
	int fd;
	int nvme;	/* block device of the disk */
	uint8_t *map;
	uint8_t *pages;
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_mr *mr;
	struct ibv_mr *on_demand;
};

/* Return: free bytes of the pool as reported in sysfs, 0 on error. */
static uint64_t pool_available(void)
{
	char path[256], text[32] = "";
	int fd;

	cmb_sysfs(CMB_LARGE, "p2pmem/available", path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		return 0;
	close(fd);
	return strtoull(text, NULL, 10);
}

static struct ibv_mr *reg_mr(struct ibv_pd *pd, void *addr, int access_flags)
{
	return ibv_reg_mr(pd, addr, LENGTH,
			  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			  IBV_ACCESS_REMOTE_WRITE | access_flags);
}

FIXTURE_SETUP(pool)
{
	ASSERT_EQ(0, cmb_load());
	ASSERT_EQ(0, cmb_bind(CMB_LARGE, "nvme"));
	self->nvme = cmb_open_disk(CMB_LARGE, O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->nvme);
	self->fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = cmb_map(self->fd, LENGTH);
	ASSERT_NE(NULL, self->map);
	self->pages = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->pages);
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->host, &self->dev, &vt_mem_host, LENGTH,
				 NULL));
	self->mr = reg_mr(self->dev.pd, self->map, 0);
	ASSERT_NE(NULL, self->mr);
	self->on_demand = reg_mr(self->dev.pd, self->map, IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->on_demand);
}

FIXTURE_TEARDOWN(pool)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	EXPECT_EQ(0, ibv_dereg_mr(self->on_demand));
	EXPECT_EQ(0, vt_buf_close(&self->host));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	munmap(self->map, LENGTH);
	close(self->fd);
	close(self->nvme);
}

static int rdma(FIXTURE_DATA(pool) *self, struct ibv_mr *mr, bool write)
{
	struct vt_remote remote = { (uintptr_t)self->map, mr->rkey };
	struct ibv_sge sge = vt_sge(&self->host, 0, LENGTH);

	return write ? vt_rdma_write(&self->pair.end[0], &sge, 1, remote) :
		       vt_rdma_read(&self->pair.end[0], &sge, 1, remote);
}

TEST_F(pool, accounting)
{
	uint64_t available = pool_available();
	struct peer_bar_info before, info;
	void *map;

	ASSERT_EQ(0, cmb_info(self->fd, &before));
	/* The driver may have its queues there. */
	EXPECT_GE(64 * MIB, before.total);
	EXPECT_LE(63 * MIB, before.total);
	EXPECT_EQ(before.total - LENGTH, before.available);

	map = cmb_map(self->fd, MIB);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(available - MIB, pool_available());
	ASSERT_EQ(0, cmb_info(self->fd, &info));
	EXPECT_EQ(before.available - MIB, info.available);
	ASSERT_EQ(0, munmap(map, MIB));
	EXPECT_EQ(available, pool_available());

	EXPECT_EQ(NULL, cmb_map(self->fd, before.available + PAGE));
	EXPECT_EQ(ENOSPC, errno);
	EXPECT_EQ(available, pool_available());
}

/*
 * Writes by RDMA, copies to the disk, checks the disk with pread(), and copies
 * everything back.
 */
static void copy_through_disk(struct __test_metadata *_metadata,
			      FIXTURE_DATA(pool) *self, struct ibv_mr *mr,
			     uint64_t offset)
{
	vt_buf_fill(&self->host, offset);
	ASSERT_EQ(0, rdma(self, mr, true));
	ASSERT_EQ(0, cmb_write_to(self->fd, self->nvme, self->map, LENGTH,
				  offset));
	ASSERT_EQ(LENGTH, pread(self->nvme, self->pages, LENGTH, offset));
	EXPECT_EQ(-1, vt_first_diff(self->pages, self->host.shadow, LENGTH));

	memset(self->map, 0, LENGTH);
	ASSERT_EQ(0, cmb_read_from(self->fd, self->nvme, self->map, LENGTH,
				   offset));
	memset(self->host.mem.addr, 0, LENGTH);
	ASSERT_EQ(0, rdma(self, mr, false));
	EXPECT_EQ(0, vt_buf_check_all(&self->host));
}

TEST_F_TIMEOUT(pool, rdma_to_disk_and_back, 120)
{
	copy_through_disk(_metadata, self, self->mr, 8 * MIB);
	copy_through_disk(_metadata, self, self->on_demand, 16 * MIB);
}

TEST_F(pool, invalid_requests)
{
	struct peer_cmb_disk disk;
	int other, cached, file;

	EXPECT_EQ(-ENOTTY, cmb_disk(self->fd, &disk));
	EXPECT_EQ(-EBADF, cmb_write_disk(self->fd, self->map, PAGE, 0));
	EXPECT_EQ(-ENOTBLK, cmb_write_to(self->fd, self->fd, self->map, PAGE, 0));
	EXPECT_EQ(-ERANGE, cmb_write_to(self->fd, self->nvme, self->map, PAGE,
					DISK));
	EXPECT_EQ(-ERANGE, cmb_read_from(self->fd, self->nvme, self->map,
					 2 * PAGE, DISK - PAGE));
	EXPECT_EQ(-ERANGE, cmb_read_from(self->fd, self->nvme, self->map, PAGE,
					 -PAGE));
	EXPECT_EQ(-EINVAL, cmb_write_to(self->fd, self->nvme, self->map, 100, 0));
	EXPECT_EQ(-EINVAL, cmb_write_to(self->fd, self->nvme, self->map, PAGE,
					100));

	cached = cmb_open_disk(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, cached);
	EXPECT_EQ(-EINVAL, cmb_write_to(self->fd, cached, self->map, PAGE, 0));
	close(cached);
	file = cmb_open_disk(CMB_LARGE, O_RDONLY | O_DIRECT);
	ASSERT_LE(0, file);
	EXPECT_EQ(-EBADF, cmb_write_to(self->fd, file, self->map, PAGE, 0));
	EXPECT_EQ(0, cmb_read_from(self->fd, file, self->map, PAGE, 0));
	close(file);

	/* A disk that P2PDMA does not support. */
	other = open("/dev/loop0", O_RDWR | O_DIRECT | O_CLOEXEC);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EOPNOTSUPP, cmb_write_to(self->fd, other, self->map, PAGE, 0));
	close(other);

	/* P2PDMA does not allow DMA through this host bridge. */
	ASSERT_EQ(0, cmb_bind(CMB_OLD, "nvme"));
	other = cmb_open_disk(CMB_OLD, O_RDWR | O_DIRECT);
	ASSERT_LE(0, other);
	EXPECT_EQ(-EREMOTEIO, cmb_write_to(self->fd, other, self->map, PAGE, 0));
	close(other);
}

/* ---- unbinding -------------------------------------------------------- */

static int use_rdma(void *what)
{
	FIXTURE_DATA(pool) *pool = what;

	return rdma(pool, pool->mr, true);
}

static int use_disk(void *what)
{
	FIXTURE_DATA(pool) *pool = what;

	return cmb_write_to(pool->fd, pool->nvme, pool->map, LENGTH, 0);
}

TEST_F_TIMEOUT(pool, driver_unbound, 180)
{
	struct user users[] = {
		{ .use = use_rdma, .what = self },
		{ .use = use_disk, .what = self },
	};
	int64_t start;
	int fd;

	ASSERT_EQ(0, users_start(users, 2, MAX_MS));
	start = vt_now_ms();
	ASSERT_EQ(0, cmb_bind(CMB_LARGE, NULL));
	EXPECT_GT(MAX_MS, vt_now_ms() - start);
	ASSERT_EQ(0, users_join(users, 2));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, users[0].last);
	EXPECT_EQ(-ENODEV, users[1].last);
	EXPECT_EQ(SIGBUS, touch_read(self->map));
	EXPECT_EQ(NULL, cmb_map(self->fd, PAGE));
	EXPECT_EQ(ENODEV, errno);
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, rdma(self, self->on_demand, true));

	/* Bind peer_cmb, then the kernel's driver again. */
	ASSERT_EQ(0, cmb_bind(CMB_LARGE, "peer_cmb"));
	ASSERT_EQ(0, cmb_bind(CMB_LARGE, "nvme"));
	fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_NE(NULL, cmb_map(fd, MIB));
	EXPECT_EQ(SIGBUS, touch_read(self->map));
}

/* ---- the kernel's own mapping of the pool ----------------------------- */

TEST_F(pool, p2pdma_mapping)
{
	struct vt_remote remote;
	struct ibv_sge sge = vt_sge(&self->host, 0, PAGE);
	struct ibv_mr *mr;
	char path[256];
	void *map;
	int fd;

	cmb_sysfs(CMB_LARGE, "p2pmem/allocate", path, sizeof(path));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	map = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	/* Direct I/O from such pages works upstream since 6.2. */
	vt_pattern_fill(map, 4, 0, LENGTH);
	EXPECT_EQ(LENGTH, pwrite(self->nvme, map, LENGTH, 32 * MIB));
	ASSERT_EQ(LENGTH, pread(self->nvme, self->pages, LENGTH, 32 * MIB));
	EXPECT_EQ(0, memcmp(self->pages, map, LENGTH));

	/* RDMA fails: P2PDMA pages allow neither long-term pins nor CPU copies. */
	EXPECT_EQ(NULL, reg_mr(self->dev.pd, map, 0));
	mr = reg_mr(self->dev.pd, map, IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	remote = (struct vt_remote){ (uintptr_t)map, mr->rkey };
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, remote));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(map, LENGTH);
	close(fd);
}

TEST_HARNESS_MAIN
