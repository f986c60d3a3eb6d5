// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults that take five seconds. A queue pair with ordinary attributes (timeout
 * 14, retry_cnt 7, rnr_retry 7) must survive them on either side, and others must
 * go on meanwhile. The owner of the memory is a test client whose get_pages()
 * takes as long as it is told.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define SIZE (64 * 1024)
#define SLOW_MS 5000
#define DELAY "/sys/module/peerdirect_test/parameters/delay_ms"

/* An operation on a link whose memory is fast here, slow there. */
struct slow_op {
	const char *name;
	int (*run)(struct vt_pair *pair, struct vt_buf *fast,
		   struct vt_buf *slow);
	bool srq;
	struct vt_link link;
	pthread_t thread;
	int status;
	int64_t took_ms;
};

static int copied(struct vt_buf *to, uint64_t there, struct vt_buf *from,
		  uint64_t here, uint32_t length)
{
	memcpy(to->shadow + there, from->shadow + here, length);
	return vt_buf_check(to, there, length);
}

/* The responder's pages are missing. */
static int write_to(struct vt_pair *pair, struct vt_buf *fast,
		    struct vt_buf *slow)
{
	struct ibv_sge sge = vt_sge(fast, 100, 20000);
	int ret = vt_rdma_write(&pair->end[0], &sge, 1, vt_remote(slow, 4000));

	return ret ? ret : copied(slow, 4000, fast, 100, 20000);
}

static int read_from(struct vt_pair *pair, struct vt_buf *fast,
		     struct vt_buf *slow)
{
	struct ibv_sge sge = vt_sge(fast, 100, 20000);
	int ret = vt_rdma_read(&pair->end[0], &sge, 1, vt_remote(slow, 4000));

	return ret ? ret : copied(fast, 100, slow, 4000, 20000);
}

static int receive_into(struct vt_pair *pair, struct vt_buf *fast,
			struct vt_buf *slow)
{
	struct ibv_sge from = vt_sge(fast, 100, 20000);
	struct ibv_sge to = vt_sge(slow, 4000, 20000);
	struct ibv_wc wc;
	int ret = vt_send_recv(pair, &from, 1, &to, 1, &wc);

	return ret ? ret : copied(slow, 4000, fast, 100, 20000);
}

static int add_to(struct vt_pair *pair, struct vt_buf *fast,
		  struct vt_buf *slow)
{
	struct ibv_sge result = vt_sge(fast, 0, 8);
	uint64_t *word = (uint64_t *)(slow->shadow + 8);
	int ret = vt_fetch_add(&pair->end[0], &result, vt_remote(slow, 8), 3);

	*word += 3;
	return ret ? ret : vt_buf_check(slow, 8, 8);
}

static int store_to(struct vt_pair *pair, struct vt_buf *fast,
		    struct vt_buf *slow)
{
	uint64_t value = 0x0123456789abcdefULL;
	int ret = vt_atomic_write(&pair->end[0], vt_remote(slow, 8), value);

	memcpy(slow->shadow + 8, &value, sizeof(value));
	return ret ? ret : vt_buf_check(slow, 8, 8);
}

/* It needs no pages, but was on its way behind an operation that does. */
static int flush_behind(struct vt_pair *pair, struct vt_buf *fast,
			struct vt_buf *slow)
{
	struct vt_remote to = vt_remote(slow, 4000);
	struct ibv_sge sge = vt_sge(fast, 100, 20000);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { to.addr, to.rkey },
	};
	struct ibv_wc wc = { 0 };
	int ret = vt_post_send(&pair->end[0], &wr);

	/* Two completions: the first that it sees is that of the WRITE. */
	if (!ret)
		ret = vt_flush(&pair->end[0], to, 20000, VT_FLUSH_GLOBAL);
	if (!ret)
		ret = vt_wait(&pair->end[0], &wc, VT_TIMEOUT_MS);
	if (!ret)
		ret = wc.status;
	return ret ? ret : copied(slow, 4000, fast, 100, 20000);
}

/* The requester's are. */
static int write_from(struct vt_pair *pair, struct vt_buf *fast,
		      struct vt_buf *slow)
{
	struct ibv_sge sge = vt_sge(slow, 100, 20000);
	int ret = vt_rdma_write(&pair->end[0], &sge, 1, vt_remote(fast, 4000));

	return ret ? ret : copied(fast, 4000, slow, 100, 20000);
}

static int read_to(struct vt_pair *pair, struct vt_buf *fast,
		   struct vt_buf *slow)
{
	struct ibv_sge sge = vt_sge(slow, 100, 20000);
	int ret = vt_rdma_read(&pair->end[0], &sge, 1, vt_remote(fast, 4000));

	return ret ? ret : copied(slow, 100, fast, 4000, 20000);
}

#define SLOW_OP(function)	{ .name = #function, .run = function }

static const struct slow_op slow_ops[] = {
	SLOW_OP(write_to), SLOW_OP(read_from), SLOW_OP(add_to),
	SLOW_OP(store_to), SLOW_OP(flush_behind), SLOW_OP(write_from),
	SLOW_OP(read_to),
	{ .name = "receive_into", .run = receive_into, .srq = true },
};

#define NR_SLOW_OPS	(sizeof(slow_ops) / sizeof(slow_ops[0]))

static int set_delay(int ms)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", ms);
	return vt_write_file(DELAY, text);
}

FIXTURE(slow)
{
	struct slow_op ops[NR_SLOW_OPS];
	VT_LINK;	/* fast on both sides */
};

FIXTURE_SETUP(slow)
{
	struct vt_pair_opts opts = { 0 };
	struct slow_op *op;

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	memcpy(self->ops, slow_ops, sizeof(slow_ops));
	for (op = self->ops; op < self->ops + NR_SLOW_OPS; op++) {
		opts.srq = op->srq;
		ASSERT_EQ(0, vt_link_open(&op->link, &vt_mem_peerdirect, SIZE,
					  VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND,
					  &opts));
	}
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, SIZE, 0, NULL));
	ASSERT_EQ(0, set_delay(SLOW_MS));
}

FIXTURE_TEARDOWN(slow)
{
	struct slow_op *op;

	set_delay(0);
	EXPECT_EQ(0, vt_link_close(&self->link));
	for (op = self->ops; op < self->ops + NR_SLOW_OPS; op++)
		EXPECT_EQ(0, vt_link_close(&op->link));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

static atomic_uint unfinished;

static void *run_operation(void *arg)
{
	struct slow_op *op = arg;
	struct vt_link *link = &op->link;
	int64_t start = vt_now_ms();

	op->status = op->run(&link->pair, &link->here, &link->there);
	op->took_ms = vt_now_ms() - start;
	atomic_fetch_sub(&unfinished, 1);
	return NULL;
}

/* All of them wait at the same time: neither do they delay each other. */
TEST_F_TIMEOUT(slow, survive_and_delay_nobody, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);
	unsigned int meanwhile = 0;
	struct slow_op *op;

	atomic_store(&unfinished, NR_SLOW_OPS);
	for (op = self->ops; op < self->ops + NR_SLOW_OPS; op++)
		ASSERT_EQ(0, pthread_create(&op->thread, NULL, run_operation,
					    op));
	while (atomic_load(&unfinished)) {
		ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
					   vt_remote(&self->there, 20000)));
		meanwhile++;
	}
	for (op = self->ops; op < self->ops + NR_SLOW_OPS; op++) {
		pthread_join(op->thread, NULL);
		TH_LOG("%s: %lld ms", op->name, (long long)op->took_ms);
		EXPECT_EQ(0, op->status);
		EXPECT_LE(SLOW_MS, op->took_ms);
	}
	TH_LOG("%u operations meanwhile", meanwhile);
	EXPECT_LT(100, meanwhile);
}

/*
 * A READ that is under way already when it comes to the slow part: behind the
 * first 2 MiB, which is what a responder prepares.
 */
#define EARLY (2 * 1024 * 1024)

FIXTURE(late)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *addr;
	struct ibv_mr *mr;
};

FIXTURE_SETUP(late)
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

FIXTURE_TEARDOWN(late)
{
	set_delay(0);
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, EARLY + SIZE);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

TEST_F_TIMEOUT(late, read_survives, 60)
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
