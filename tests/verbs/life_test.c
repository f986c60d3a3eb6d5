// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Lifetime of processes, memory and MRs: many registrations, kill, fork. All
 * resources are released: the counters of the exporter and the live objects of the
 * RDMA device are compared with those from before.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define SIZE (1024 * 1024)
#define BOUND_MS 30000

FIXTURE(life)
{
	struct vt_dev dev;
	struct vt_counters before;
	int mrs, qps;
};

FIXTURE_VARIANT(life)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(life, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(life, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(life, vram_named) { .kind = &vt_mem_vram_named };
FIXTURE_VARIANT_ADD(life, cmb) { .kind = &vt_mem_cmb };

FIXTURE_SETUP(life)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	self->mrs = vt_resource_count("mr");
	self->qps = vt_resource_count("qp");
	ASSERT_EQ(0, vt_counters_read(variant->kind, &self->before));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
}

/* The kernel releases objects of killed processes with a delay. Return: their number. */
static int wait_for_count(const char *what, int count)
{
	int64_t until = vt_now_ms() + BOUND_MS;
	int now;

	do
		now = vt_resource_count(what);
	while (now != count && vt_now_ms() < until);
	return now;
}

FIXTURE_TEARDOWN(life)
{
	vt_dev_close(&self->dev);
	EXPECT_EQ(self->mrs, wait_for_count("mr", self->mrs));
	EXPECT_EQ(self->qps, wait_for_count("qp", self->qps));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* Writes [0, length) of one buffer into the other by RDMA, and updates the shadow. */
static int write_all(struct vt_dev *dev, struct vt_buf *from, struct vt_buf *to,
		     size_t length)
{
	struct ibv_sge sge = vt_sge(from, 0, length);
	struct vt_pair pair;
	int ret;

	ret = vt_pair_open(&pair, dev, NULL);
	if (ret)
		return ret;
	memcpy(to->shadow, from->shadow, length);
	ret = vt_rdma_write(&pair.end[0], &sge, 1, vt_remote(to, 0));
	vt_pair_close(&pair);
	return ret;
}

static int num_rounds(void)
{
	return vt_slow_kernel() ? 200 : 1000;
}

TEST_F_TIMEOUT(life, many_registrations, 120)
{
	int rounds = num_rounds();
	struct vt_counters now;
	struct vt_mem mem;
	struct ibv_mr *mr;
	int i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, variant->kind, SIZE, 0));
	for (i = 0; i < rounds; i++) {
		size_t skip = i * 37 % (SIZE / 2);

		mr = ibv_reg_mr(self->dev.pd, mem.addr + skip,
				1 + i * 101 % (SIZE / 2), VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
	vt_mem_free(&mem);
	ASSERT_EQ(0, vt_counters_read(variant->kind, &now));
	if (variant->kind->exporter)
		EXPECT_EQ(self->before.alloc_mrs + rounds, now.alloc_mrs);
}

TEST_F_TIMEOUT(life, many_objects, 120)
{
	struct ibv_mr *mr;
	struct vt_mem mem;
	int i, rounds = num_rounds();

	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, vt_mem_alloc(&mem, variant->kind, 8192, 0));
		mr = ibv_reg_mr(self->dev.pd, mem.addr, 8192, VT_ACCESS_ALL);
		ASSERT_NE(NULL, mr);
		/* Free the memory before or after deregistration. */
		if (i % 2)
			vt_mem_free(&mem);
		ASSERT_EQ(0, ibv_dereg_mr(mr));
		vt_mem_free(&mem);
	}
}

/* ---- kill ---- */

/*
 * Writes from one half of a buffer to the other by RDMA until the process is killed.
 * Writes a byte to @ready when data flows.
 */
static void write_until_killed(const struct vt_mem_kind *kind, int ready)
{
	enum { DEPTH = 8, LENGTH = SIZE / 2 };
	struct vt_pair_opts opts = { .depth = 2 * DEPTH };
	struct ibv_sge sge;
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};
	struct vt_pair pair;
	struct vt_buf buf;
	struct vt_dev dev;
	struct ibv_wc wc;
	int i;

	if (vt_dev_open(&dev) || vt_pair_open(&pair, &dev, &opts) ||
	    vt_buf_open(&buf, &dev, kind, SIZE, NULL))
		_exit(1);
	sge = vt_sge(&buf, 0, LENGTH);
	wr.wr.rdma.remote_addr = buf.iova + LENGTH;
	wr.wr.rdma.rkey = buf.mr->rkey;
	for (i = 0; ; i++) {
		if (vt_post_send(&pair.end[0], &wr))
			_exit(2);
		if (i < DEPTH)
			continue;
		if (vt_wait(&pair.end[0], &wc, VT_TIMEOUT_MS) || wc.status)
			_exit(3);
		if (i == DEPTH && write(ready, "", 1) != 1)
			_exit(4);
	}
}

TEST_F_TIMEOUT(life, kill_in_mid_transfer, 120)
{
	int i, fds[2];
	pid_t pid;
	char byte;

	for (i = 0; i < 4; i++) {
		ASSERT_EQ(0, pipe(fds));
		pid = fork();
		if (!pid) {
			close(fds[0]);
			write_until_killed(variant->kind, fds[1]);
		}
		close(fds[1]);
		/* The child writes a byte when data flows. */
		ASSERT_EQ(1, read(fds[0], &byte, 1));
		usleep(10000 * i);
		ASSERT_EQ(0, kill(pid, SIGKILL));
		EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, BOUND_MS));
		close(fds[0]);
	}
}

/* What a requester must know of a responder. */
struct responder_info {
	struct vt_address address;
	struct vt_remote remote;
};

/* A responder: registers memory of the kind, connects, and waits to be killed. */
static void run_responder(const struct vt_mem_kind *kind, int socket)
{
	static const struct vt_pair_opts opts;
	struct responder_info mine;
	struct vt_address peer;
	struct vt_buf buf;
	struct vt_dev dev;
	struct vt_end end;

	if (vt_dev_open(&dev) || vt_end_open(&end, &dev, &opts, false) ||
	    vt_buf_open(&buf, &dev, kind, SIZE, NULL))
		_exit(1);
	mine.address = vt_end_address(&end, &dev);
	mine.remote = vt_remote(&buf, 0);
	if (read(socket, &peer, sizeof(peer)) != sizeof(peer) ||
	    vt_end_connect(&end, &dev, &opts, &peer) ||
	    write(socket, &mine, sizeof(mine)) != sizeof(mine))
		_exit(2);
	pause();
	_exit(3);
}

/* The requester gets an error in bounded time. */
TEST_F_TIMEOUT(life, kill_responder, 120)
{
	static const struct vt_pair_opts opts = {
		.retries = 3, .timeout = 17,
	};
	struct vt_address address;
	struct responder_info theirs;
	struct vt_buf host;
	struct ibv_sge sge;
	struct vt_end end;
	int sockets[2], i;
	pid_t pid;

	ASSERT_EQ(0, socketpair(AF_UNIX, SOCK_STREAM, 0, sockets));
	pid = fork();
	if (!pid)
		run_responder(variant->kind, sockets[1]);
	close(sockets[1]);
	ASSERT_EQ(0, vt_end_open(&end, &self->dev, &opts, false));
	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	address = vt_end_address(&end, &self->dev);
	ASSERT_EQ(sizeof(address), write(sockets[0], &address,
					 sizeof(address)));
	ASSERT_EQ(sizeof(theirs), read(sockets[0], &theirs, sizeof(theirs)));
	ASSERT_EQ(0, vt_end_connect(&end, &self->dev, &opts, &theirs.address));

	sge = vt_sge(&host, 0, SIZE);
	for (i = 0; i < 3; i++)
		ASSERT_EQ(0, vt_rdma_write(&end, &sge, 1, theirs.remote));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, BOUND_MS));
	sge.length = 64;
	EXPECT_EQ(IBV_WC_RETRY_EXC_ERR,
		  vt_rdma_write(&end, &sge, 1, theirs.remote));
	EXPECT_EQ(0, vt_buf_close(&host));
	vt_end_close(&end);
	close(sockets[0]);
}

/* ---- fork ---- */

TEST_F(life, fork_child_exits)
{
	struct vt_buf host, buf;
	pid_t pid;

	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE, NULL));
	vt_buf_fill(&host, 1);
	vt_buf_fill(&buf, 2);
	pid = fork();
	if (!pid)
		_exit(buf.mem.addr[0] == buf.shadow[0] ? 0 : 1);
	EXPECT_EQ(0, vt_wait_child(pid, BOUND_MS));
	EXPECT_EQ(0, write_all(&self->dev, &host, &buf, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
	EXPECT_EQ(0, vt_buf_close(&host));
}

/* munmap() in the child does not affect the MR of the parent. */
TEST_F(life, fork_child_unmaps)
{
	struct vt_buf host, buf;
	int to_child[2], from_child[2];
	char byte;
	pid_t pid;

	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE, NULL));
	vt_buf_fill(&host, 3);
	vt_buf_fill(&buf, 4);
	ASSERT_EQ(0, pipe(to_child));
	ASSERT_EQ(0, pipe(from_child));
	pid = fork();
	if (!pid) {
		munmap(buf.mem.addr, SIZE);
		mmap(buf.mem.addr, SIZE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
		memset(buf.mem.addr, 0xee, SIZE);
		if (write(from_child[1], "", 1) != 1 ||
		    read(to_child[0], &byte, 1) != 1)
			_exit(1);
		_exit(buf.mem.addr[SIZE - 1] == 0xee ? 0 : 2);
	}
	ASSERT_EQ(1, read(from_child[0], &byte, 1));
	EXPECT_EQ(0, write_all(&self->dev, &host, &buf, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	ASSERT_EQ(1, write(to_child[1], "", 1));
	EXPECT_EQ(0, vt_wait_child(pid, BOUND_MS));
	EXPECT_EQ(0, vt_buf_close(&buf));
	EXPECT_EQ(0, vt_buf_close(&host));
}

/* The parent can register memory that it shares with a child. */
TEST_F(life, fork_register_after)
{
	struct vt_buf host, buf;
	int to_child[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, vt_buf_open(&host, &self->dev, &vt_mem_host, SIZE, NULL));
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE, NULL));
	vt_buf_fill(&host, 5);
	ASSERT_EQ(0, pipe(to_child));
	pid = fork();
	if (!pid) {
		/* The mapping is shared: the child sees data written for the parent. */
		if (read(to_child[0], &byte, 1) != 1)
			_exit(1);
		_exit(vt_first_diff(buf.mem.addr, host.shadow, SIZE) < 0 ?
		      0 : 2);
	}
	ASSERT_EQ(0, ibv_dereg_mr(buf.mr));
	buf.mr = ibv_reg_mr(self->dev.pd, buf.mem.addr, SIZE, VT_ACCESS_ALL);
	ASSERT_NE(NULL, buf.mr);
	EXPECT_EQ(0, write_all(&self->dev, &host, &buf, SIZE));
	ASSERT_EQ(1, write(to_child[1], "", 1));
	EXPECT_EQ(0, vt_wait_child(pid, BOUND_MS));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
	EXPECT_EQ(0, vt_buf_close(&host));
}

TEST_HARNESS_MAIN
