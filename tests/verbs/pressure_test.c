// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * More BOs than fit into VRAM; concurrent registrations, revocations and WRITEs.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define MIB (1024UL * 1024)

FIXTURE(pressure)
{
	struct vt_dev dev;
	struct vt_vram_info before;
	int mrs;
};

FIXTURE_SETUP(pressure)
{
	ASSERT_EQ(0, vt_vram_info(&self->before));
	self->mrs = vt_resource_count("mr");
	ASSERT_EQ(0, vt_dev_open(&self->dev));
}

FIXTURE_TEARDOWN(pressure)
{
	int64_t until = vt_now_ms() + 5000;
	struct vt_vram_info after;

	vt_dev_close(&self->dev);
	EXPECT_EQ(self->mrs, vt_resource_count("mr"));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
	/* The memory manager frees memory asynchronously. */
	do {
		ASSERT_EQ(0, vt_vram_info(&after));
	} while (after.objects != self->before.objects && vt_now_ms() < until);
	EXPECT_EQ(self->before.objects, after.objects);
	EXPECT_EQ(self->before.used, after.used);
	EXPECT_EQ(self->before.pinned, after.pinned);
	EXPECT_EQ(self->before.pinnable, after.pinnable);
	EXPECT_EQ(self->before.system_used, after.system_used);
}

/* ---- overcommit ---- */

#define BO_SIZE (16 * MIB)
#define BOS 64

/* Writes a unique word to the begin of every page of a BO. */
static int stamp(struct vt_mem *mem, unsigned int bo)
{
	static uint64_t chunk[MIB / sizeof(uint64_t)];
	size_t step = page_size();
	size_t offset, page;
	int ret = 0;

	for (offset = 0; !ret && offset < mem->length; offset += MIB) {
		for (page = 0; page < MIB; page += step)
			chunk[page / 8] = vt_pattern_word(bo, offset + page);
		ret = vt_mem_write(mem, offset, chunk, MIB);
	}
	return ret;
}

static int check_stamp(struct vt_mem *mem, unsigned int bo)
{
	static uint64_t chunk[MIB / sizeof(uint64_t)];
	size_t step = page_size();
	size_t offset, page;
	int ret;

	for (offset = 0; offset < mem->length; offset += MIB) {
		ret = vt_mem_read(mem, offset, chunk, MIB);
		if (ret)
			return ret;
		for (page = 0; page < MIB; page += step)
			if (chunk[page / 8] != vt_pattern_word(bo, offset + page))
				return -EILSEQ;
	}
	return 0;
}

/* Offset of the first block of a BO in the BAR. It does not change while pinned. */
static uint64_t bar_offset(struct vt_mem *mem)
{
	struct vt_block block;

	return vt_mem_blocks(mem, &block, 1) > 0 ? block.bar : UINT64_MAX;
}

/* Compares through the MR: that is the location at the registration. */
static int check_by_rdma(struct vt_dev *dev, struct vt_mem *mem,
			 struct ibv_mr *mr, unsigned int bo)
{
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_sge sge;
	size_t page;
	int ret;

	ret = vt_pair_open(&pair, dev, NULL);
	if (ret)
		return ret;
	ret = vt_buf_open(&host, dev, &vt_mem_host, 4096, NULL);
	if (ret)
		return ret;
	sge = vt_sge(&host, 0, 8);
	for (page = 0; !ret && page < mem->length; page += MIB) {
		struct vt_remote from = { (uintptr_t)mem->addr + page,
					  mr->rkey };

		ret = vt_rdma_read(&pair.end[0], &sge, 1, from);
		if (!ret && *(uint64_t *)host.mem.addr !=
			    vt_pattern_word(bo, page))
			ret = -EILSEQ;
	}
	vt_buf_close(&host);
	vt_pair_close(&pair);
	return ret;
}

/* BOs of 1 GiB in total with 256 MiB of VRAM. Every eighth BO is pinned. */
TEST_F_TIMEOUT(pressure, overcommit, 300)
{
	static struct vt_mem mem[BOS];
	static struct ibv_mr *mr[BOS];
	static uint64_t at[BOS];
	struct vt_vram_info info;
	int i, refused = 0;

	for (i = 0; i < BOS; i++) {
		ASSERT_EQ(0, vt_mem_alloc(&mem[i], &vt_mem_vram_named,
					  BO_SIZE, 0));
		ASSERT_EQ(0, stamp(&mem[i], i));
		if (i % 8)
			continue;
		mr[i] = ibv_reg_mr(self->dev.pd, mem[i].addr, BO_SIZE,
				   VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr[i]);
		at[i] = bar_offset(&mem[i]);
		EXPECT_NE(UINT64_MAX, at[i]);
	}
	ASSERT_EQ(0, vt_vram_info(&info));
	EXPECT_LE(self->before.pinned + BOS / 8 * BO_SIZE, info.pinned);
	EXPECT_GE(info.size, info.used);
	EXPECT_LT(0, info.system_used);

	for (i = 0; i < BOS; i++)
		EXPECT_EQ(0, check_stamp(&mem[i], i)) {
			TH_LOG("BO %d", i);
		}
	for (i = 0; i < BOS; i += 8) {
		EXPECT_EQ(at[i], bar_offset(&mem[i]));
		EXPECT_EQ(0, check_by_rdma(&self->dev, &mem[i], mr[i], i));
	}

	/* Not all of them can be pinned. */
	for (i = 0; i < BOS; i++) {
		if (mr[i])
			continue;
		mr[i] = ibv_reg_mr(self->dev.pd, mem[i].addr, BO_SIZE,
				   VT_ACCESS_ALL);
		if (mr[i])
			continue;
		EXPECT_TRUE(errno == ENOSPC || errno == ENOMEM) {
			TH_LOG("errno %d", errno);
		}
		refused++;
	}
	EXPECT_LE(BOS - (int)(self->before.size / BO_SIZE), refused);
	for (i = 0; i < BOS; i++)
		EXPECT_EQ(0, check_stamp(&mem[i], i)) {
			TH_LOG("BO %d", i);
		}
	for (i = 0; i < BOS; i++) {
		if (mr[i])
			EXPECT_EQ(0, ibv_dereg_mr(mr[i]));
		vt_mem_free(&mem[i]);
	}
}

/* A registration that fails does not reduce the amount that can be pinned. */
TEST_F_TIMEOUT(pressure, pin_limit, 120)
{
	struct vt_vram_info before, after;
	struct ibv_mr *mr;
	struct vt_mem mem;
	int i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_named,
				  self->before.size, 0));
	ASSERT_EQ(0, vt_vram_info(&before));
	for (i = 0; i < 3; i++) {
		mr = ibv_reg_mr(self->dev.pd, mem.addr, mem.length,
				VT_ACCESS_ALL);
		if (mr) {
			/* All of the VRAM may be pinned. */
			EXPECT_LE(mem.length, before.pinnable);
			EXPECT_EQ(0, ibv_dereg_mr(mr));
		} else {
			EXPECT_TRUE(errno == ENOSPC || errno == ENOMEM);
			EXPECT_GT(mem.length, before.pinnable);
		}
	}
	ASSERT_EQ(0, vt_vram_info(&after));
	EXPECT_EQ(before.pinnable, after.pinnable);
	EXPECT_EQ(before.pinned, after.pinned);
	vt_mem_free(&mem);
}

/* ---- storms ---- */

#define STORM_SIZE (256 * 1024)
#define STORM_MS 4000

struct storm {
	struct vt_dev *dev;
	struct vt_mem mem;
	atomic_ulong target; /* rkey of the newest region */
	atomic_bool stop;
	atomic_int rounds[3];
	atomic_int broken;
	int pace; /* factor for pauses, so that a WRITE can complete in one */
};

static void storm_pause(struct storm *storm, int max_us)
{
	usleep(rand() % (max_us * storm->pace));
}

static void *storm_register(void *arg)
{
	struct storm *storm = arg;
	struct ibv_mr *mr;

	while (!storm->stop) {
		mr = ibv_reg_mr(storm->dev->pd, storm->mem.addr, STORM_SIZE,
				VT_ACCESS_ALL);
		/* Revoked before the registration was complete. */
		if (!mr) {
			if (errno != EFAULT && errno != ENODEV)
				storm->broken = errno;
			continue;
		}
		storm->target = mr->rkey;
		storm_pause(storm, 2000);
		if (ibv_dereg_mr(mr))
			storm->broken = 1001;
		storm->rounds[0]++;
	}
	return NULL;
}

static void *storm_revoke(void *arg)
{
	struct storm *storm = arg;

	while (!storm->stop) {
		if (vt_mem_revoke(&storm->mem))
			storm->broken = 1002;
		storm_pause(storm, 3000);
		storm->rounds[1]++;
	}
	return NULL;
}

/* A WRITE succeeds, or fails because the MR is revoked or gone. */
static void *storm_write(void *arg)
{
	struct storm *storm = arg;
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_sge sge;
	int status;

	if (vt_pair_open(&pair, storm->dev, NULL) ||
	    vt_buf_open(&host, storm->dev, &vt_mem_host, STORM_SIZE, NULL)) {
		storm->broken = 1003;
		return NULL;
	}
	/* Short enough to complete before the next revocation. */
	sge = vt_sge(&host, 0, vt_slow_kernel() ? 4096 : STORM_SIZE);
	while (!storm->stop) {
		struct vt_remote to = { (uintptr_t)storm->mem.addr,
					storm->target };

		status = vt_rdma_write(&pair.end[0], &sge, 1, to);
		if (!status)
			storm->rounds[2]++;
		else if (status != IBV_WC_REM_ACCESS_ERR ||
			 vt_pair_renew(&pair))
			storm->broken = 2000 + status;
	}
	vt_buf_close(&host);
	vt_pair_close(&pair);
	return NULL;
}

static bool storm_is_enough(const struct storm *storm, bool writes)
{
	return storm->rounds[0] > 10 && storm->rounds[1] > 10 &&
	       (!writes || storm->rounds[2]);
}

static void run_storm(struct __test_metadata *_metadata, struct vt_dev *dev,
		      void *(*const roles[])(void *), int num)
{
	static struct storm storm;
	bool writes = roles[num - 1] == storm_write;
	int64_t until = vt_now_ms() + 30000;
	pthread_t thread[4];
	int i;

	storm.dev = dev;
	storm.pace = vt_slow_kernel() ? 50 : 1;
	ASSERT_EQ(0, vt_mem_alloc(&storm.mem, &vt_mem_vram_named, STORM_SIZE,
				  0));
	for (i = 0; i < num; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, roles[i],
					    &storm));
	usleep(STORM_MS * 1000);
	while (!storm_is_enough(&storm, writes) && vt_now_ms() < until)
		usleep(100000);
	storm.stop = true;
	for (i = 0; i < num; i++)
		pthread_join(thread[i], NULL);
	vt_mem_free(&storm.mem);
	EXPECT_EQ(0, storm.broken);
	TH_LOG("%d registrations, %d revocations, %d WRITEs", storm.rounds[0],
	       storm.rounds[1], storm.rounds[2]);
	EXPECT_TRUE(storm_is_enough(&storm, writes));
}

TEST_F_TIMEOUT(pressure, register_against_revoke, 60)
{
	void *(*const roles[])(void *) = { storm_register, storm_revoke };

	run_storm(_metadata, &self->dev, roles, 2);
}

TEST_F_TIMEOUT(pressure, register_revoke_write, 60)
{
	void *(*const roles[])(void *) = {
		storm_register, storm_revoke, storm_write,
	};

	run_storm(_metadata, &self->dev, roles, 3);
}

TEST_F_TIMEOUT(pressure, two_register_revoke_write, 60)
{
	void *(*const roles[])(void *) = {
		storm_register, storm_register, storm_revoke, storm_write,
	};

	run_storm(_metadata, &self->dev, roles, 4);
}

TEST_HARNESS_MAIN
