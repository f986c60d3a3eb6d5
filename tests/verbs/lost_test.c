// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Responses that are lost or late (peer_test_loss.ko). The requester retransmits. An
 * operation that completes with success was executed, and only once.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "lib/link.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define SIZE 65536
#define WRITTEN 3000		/* three packets */
#define RESULT 8192		/* result of atomics (here), their word (there) */
#define READ_AT 16384		/* on both sides */
#define ONE_PACKET 500
#define MANY_PACKETS 4500

#define LOSS_FILE "/sys/kernel/debug/peer_test_loss"

/* Says which of the next responses are lost or late; see the module. */
static int lose(const char *todo)
{
	return vt_write_file(LOSS_FILE, todo);
}

/* Return: true if there was a response for each letter. */
static bool all_lost(void)
{
	int fd = open(LOSS_FILE, O_RDONLY | O_CLOEXEC);
	char left;
	bool none;

	if (fd < 0)
		return false;
	none = read(fd, &left, 1) == 0;
	close(fd);
	return none;
}

FIXTURE(lost)
{
	VT_LINK;
};

VT_VARIANTS(lost);
VT_PINNED(lost, host);
VT_PINNED(lost, vram);
VT_PINNED(lost, cmb);
VT_ON_DEMAND(lost, host);
VT_ON_DEMAND(lost, vram);
VT_ON_DEMAND(lost, cmb);

FIXTURE_SETUP(lost)
{
	/* Longer than the delay of late responses. */
	struct vt_pair_opts opts = { .timeout = 16 };

	ASSERT_EQ(0, vt_insmod_test("peer_test_loss.ko", NULL));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  VT_ACCESS_ALL | variant->on_demand, &opts));
}

FIXTURE_TEARDOWN(lost)
{
	EXPECT_TRUE(all_lost());
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_rmmod("peer_test_loss"));
}

/* The effects of the operations below on the shadows. */
static void shadow_write(FIXTURE_DATA(lost) *self)
{
	memcpy(self->there.shadow, self->here.shadow, WRITTEN);
}

static void shadow_add(FIXTURE_DATA(lost) *self, uint64_t add)
{
	uint64_t word;

	memcpy(&word, self->there.shadow + RESULT, sizeof(word));
	memcpy(self->here.shadow + RESULT, &word, sizeof(word));
	word += add;
	memcpy(self->there.shadow + RESULT, &word, sizeof(word));
}

static void shadow_read(FIXTURE_DATA(lost) *self, uint32_t length)
{
	memcpy(self->here.shadow + READ_AT, self->there.shadow + READ_AT,
	       length);
}

/* Posts a WRITE and @second together, and waits. Return: 0, a status, or -errno. */
static int write_and(FIXTURE_DATA(lost) *self, struct ibv_send_wr *second)
{
	struct vt_end *end = &self->pair.end[0];
	struct vt_remote to = vt_remote(&self->there, 0);
	struct ibv_sge sge = vt_sge(&self->here, 0, WRITTEN);
	struct ibv_send_wr first = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { .remote_addr = to.addr, .rkey = to.rkey },
		.next = second,
	};
	struct ibv_wc wc;
	int ret, i;

	second->send_flags = IBV_SEND_SIGNALED;
	ret = vt_post_send(end, &first);
	for (i = 0; i < 2 && !ret; i++) {
		ret = vt_wait(end, &wc, VT_TIMEOUT_MS);
		if (!ret)
			ret = wc.status;
	}
	return ret;
}

/*
 * The responses to both requests are lost. The WRITE is retransmitted, and the ACK
 * covers all executed requests, including the atomic. The ACK is late: the atomic is
 * retransmitted before it arrives. The ACK does not have the result of the atomic.
 */
TEST_F_TIMEOUT(lost, write_and_atomic, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, RESULT, sizeof(uint64_t));
	struct vt_remote at = vt_remote(&self->there, RESULT);
	struct ibv_send_wr add = {
		.opcode = IBV_WR_ATOMIC_FETCH_AND_ADD,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.atomic = {
			.remote_addr = at.addr,
			.rkey = at.rkey,
			.compare_add = 5,
		},
	};

	ASSERT_EQ(0, lose("dds"));
	ASSERT_EQ(0, write_and(self, &add));
	shadow_write(self);
	shadow_add(self, 5);
}

/* The same with a READ. */
TEST_F_TIMEOUT(lost, write_and_read, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, READ_AT, ONE_PACKET);
	struct vt_remote from = vt_remote(&self->there, READ_AT);
	struct ibv_send_wr read = {
		.opcode = IBV_WR_RDMA_READ,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { .remote_addr = from.addr, .rkey = from.rkey },
	};

	ASSERT_EQ(0, lose("dds"));
	ASSERT_EQ(0, write_and(self, &read));
	shadow_write(self);
	shadow_read(self, ONE_PACKET);
}

/* The responder repeats the result of the atomic. */
TEST_F_TIMEOUT(lost, atomic, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, RESULT, sizeof(uint64_t));

	ASSERT_EQ(0, lose("dd"));
	ASSERT_EQ(0, vt_fetch_add(&self->pair.end[0], &sge,
				  vt_remote(&self->there, RESULT), 7));
	shadow_add(self, 7);
}

TEST_F_TIMEOUT(lost, atomic_write, 60)
{
	uint64_t word = 0x0123456789abcdef;

	ASSERT_EQ(0, lose("d"));
	ASSERT_EQ(0, vt_atomic_write(&self->pair.end[0],
				     vt_remote(&self->there, RESULT), word));
	memcpy(self->there.shadow + RESULT, &word, sizeof(word));
}

/*
 * Loses the first, a middle and the last packet of a response; each time the requester
 * requests the rest. On a busy machine the requester may retransmit on its own, and
 * complete before all these packets were lost. Then the test repeats the READ.
 */
TEST_F_TIMEOUT(lost, parts_of_read, 60)
{
	struct ibv_sge sge = vt_sge(&self->here, READ_AT, MANY_PACKETS);
	int tries = 0;

	do {
		ASSERT_EQ(0, lose("d----" ".d---" "---d" "d" "s"));
		ASSERT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1,
					  vt_remote(&self->there, READ_AT)));
	} while (!all_lost() && ++tries < 10);
	shadow_read(self, MANY_PACKETS);
}

/* Each end gets one completion, and one receive is consumed. */
TEST_F_TIMEOUT(lost, send, 60)
{
	struct ibv_sge from = vt_sge(&self->here, 0, WRITTEN);
	struct ibv_sge to = vt_sge(&self->there, 0, WRITTEN);
	struct ibv_wc wc;

	ASSERT_EQ(0, lose("dd"));
	ASSERT_EQ(0, vt_send_recv(&self->pair, &from, 1, &to, 1, &wc));
	EXPECT_EQ(IBV_WC_SUCCESS, wc.status);
	EXPECT_EQ(WRITTEN, wc.byte_len);
	EXPECT_EQ(-ETIMEDOUT, vt_wait(&self->pair.end[1], &wc, 0));
	shadow_write(self);
}

/* ---- the queue pair is destroyed before the packet arrives ---- */

#define DELAY "/sys/module/peer_test_loss/parameters/sched_us"
#define REQUESTS 16

/* Posts requests to a queue pair, and destroys it at once. Return: 0 or -errno. */
static int post_and_destroy(struct vt_dev *dev, struct vt_buf *from,
			    struct vt_buf *to)
{
	struct vt_pair_opts opts = { .depth = REQUESTS };
	struct vt_remote at = vt_remote(to, 0);
	struct ibv_sge sge = vt_sge(from, 0, WRITTEN);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { .remote_addr = at.addr, .rkey = at.rkey },
	};
	struct vt_pair pair;
	int ret, i;

	ret = vt_pair_open(&pair, dev, &opts);
	if (ret)
		return ret;
	for (i = 0; i < REQUESTS && !ret; i++)
		ret = vt_post_send(&pair.end[0], &wr);
	vt_end_close(&pair.end[1]);
	vt_pair_close(&pair);
	return ret;
}

/* Late packets must not access the destroyed queue pair: no kernel warning. */
TEST_F_TIMEOUT(lost, qp_destroyed, 120)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, WRITTEN);
	int rounds = vt_slow_kernel() ? 20 : 100;

	ASSERT_EQ(0, vt_write_file(DELAY, "200"));
	while (rounds-- > 0)
		ASSERT_EQ(0, post_and_destroy(&self->dev, &self->here,
					      &self->there));
	/* The requests above may or may not have been executed. */
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
				   vt_remote(&self->there, 0)));
	shadow_write(self);
}

TEST_HARNESS_MAIN
