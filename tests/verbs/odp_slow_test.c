// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults that take five seconds. A queue pair with ordinary attributes (timeout 14,
 * retry_cnt 7, rnr_retry 7) must survive them on either side, and other queue pairs
 * must not be delayed. The memory is that of a test client; a module parameter delays
 * its get_pages().
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "lib/access_ops.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define SIZE (64 * 1024)
#define SLOW_MS 5000
#define DELAY "/sys/module/peerdirect_test/parameters/delay_ms"

static const struct vt_part part = { .here = 100, .there = 4000, .length = 20000 };

static int set_delay(int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ms);
	return vt_write_file(DELAY, text);
}

/* All operations at the same time. Each has its own link, whose memory there is slow. */
struct all_ops {
	struct vt_link links[VT_NUM_ACCESS_OPS];
	struct vt_access_run runs[VT_NUM_ACCESS_OPS];
};

static int all_open(struct all_ops *all, const struct vt_part *what,
		    const struct vt_pair_opts *opts)
{
	struct vt_pair_opts own = *opts;
	int i, ret = 0;

	for (i = 0; i < VT_NUM_ACCESS_OPS && !ret; i++) {
		own.srq = vt_access_ops[i].srq;
		ret = vt_link_open(&all->links[i], &vt_mem_peerdirect, SIZE,
				   VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND, &own);
		all->runs[i] = (struct vt_access_run){
			.op = &vt_access_ops[i], .link = &all->links[i], .part = *what,
		};
	}
	return ret;
}

static int all_close(struct all_ops *all)
{
	int i, ret = 0;

	for (i = 0; i < VT_NUM_ACCESS_OPS; i++)
		ret = vt_link_close(&all->links[i]) ?: ret;
	return ret;
}

static int all_start(struct all_ops *all)
{
	int i, ret = 0;

	for (i = 0; i < VT_NUM_ACCESS_OPS && !ret; i++)
		ret = vt_access_start(&all->runs[i]);
	return ret;
}

static bool all_done(struct all_ops *all)
{
	int i;

	for (i = 0; i < VT_NUM_ACCESS_OPS; i++)
		if (!vt_access_done(&all->runs[i], 0))
			return false;
	return true;
}

/* Each operation has waited for its fault, which took at least @slow_ms, and succeeded. */
static void all_end(struct __test_metadata *_metadata, struct all_ops *all, int slow_ms)
{
	struct vt_access_run *run;

	for (run = all->runs; run < all->runs + VT_NUM_ACCESS_OPS; run++) {
		EXPECT_EQ(0, vt_access_end(run))
			TH_LOG("%s", run->op->name);
		TH_LOG("%s: %lld ms", run->op->name, (long long)run->took_ms);
		EXPECT_LE(slow_ms, run->took_ms);
	}
}

FIXTURE(slow)
{
	struct all_ops all;
	VT_LINK;	/* fast on both sides */
};

FIXTURE_SETUP(slow)
{
	const struct vt_pair_opts opts = { 0 };

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, all_open(&self->all, &part, &opts));
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, SIZE, 0, NULL));
	ASSERT_EQ(0, set_delay(SLOW_MS));
}

FIXTURE_TEARDOWN(slow)
{
	set_delay(0);
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, all_close(&self->all));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

/* The operations do not delay each other or other links. */
TEST_F_TIMEOUT(slow, survive_without_delaying_others, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);
	unsigned int meanwhile = 0;

	ASSERT_EQ(0, all_start(&self->all));
	while (!all_done(&self->all)) {
		ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
					   vt_remote(&self->there, 20000)));
		meanwhile++;
	}
	all_end(_metadata, &self->all, SLOW_MS);
	TH_LOG("%u operations meanwhile", meanwhile);
	EXPECT_LT(100, meanwhile);
}

/*
 * A requester with few retries keeps its connection: the responder sends an RNR NAK
 * for each attempt, and the ACK timeout does not run while the requester waits for the
 * RNR timer.
 */
FIXTURE(few_retries)
{
	struct all_ops all;
};

FIXTURE_VARIANT(few_retries)
{
	struct vt_pair_opts opts;
};

FIXTURE_VARIANT_ADD(few_retries, one)
{
	.opts = { .retries = 1, .timeout = 18 },
};

/* The RNR timer is 0.5 s, the ACK timeout 0.3 s. */
FIXTURE_VARIANT_ADD(few_retries, wait_is_longer_than_timeout)
{
	.opts = { .retries = 3, .timeout = 16, .rnr_timer = 31 },
};

#define LONGER_MS 3000

FIXTURE_SETUP(few_retries)
{
	const struct vt_part one_packet = { 100, 4000, 1000 };

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, all_open(&self->all, &one_packet, &variant->opts));
	ASSERT_EQ(0, set_delay(LONGER_MS));
}

FIXTURE_TEARDOWN(few_retries)
{
	set_delay(0);
	EXPECT_EQ(0, all_close(&self->all));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

TEST_F_TIMEOUT(few_retries, rnr_naks_use_no_retry, 120)
{
	long naks = vt_port_counter("out_of_seq_request");

	ASSERT_LE(0, naks);
	ASSERT_EQ(0, all_start(&self->all));
	all_end(_metadata, &self->all, LONGER_MS);
	/* Neither do packets that follow the one that was not ready. */
	EXPECT_EQ(naks, vt_port_counter("out_of_seq_request"));
}

/*
 * A READ that is in progress when it reaches the slow part. That is after the first
 * 2 MiB, which the responder faults in before it begins.
 */
#define EARLY (2 * 1024 * 1024)

FIXTURE(slow_end)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *addr;
	struct ibv_mr *mr;
};

FIXTURE_SETUP(slow_end)
{
	struct vt_pair_opts pair = { .mtu = IBV_MTU_4096, .timeout = 14 };
	void *slow;
	int fd;

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host,
				 EARLY + SIZE, NULL));
	self->addr = mmap(NULL, EARLY + SIZE, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->addr);
	fd = open("/dev/peer_test_mem", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	slow = mmap(self->addr + EARLY, SIZE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, fd, 0);
	ASSERT_EQ(self->addr + EARLY, slow);
	close(fd);
	self->mr = ibv_reg_mr(self->dev.pd, self->addr, EARLY + SIZE,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
	ASSERT_EQ(0, set_delay(SLOW_MS));
}

FIXTURE_TEARDOWN(slow_end)
{
	set_delay(0);
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, EARLY + SIZE);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

TEST_F_TIMEOUT(slow_end, read_survives, 60)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, EARLY + SIZE);
	struct vt_remote from = {
		.addr = (uintptr_t)self->addr,
		.rkey = self->mr->rkey,
	};
	int64_t start = vt_now_ms();

	vt_pattern_fill(self->local.shadow, 7, 0, EARLY + SIZE);
	memcpy(self->addr, self->local.shadow, EARLY + SIZE);
	EXPECT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1, from));
	EXPECT_LE(SLOW_MS, vt_now_ms() - start);
	TH_LOG("%lld ms", (long long)(vt_now_ms() - start));
	EXPECT_EQ(0, vt_buf_check_all(&self->local));
}

TEST_HARNESS_MAIN
