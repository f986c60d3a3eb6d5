// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A responder whose pages take long says "not ready" (RNR NAK) before it begins, of
 * each operation and each buffer of a receive; the device counts what its peer is
 * told. The owner of the memory is a test client whose get_pages() takes as long as
 * it is told.
 */
#include <kselftest_harness.h>

#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/proc.h"

#define SIZE 65536
#define SLOW_MS 700
#define DELAY "/sys/module/peerdirect_test/parameters/delay_ms"
#define TOLD "/sys/class/infiniband/rxe0/ports/1/hw_counters/rcvd_rnr_err"
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(not_ready)
{
	VT_LINK;	/* slow there */
	long told;
	int64_t begin;
};

FIXTURE_VARIANT(not_ready)
{
	bool srq;
};

FIXTURE_VARIANT_ADD(not_ready, queue) {};
FIXTURE_VARIANT_ADD(not_ready, shared_queue) { .srq = true };

static long times_told(void)
{
	FILE *in = fopen(TOLD, "re");
	long times = -1;

	if (in && fscanf(in, "%ld", &times) != 1)
		times = -1;
	if (in)
		fclose(in);
	return times;
}

FIXTURE_SETUP(not_ready)
{
	struct vt_pair_opts opts = { .srq = variant->srq };

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_peerdirect, SIZE, ACCESS,
				  &opts));
	ASSERT_EQ(0, vt_write_file(DELAY, "700"));
	self->told = times_told();
	ASSERT_LE(0, self->told);
	self->begin = vt_now_ms();
}

/* Each test has waited once. */
FIXTURE_TEARDOWN(not_ready)
{
	EXPECT_LE(SLOW_MS, vt_now_ms() - self->begin);
	EXPECT_LT(self->told, times_told());
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_write_file(DELAY, "0"));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_peerdirect));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

TEST_F_TIMEOUT(not_ready, write, 60)
{
	EXPECT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 4000,
				      &self->here, 100, 5000));
}

TEST_F_TIMEOUT(not_ready, read, 60)
{
	EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 100,
				     &self->there, 4000, 5000));
}

TEST_F_TIMEOUT(not_ready, atomic, 60)
{
	struct ibv_sge result = vt_sge(&self->here, 64, 8);
	uint64_t *word = (uint64_t *)(self->there.shadow + 4096);

	EXPECT_EQ(0, vt_fetch_add(&self->pair.end[0], &result,
				  vt_remote(&self->there, 4096), 5));
	memcpy(self->here.shadow + 64, word, 8);
	*word += 5;
}

TEST_F_TIMEOUT(not_ready, atomic_write, 60)
{
	uint64_t value = 0x123456789abcdef;

	EXPECT_EQ(0, vt_atomic_write(&self->pair.end[0],
				     vt_remote(&self->there, 4096), value));
	memcpy(self->there.shadow + 4096, &value, 8);
}

/* A SEND, by @num_to buffers of a receive, of which the shadows are the caller's. */
static void receive(struct __test_metadata *_metadata,
		    FIXTURE_DATA(not_ready) *self, uint32_t length,
		    struct ibv_sge *to, int num_to)
{
	struct ibv_sge from = vt_sge(&self->here, 1000, length);
	struct ibv_wc wc = { 0 };

	EXPECT_EQ(0, vt_send_recv(&self->pair, &from, 1, to, num_to, &wc));
	EXPECT_EQ(length, wc.byte_len);
}

TEST_F_TIMEOUT(not_ready, receive, 60)
{
	struct ibv_sge to = vt_sge(&self->there, 4000, 8000);

	receive(_metadata, self, 5000, &to, 1);
	memcpy(self->there.shadow + 4000, self->here.shadow + 1000, 5000);
}

/* The first bytes of the only packet go here, the others there. */
TEST_F_TIMEOUT(not_ready, second_buffer, 60)
{
	struct ibv_sge to[] = { vt_sge(&self->here, 9000, 300),
				vt_sge(&self->there, 4000, 4000) };

	receive(_metadata, self, 700, to, 2);
	memcpy(self->here.shadow + 9000, self->here.shadow + 1000, 300);
	memcpy(self->there.shadow + 4000, self->here.shadow + 1300, 400);
}

/* The buffer there begins with the third packet of a message. */
TEST_F_TIMEOUT(not_ready, later_packet, 60)
{
	struct ibv_sge to[] = { vt_sge(&self->here, 9000, 2048),
				vt_sge(&self->there, 4000, 4000) };

	receive(_metadata, self, 5000, to, 2);
	memcpy(self->here.shadow + 9000, self->here.shadow + 1000, 2048);
	memcpy(self->there.shadow + 4000, self->here.shadow + 3048, 2952);
	/* The next one has a receive of its own. */
	to[0] = vt_sge(&self->there, 20000, 8000);
	receive(_metadata, self, 5000, to, 1);
	memcpy(self->there.shadow + 20000, self->here.shadow + 1000, 5000);
}

static int fail(struct vt_end *end)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	return -ibv_modify_qp(end->qp, &attr, IBV_QP_STATE);
}

/*
 * The receive was taken for a SEND that shall come again, and the queue pair fails:
 * it completes with an error, once.
 */
TEST_F_TIMEOUT(not_ready, queue_pair_fails, 60)
{
	struct ibv_sge to = vt_sge(&self->there, 4000, 8000);
	struct ibv_sge from = vt_sge(&self->here, 1000, 5000);
	struct ibv_send_wr send = {
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &from,
		.num_sge = 1,
	};
	struct vt_end *end = self->pair.end;
	struct ibv_wc wc;

	ASSERT_EQ(0, vt_post_recv(&end[1], &to, 1));
	ASSERT_EQ(0, vt_post_send(&end[0], &send));
	while (times_told() == self->told)
		usleep(1000);
	ASSERT_EQ(0, fail(&end[0]));
	ASSERT_EQ(0, fail(&end[1]));
	ASSERT_EQ(0, vt_wait(&end[0], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
	ASSERT_EQ(0, vt_wait(&end[1], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
	EXPECT_NE(0, vt_wait(&end[1], &wc, SLOW_MS));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
}

TEST_HARNESS_MAIN
