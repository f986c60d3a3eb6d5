// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The reset of a queue pair removes its completions from its completion queues, and no
 * others: at any position in the ring, during polling by another thread, and for plain,
 * extended and resized completion queues.
 *
 * The test creates completions without network traffic: the transition to ERR flushes the
 * receive requests of a queue pair. The test waits for the event of each completion, so
 * the order is known.
 */
#include <kselftest_harness.h>

#include <poll.h>
#include <pthread.h>
#include <sys/mman.h>

#include "applies.h"
#include "lib/proc.h"
#include "lib/verbs.h"

#define DEPTH 7	/* the ring has one entry more */
#define VICTIM 1000	/* first wr_id of the victim */

FIXTURE(reset)
{
	struct vt_dev dev;
	struct ibv_comp_channel *channel;
	struct ibv_cq *cq;
	struct ibv_cq *sends;	/* send completions of all QPs */
	struct ibv_qp *first, *victim, *last;
	int stop;		/* stops the polling thread */
	unsigned long polled[2];	/* completions that it got from first and last */
};

FIXTURE_VARIANT(reset)
{
	bool extended, resized;
};

FIXTURE_VARIANT_ADD(reset, plain) {};
FIXTURE_VARIANT_ADD(reset, extended) { .extended = true };
FIXTURE_VARIANT_ADD(reset, resized) { .resized = true };

typedef FIXTURE_DATA(reset) reset_t;

static struct ibv_cq *create_cq(reset_t *self, bool extended)
{
	struct ibv_cq_init_attr_ex attr = {
		.cqe = DEPTH,
		.channel = self->channel,
		.wc_flags = IBV_WC_STANDARD_FLAGS,
	};
	struct ibv_cq_ex *cq;

	if (!extended)
		return ibv_create_cq(self->dev.ctx, DEPTH, NULL, self->channel,
				     0);
	cq = ibv_create_cq_ex(self->dev.ctx, &attr);
	return cq ? ibv_cq_ex_to_cq(cq) : NULL;
}

/*
 * Resizes the queue twice, to another address and back to its size. Maps other memory at
 * the old address in between; the exit of the process frees it.
 */
static int move_ring(struct ibv_cq *cq)
{
	int ret = ibv_resize_cq(cq, 100);

	if (ret)
		return ret;
	if (mmap(NULL, 4096, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED)
		return errno;
	return ibv_resize_cq(cq, DEPTH);
}

static struct ibv_qp *create_qp(reset_t *self)
{
	struct ibv_qp_init_attr attr = {
		.send_cq = self->sends,
		.recv_cq = self->cq,
		.cap = { 4, 4, 1, 1, 0 },
		.qp_type = IBV_QPT_RC,
	};

	return ibv_create_qp(self->dev.pd, &attr);
}

static int to_state(struct ibv_qp *qp, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = {
		.qp_state = state,
		.port_num = 1,
	};

	return ibv_modify_qp(qp, &attr, state != IBV_QPS_INIT ? IBV_QP_STATE :
			     IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
			     IBV_QP_ACCESS_FLAGS);
}

static int post_recv(struct ibv_qp *qp, uint64_t id)
{
	struct ibv_recv_wr wr = { .wr_id = id }, *bad;

	return ibv_post_recv(qp, &wr, &bad);
}

static int post_send(struct ibv_qp *qp, uint64_t id)
{
	struct ibv_send_wr wr = {
		.wr_id = id,
		.opcode = IBV_WR_SEND,
		.send_flags = IBV_SEND_SIGNALED,
	}, *bad;

	return ibv_post_send(qp, &wr, &bad);
}

static int wait_event(reset_t *self)
{
	struct pollfd fd = { .fd = self->channel->fd, .events = POLLIN };
	struct ibv_cq *cq;
	void *context;

	if (poll(&fd, 1, VT_TIMEOUT_MS) != 1)
		return -ETIMEDOUT;
	if (ibv_get_cq_event(self->channel, &cq, &context))
		return -errno;
	ibv_ack_cq_events(cq, 1);
	return 0;
}

/* Flushes the receive requests of a QP. Waits for the first completion. */
static int flush(reset_t *self, struct ibv_qp *qp)
{
	int ret = ibv_req_notify_cq(self->cq, 0);

	if (!ret)
		ret = to_state(qp, IBV_QPS_ERR);
	return ret ? ret : wait_event(self);
}

static int reset_and_init(struct ibv_qp *qp)
{
	int ret = to_state(qp, IBV_QPS_RESET);

	return ret ? ret : to_state(qp, IBV_QPS_INIT);
}

FIXTURE_SETUP(reset)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	self->channel = ibv_create_comp_channel(self->dev.ctx);
	ASSERT_NE(NULL, self->channel);
	self->cq = create_cq(self, variant->extended);
	ASSERT_NE(NULL, self->cq);
	self->sends = create_cq(self, variant->extended);
	ASSERT_NE(NULL, self->sends);
	if (variant->resized)
		ASSERT_EQ(0, move_ring(self->cq));
	self->first = create_qp(self);
	self->victim = create_qp(self);
	self->last = create_qp(self);
	ASSERT_TRUE(self->first && self->victim && self->last);
	ASSERT_EQ(0, to_state(self->first, IBV_QPS_INIT));
	ASSERT_EQ(0, to_state(self->victim, IBV_QPS_INIT));
	ASSERT_EQ(0, to_state(self->last, IBV_QPS_INIT));
}

FIXTURE_TEARDOWN(reset)
{
	EXPECT_EQ(0, ibv_destroy_qp(self->first));
	EXPECT_EQ(0, ibv_destroy_qp(self->victim));
	EXPECT_EQ(0, ibv_destroy_qp(self->last));
	EXPECT_EQ(0, ibv_destroy_cq(self->cq));
	EXPECT_EQ(0, ibv_destroy_cq(self->sends));
	EXPECT_EQ(0, ibv_destroy_comp_channel(self->channel));
	vt_dev_close(&self->dev);
}

/* Polls one completion. Return: its wr_id, or -1 if there is none. */
static int64_t poll_one(struct ibv_cq *cq, bool extended)
{
	struct ibv_cq_ex *ex = (struct ibv_cq_ex *)cq;
	struct ibv_poll_cq_attr attr = { 0 };
	struct ibv_wc wc;
	int64_t id;

	if (!extended)
		return ibv_poll_cq(cq, 1, &wc) == 1 ? (int64_t)wc.wr_id : -1;
	if (ibv_start_poll(ex, &attr))
		return -1;
	id = ex->wr_id;
	ibv_end_poll(ex);
	return id;
}

/* Many rounds, so that the ring wraps around at each position. */
TEST_F(reset, removes_its_completions)
{
	int round;

	for (round = 0; round < 30; round++) {
		ASSERT_EQ(0, post_recv(self->first, 2 * round));
		ASSERT_EQ(0, post_recv(self->victim, VICTIM));
		ASSERT_EQ(0, post_recv(self->last, 2 * round + 1));
		ASSERT_EQ(0, flush(self, self->first));
		ASSERT_EQ(0, flush(self, self->victim));
		ASSERT_EQ(0, flush(self, self->last));

		ASSERT_EQ(0, reset_and_init(self->victim));
		EXPECT_EQ(2 * round, poll_one(self->cq, variant->extended));
		EXPECT_EQ(2 * round + 1, poll_one(self->cq, variant->extended));
		ASSERT_EQ(-1, poll_one(self->cq, variant->extended));
		ASSERT_EQ(0, reset_and_init(self->first));
		ASSERT_EQ(0, reset_and_init(self->last));
	}
}

TEST_F(reset, removes_send_completions)
{
	ASSERT_EQ(0, to_state(self->first, IBV_QPS_ERR));
	ASSERT_EQ(0, to_state(self->victim, IBV_QPS_ERR));
	ASSERT_EQ(0, ibv_req_notify_cq(self->sends, 0));
	ASSERT_EQ(0, post_send(self->victim, VICTIM));
	ASSERT_EQ(0, wait_event(self));
	ASSERT_EQ(0, ibv_req_notify_cq(self->sends, 0));
	ASSERT_EQ(0, post_send(self->first, 5));
	ASSERT_EQ(0, wait_event(self));
	ASSERT_EQ(0, reset_and_init(self->victim));
	EXPECT_EQ(5, poll_one(self->sends, variant->extended));
	EXPECT_EQ(-1, poll_one(self->sends, variant->extended));
}

/* Completions of work after the reset are not lost. */
TEST_F(reset, keeps_later_completions)
{
	int n;

	for (n = 0; n < 4; n++)
		ASSERT_EQ(0, post_recv(self->victim, VICTIM + n));
	ASSERT_EQ(0, flush(self, self->victim));
	ASSERT_EQ(0, reset_and_init(self->victim));
	ASSERT_EQ(0, post_recv(self->victim, VICTIM + 4));
	ASSERT_EQ(0, flush(self, self->victim));
	EXPECT_EQ(VICTIM + 4, poll_one(self->cq, variant->extended));
	EXPECT_EQ(-1, poll_one(self->cq, variant->extended));
}

/* Transitions to other states remove nothing. */
TEST_F(reset, error_removes_nothing)
{
	ASSERT_EQ(0, post_recv(self->victim, VICTIM));
	ASSERT_EQ(0, flush(self, self->victim));
	ASSERT_EQ(0, to_state(self->victim, IBV_QPS_ERR));
	EXPECT_EQ(VICTIM, poll_one(self->cq, variant->extended));
	EXPECT_EQ(-1, poll_one(self->cq, variant->extended));
}

static void *reset_victim(void *arg)
{
	return (void *)(intptr_t)to_state(((reset_t *)arg)->victim,
					  IBV_QPS_RESET);
}

/* Waits until the kernel has reset the QP in another thread, and 200 ms more. */
static int wait_reset(struct ibv_qp *qp)
{
	int64_t end = vt_now_ms() + VT_TIMEOUT_MS;
	struct ibv_qp_init_attr init;
	struct ibv_qp_attr attr;

	do {
		if (ibv_query_qp(qp, &attr, IBV_QP_STATE, &init))
			return -EIO;
		if (vt_now_ms() > end)
			return -ETIMEDOUT;
	} while (attr.qp_state != IBV_QPS_RESET);
	usleep(200000);
	return 0;
}

/*
 * The queue does not change between ibv_start_poll() and ibv_end_poll() of another
 * thread: the reset waits.
 */
TEST_F(reset, waits_for_poller)
{
	struct ibv_cq_ex *cq = (struct ibv_cq_ex *)self->cq;
	struct ibv_poll_cq_attr attr = { 0 };
	pthread_t thread;
	void *ret;

	if (!variant->extended)
		DOES_NOT_APPLY(return, "only an extended queue has ibv_start_poll()");
	ASSERT_EQ(0, post_recv(self->first, 1));
	ASSERT_EQ(0, post_recv(self->victim, VICTIM));
	ASSERT_EQ(0, post_recv(self->last, 2));
	ASSERT_EQ(0, flush(self, self->first));
	ASSERT_EQ(0, flush(self, self->victim));
	ASSERT_EQ(0, flush(self, self->last));

	ASSERT_EQ(0, ibv_start_poll(cq, &attr));
	EXPECT_EQ(1, cq->wr_id);
	ASSERT_EQ(0, pthread_create(&thread, NULL, reset_victim, self));
	EXPECT_EQ(0, wait_reset(self->victim));
	EXPECT_EQ(0, ibv_next_poll(cq));
	EXPECT_EQ(VICTIM, cq->wr_id);
	ibv_end_poll(cq);
	pthread_join(thread, &ret);
	EXPECT_EQ(NULL, ret);
	EXPECT_EQ(2, poll_one(self->cq, true));
	EXPECT_EQ(-1, poll_one(self->cq, true));
}

static void *poll_others(void *arg)
{
	reset_t *self = arg;
	struct ibv_wc wc;

	while (!__atomic_load_n(&self->stop, __ATOMIC_ACQUIRE)) {
		if (ibv_poll_cq(self->cq, 1, &wc) == 1 && wc.wr_id < VICTIM)
			self->polled[wc.wr_id]++;
		else
			sched_yield();
	}
	/* Completions that are left. */
	while (ibv_poll_cq(self->cq, 1, &wc) == 1) {
		if (wc.wr_id < VICTIM)
			self->polled[wc.wr_id]++;
	}
	return NULL;
}

/* Waits until both QPs have this many polled completions. */
static bool wait_polled(reset_t *self, unsigned long times)
{
	int64_t end = vt_now_ms() + VT_TIMEOUT_MS;

	while (__atomic_load_n(&self->polled[0], __ATOMIC_RELAXED) < times ||
	       __atomic_load_n(&self->polled[1], __ATOMIC_RELAXED) < times) {
		if (vt_now_ms() > end)
			return false;
		sched_yield();
	}
	return true;
}

/* While another thread polls, no completion of other QPs is lost or duplicated. */
TEST_F_TIMEOUT(reset, concurrent_polling, 120)
{
	bool good = true;
	pthread_t thread;
	int round;

	ASSERT_EQ(0, pthread_create(&thread, NULL, poll_others, self));
	for (round = 0; good && round < 100; round++) {
		ASSERT_EQ(0, post_recv(self->first, 0));
		ASSERT_EQ(0, post_recv(self->victim, VICTIM));
		ASSERT_EQ(0, post_recv(self->last, 1));
		ASSERT_EQ(0, flush(self, self->first));
		ASSERT_EQ(0, to_state(self->victim, IBV_QPS_ERR));
		ASSERT_EQ(0, flush(self, self->last));
		ASSERT_EQ(0, reset_and_init(self->victim));
		/* Resetting these QPs would remove completions not yet polled. */
		good = wait_polled(self, round + 1);
		ASSERT_EQ(0, reset_and_init(self->first));
		ASSERT_EQ(0, reset_and_init(self->last));
	}
	__atomic_store_n(&self->stop, 1, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	EXPECT_EQ(100, self->polled[0]);
	EXPECT_EQ(100, self->polled[1]);
}

TEST_HARNESS_MAIN
