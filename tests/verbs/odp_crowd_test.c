// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A process with more queue pairs that wait for missing pages than rxe has concurrent
 * work items (512 for all users), and many more than it has threads of its own for
 * such waits. Other processes are not delayed. The process can be killed although its
 * pages never arrive, and nothing is left of it.
 */
#include <kselftest_harness.h>

#include "lib/link.h"
#include "lib/proc.h"
#include "lib/timed_call.h"
#include "lib/uffd.h"
#include "lib/waiter.h"

#define SIZE (64 * 1024)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* Both ends of each pair write from missing memory. */
#define PAIRS 280

static int write_from_missing(struct vt_link *link, struct vt_pair *pair)
{
	struct ibv_sge sge = vt_sge(&link->there, 0, 100);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma.remote_addr = vt_remote(&link->here, 0).addr,
		.wr.rdma.rkey = vt_remote(&link->here, 0).rkey,
	};
	int ret = vt_pair_open(pair, &link->dev, NULL);

	if (!ret)
		ret = vt_post_send(&pair->end[0], &wr);
	return ret ? ret : vt_post_send(&pair->end[1], &wr);
}

static int close_pair(void *pair)
{
	vt_pair_close(pair);
	return 0;
}

/* A queue pair of another PD writes to a responder whose PD has the waiting requesters. */
static int write_to_crowd(void *arg)
{
	struct vt_link *link = arg;
	struct vt_buf_opts opts = { .pd = ibv_alloc_pd(link->dev.ctx) };
	struct vt_pair_opts pair_opts = { .pd = opts.pd };
	struct vt_pair pair;
	struct ibv_sge sge;
	struct vt_buf buf;
	int ret;

	if (!opts.pd)
		return -errno;
	ret = vt_pair_open(&pair, &link->dev, &pair_opts);
	if (!ret)
		ret = vt_buf_open(&buf, &link->dev, &vt_mem_host, SIZE, &opts);
	if (ret)
		return ret;
	sge = vt_sge(&buf, 0, 100);
	return vt_rdma_write(&pair.end[1], &sge, 1, vt_remote(&link->here, 0));
}

/*
 * Starts all waits, and sends the userfaultfd to the test. A queue pair can be
 * destroyed at once, even if its request is still queued, and responders respond.
 */
static int start_crowd(int socket)
{
	static struct vt_pair pairs[PAIRS];
	static struct vt_timed_call close, request;
	static struct vt_link link;
	struct vt_uffd late;
	int i, ret;

	ret = vt_link_open(&link, &vt_mem_host, SIZE, ON_DEMAND, NULL);
	if (!ret)
		ret = vt_uffd_begin(&late, link.there.mem.addr, SIZE);
	if (!ret)
		ret = vt_send_fd(socket, late.fd);
	for (i = 0; i < PAIRS && !ret; i++)
		ret = write_from_missing(&link, &pairs[i]);
	if (!ret)
		ret = vt_uffd_wait(&late, NULL);
	if (!ret)
		ret = vt_timed_call(&close, close_pair, &pairs[PAIRS - 1]);
	return ret ? ret : vt_timed_call(&request, write_to_crowd, &link);
}

FIXTURE(crowd)
{
	struct vt_waiter waiter;
	int late;
};

FIXTURE_SETUP(crowd)
{
	ASSERT_EQ(0, vt_waiter_start(&self->waiter, start_crowd));
	self->late = vt_recv_fd(self->waiter.socket);
	ASSERT_LE(0, self->late);
	ASSERT_EQ(0, vt_waiter_ready(&self->waiter));
}

FIXTURE_TEARDOWN(crowd)
{
	EXPECT_EQ(0, vt_waiter_kill(&self->waiter));
	close(self->late);
}

static int write_there(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->here, 0, SIZE);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

/* Neither processes with pinned MRs nor those with on-demand MRs are delayed. */
TEST_F_TIMEOUT(crowd, delays_nobody, 300)
{
	static const int access[] = { VT_ACCESS_ALL, ON_DEMAND };
	struct vt_link link;
	struct vt_timed_call call;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, vt_link_open(&link, &vt_mem_host, SIZE, access[i],
					  NULL));
		ASSERT_EQ(0, vt_timed_call(&call, write_there, &link));
		EXPECT_EQ(0, vt_link_close(&link));
	}
}

TEST_HARNESS_MAIN
