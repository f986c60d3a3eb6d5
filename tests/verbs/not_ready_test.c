// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A responder whose pages take long sends an RNR NAK before it executes the request:
 * for each operation, and for each buffer of a receive. The device of the requester
 * counts the RNR NAKs. The memory is that of a test client; a module parameter delays
 * its get_pages().
 */
#include <kselftest_harness.h>

#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/proc.h"

#define SIZE 65536
#define SLOW_MS 700
#define DELAY "/sys/module/peerdirect_test/parameters/delay_ms"
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(not_ready)
{
	VT_LINK;	/* the memory there is slow */
	long rnr_naks;
	int64_t begin;
};

FIXTURE_VARIANT(not_ready)
{
	bool srq;
};

FIXTURE_VARIANT_ADD(not_ready, queue) {};
FIXTURE_VARIANT_ADD(not_ready, shared_queue) { .srq = true };

static long count_rnr_naks(void)
{
	return vt_port_counter("rcvd_rnr_err");
}

FIXTURE_SETUP(not_ready)
{
	struct vt_pair_opts opts = { .srq = variant->srq };

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_peerdirect, SIZE, ACCESS,
				  &opts));
	ASSERT_EQ(0, vt_write_file(DELAY, "700"));
	self->rnr_naks = count_rnr_naks();
	ASSERT_LE(0, self->rnr_naks);
	self->begin = vt_now_ms();
}

/* Each test must have waited for get_pages(), and have received an RNR NAK. */
FIXTURE_TEARDOWN(not_ready)
{
	/* Half: msleep() counts ticks, and a busy emulator delivers them late. */
	EXPECT_LE(SLOW_MS / 2, vt_now_ms() - self->begin);
	EXPECT_LT(self->rnr_naks, count_rnr_naks());
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

/* A SEND into a receive with @num_to buffers. The caller updates their shadows. */
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

/* The first bytes of a single packet go to the buffer here, the others there. */
TEST_F_TIMEOUT(not_ready, second_buffer, 60)
{
	struct ibv_sge to[] = { vt_sge(&self->here, 9000, 300),
				vt_sge(&self->there, 4000, 4000) };

	receive(_metadata, self, 700, to, 2);
	memcpy(self->here.shadow + 9000, self->here.shadow + 1000, 300);
	memcpy(self->there.shadow + 4000, self->here.shadow + 1300, 400);
}

/* The third packet of the message is the first that goes to the buffer there. */
TEST_F_TIMEOUT(not_ready, later_packet, 60)
{
	struct ibv_sge to[] = { vt_sge(&self->here, 9000, 2048),
				vt_sge(&self->there, 4000, 4000) };

	receive(_metadata, self, 5000, to, 2);
	memcpy(self->here.shadow + 9000, self->here.shadow + 1000, 2048);
	memcpy(self->there.shadow + 4000, self->here.shadow + 3048, 2952);
	/* The next SEND uses the next receive. */
	to[0] = vt_sge(&self->there, 20000, 8000);
	receive(_metadata, self, 5000, to, 1);
	memcpy(self->there.shadow + 20000, self->here.shadow + 1000, 5000);
}

static int set_error_state(struct vt_end *end)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	return -ibv_modify_qp(end->qp, &attr, IBV_QP_STATE);
}

/*
 * The queue pair enters the error state after the receive was consumed for a SEND
 * that is to be retransmitted. The receive completes with an error, once.
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
	while (count_rnr_naks() == self->rnr_naks)
		usleep(1000);
	ASSERT_EQ(0, set_error_state(&end[0]));
	ASSERT_EQ(0, set_error_state(&end[1]));
	ASSERT_EQ(0, vt_wait(&end[0], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
	ASSERT_EQ(0, vt_wait(&end[1], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
	EXPECT_NE(0, vt_wait(&end[1], &wc, SLOW_MS));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
}

TEST_HARNESS_MAIN
