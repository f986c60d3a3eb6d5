// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs over files of a real file system, in $TMPDIR. Data that a remote peer
 * writes into a shared mapping gets into the file as if the CPU had written it, even
 * if the file system continuously writes pages back and write-protects them for that.
 * The data is on the disk after the page cache was dropped.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define SIZE (1024 * 1024)
#define STEPS 600

FIXTURE(file)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	char path[256];
	int fd;
	uint8_t *addr;
	uint8_t *shadow;
	struct ibv_mr *mr;
	pthread_t syncer;
	bool syncing;
	atomic_bool stop;
	atomic_ulong syncs;
};

FIXTURE_SETUP(file)
{
	struct vt_pair_opts pair = { 0 };

	snprintf(self->path, sizeof(self->path), "%s/file",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	vt_buf_fill(&self->local, 1);
	self->fd = open(self->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
			0600);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	self->shadow = calloc(1, SIZE);
	ASSERT_NE(NULL, self->shadow);
	self->addr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED,
			  self->fd, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->addr);
	self->mr = ibv_reg_mr(self->dev.pd, self->addr, SIZE,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
}

static void sync_stop(FIXTURE_DATA(file) *self)
{
	atomic_store(&self->stop, true);
	if (self->syncing)
		pthread_join(self->syncer, NULL);
	self->syncing = false;
}

FIXTURE_TEARDOWN(file)
{
	sync_stop(self);
	if (self->mr)
		EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, SIZE);
	close(self->fd);
	unlink(self->path);
	free(self->shadow);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
}

static void *sync_run(void *arg)
{
	FIXTURE_DATA(file) *self = arg;

	while (!atomic_load(&self->stop)) {
		fdatasync(self->fd);
		atomic_fetch_add(&self->syncs, 1);
	}
	return NULL;
}

static int write_step(FIXTURE_DATA(file) *self, uint64_t step)
{
	uint64_t r = vt_pattern_word(9, step);
	uint32_t length = r % 12000 + 1;
	uint64_t here = (r >> 16) % (SIZE - length);
	uint64_t there = (r >> 32) % (SIZE - length);
	struct ibv_sge sge = vt_sge(&self->local, here, length);
	struct vt_remote to = {
		.addr = (uintptr_t)self->addr + there,
		.rkey = self->mr->rkey,
	};

	memcpy(self->shadow + there, self->local.shadow + here, length);
	return vt_rdma_write(&self->pair.end[0], &sge, 1, to);
}

/* Unmaps the file, drops the page cache, and compares what is on the disk. */
static int check_disk(FIXTURE_DATA(file) *self)
{
	uint8_t *have = malloc(SIZE);
	int ret = -ENOMEM;

	if (!have)
		return ret;
	munmap(self->addr, SIZE);
	fsync(self->fd);
	ret = vt_write_file("/proc/sys/vm/drop_caches", "3");
	if (!ret && pread(self->fd, have, SIZE, 0) != SIZE)
		ret = -EIO;
	if (!ret && vt_first_diff(have, self->shadow, SIZE) >= 0)
		ret = -EILSEQ;
	free(have);
	return ret;
}

TEST_F_TIMEOUT(file, writeback_under_traffic, 120)
{
	uint64_t step;

	ASSERT_EQ(0, pthread_create(&self->syncer, NULL, sync_run, self));
	self->syncing = true;
	for (step = 0; step < STEPS; step++)
		ASSERT_EQ(0, write_step(self, step));
	sync_stop(self);
	TH_LOG("%d WRITEs, %lu calls of fdatasync()", STEPS,
	       atomic_load(&self->syncs));
	EXPECT_LT(10, atomic_load(&self->syncs));
	EXPECT_EQ(-1, vt_first_diff(self->addr, self->shadow, SIZE));
	EXPECT_EQ(0, check_disk(self));
}

/* Pages beyond the end of a truncated file cannot be accessed. */
TEST_F_TIMEOUT(file, truncated, 60)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, 8192);
	struct vt_remote to = {
		.addr = (uintptr_t)self->addr + SIZE / 2,
		.rkey = self->mr->rkey,
	};

	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, to));
	ASSERT_EQ(0, ftruncate(self->fd, SIZE / 2));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, to));

	/* After extending the file the pages are accessible, and zero. */
	ASSERT_EQ(0, ftruncate(self->fd, SIZE));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1, to));
	memset(self->local.shadow, 0, 8192);
	EXPECT_EQ(0, vt_buf_check(&self->local, 0, 8192));
}

TEST_HARNESS_MAIN
