// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Accesses to late pages: pages that are missing under a userfaultfd until a program
 * supplies them. Tests what must not be blocked meanwhile, and what ends the wait.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "lib/access_ops.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/timed_call.h"
#include "lib/uffd.h"
#include "lib/waiter.h"

#define PAGE page_size()
#define PAGES 16
#define SIZE (PAGES * PAGE)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

static const struct vt_part part = { .here = 100, .there = 4000, .length = 20000 };

/* ---- an access to late pages ---- */

/* @bytes: contents of the pages when they arrive */
FIXTURE(late)
{
	VT_LINK;
	struct vt_uffd late;
	struct vt_access_run run;
	struct vt_timed_call call;
	uint8_t bytes[PAGES * MAX_PAGE_SIZE];
};

typedef FIXTURE_DATA(late) late_t;

FIXTURE_VARIANT(late)
{
	int op;
};

FIXTURE_VARIANT_ADD(late, write_to) { .op = 0 };
FIXTURE_VARIANT_ADD(late, read_from) { .op = 1 };
FIXTURE_VARIANT_ADD(late, fetch_add_to) { .op = 2 };
FIXTURE_VARIANT_ADD(late, atomic_write_to) { .op = 3 };
FIXTURE_VARIANT_ADD(late, write_from) { .op = 5 };
FIXTURE_VARIANT_ADD(late, read_to) { .op = 6 };
FIXTURE_VARIANT_ADD(late, receive_into) { .op = 7 };

/* Starts the operation, and waits until it waits for a page. */
FIXTURE_SETUP(late)
{
	struct vt_pair_opts opts = { .srq = vt_access_ops[variant->op].srq };

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, ACCESS,
				  &opts));
	memcpy(self->bytes, self->there.shadow, SIZE);
	ASSERT_EQ(0, vt_uffd_begin(&self->late, self->there.mem.addr, SIZE));
	self->run.op = &vt_access_ops[variant->op];
	self->run.link = &self->link;
	self->run.part = part;
	ASSERT_EQ(0, vt_access_start(&self->run));
	ASSERT_EQ(0, vt_uffd_wait(&self->late, NULL));
}

FIXTURE_TEARDOWN(late)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	vt_uffd_end(&self->late);
}

TEST_F_TIMEOUT(late, pages_arrive, 120)
{
	usleep(100000);
	EXPECT_FALSE(vt_access_done(&self->run, 0));
	ASSERT_EQ(0, vt_uffd_fill(&self->late, self->bytes));
	EXPECT_EQ(0, vt_access_end(&self->run));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* Calls that lock the address space for writing, and one that locks it for reading. */
static int use_address_space(void *arg)
{
	char line[256];
	void *room;
	FILE *maps;

	(void)arg;
	room = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (room == MAP_FAILED || mprotect(room, PAGE, PROT_READ) ||
	    munmap(room, PAGE))
		return -errno;
	maps = fopen("/proc/self/maps", "re");
	if (!maps)
		return -errno;
	while (fgets(line, sizeof(line), maps))
		;
	fclose(maps);
	return 0;
}

TEST_F_TIMEOUT(late, address_space_not_locked, 120)
{
	EXPECT_EQ(0, vt_timed_call(&self->call, use_address_space, NULL));
	EXPECT_FALSE(vt_access_done(&self->run, 0));
	ASSERT_EQ(0, vt_uffd_fill(&self->late, self->bytes));
	EXPECT_EQ(0, vt_access_end(&self->run));
}

static int deregister(void *arg)
{
	struct vt_buf *buf = arg;
	int ret = ibv_dereg_mr(buf->mr);

	buf->mr = NULL;
	return -ret;
}

TEST_F_TIMEOUT(late, deregistered, 120)
{
	ASSERT_EQ(0, vt_timed_call(&self->call, deregister, &self->there));
	EXPECT_NE(0, vt_access_end(&self->run));
}

/* ---- queue pairs that stop ---- */

FIXTURE(stopping)
{
	VT_LINK;
	struct ibv_comp_channel *channel;
	struct vt_uffd late;
	struct vt_timed_call call;
};

/* @local: the late pages are those of the requester */
FIXTURE_VARIANT(stopping)
{
	enum ibv_wr_opcode opcode;
	bool local;
};

FIXTURE_VARIANT_ADD(stopping, write_to) { .opcode = IBV_WR_RDMA_WRITE };
FIXTURE_VARIANT_ADD(stopping, write_from)
{
	.opcode = IBV_WR_RDMA_WRITE, .local = true,
};
FIXTURE_VARIANT_ADD(stopping, read_to)
{
	.opcode = IBV_WR_RDMA_READ, .local = true,
};

FIXTURE_SETUP(stopping)
{
	struct vt_pair_opts opts = { 0 };
	struct vt_buf *local, *remote;
	struct ibv_sge sge;
	struct ibv_send_wr wr = {
		.opcode = variant->opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, ACCESS,
				  NULL));
	self->channel = ibv_create_comp_channel(self->dev.ctx);
	ASSERT_NE(NULL, self->channel);
	vt_pair_close(&self->pair);
	opts.channel = self->channel;
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, ibv_req_notify_cq(self->pair.end[0].cq, 0));
	ASSERT_EQ(0, vt_uffd_begin(&self->late, self->there.mem.addr, SIZE));
	local = variant->local ? &self->there : &self->here;
	remote = variant->local ? &self->here : &self->there;
	sge = vt_sge(local, 100, 20000);
	wr.wr.rdma.remote_addr = vt_remote(remote, 300).addr;
	wr.wr.rdma.rkey = vt_remote(remote, 300).rkey;
	ASSERT_EQ(0, vt_post_send(&self->pair.end[0], &wr));
	ASSERT_EQ(0, vt_uffd_wait(&self->late, NULL));
}

FIXTURE_TEARDOWN(stopping)
{
	vt_pair_close(&self->pair);
	ibv_destroy_comp_channel(self->channel);
	EXPECT_EQ(0, vt_link_close(&self->link));
	vt_uffd_end(&self->late);
}

static int destroy_both(void *arg)
{
	struct vt_pair *pair = arg;
	int i, ret = 0;

	for (i = 0; i < 2 && !ret; i++) {
		ret = ibv_destroy_qp(pair->end[i].qp);
		pair->end[i].qp = NULL;
	}
	return -ret;
}

TEST_F_TIMEOUT(stopping, destroyed, 120)
{
	EXPECT_EQ(0, vt_timed_call(&self->call, destroy_both, &self->pair));
}

static int set_state(struct vt_pair *pair, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };
	int ret = ibv_modify_qp(pair->end[0].qp, &attr, IBV_QP_STATE);

	return -(ret ? ret : ibv_modify_qp(pair->end[1].qp, &attr,
					   IBV_QP_STATE));
}

static int reset_both(void *pair)
{
	return set_state(pair, IBV_QPS_RESET);
}

/*
 * A reset leaves no operation and no completion. The queue pair can be used again, also
 * with late pages.
 */
TEST_F_TIMEOUT(stopping, reset, 120)
{
	struct vt_address address[2];
	struct vt_access_run run = {
		.op = &vt_access_ops[variant->local ? 5 : 0],
		.link = &self->link, .part = part,
	};
	struct pollfd event = { .fd = self->channel->fd, .events = POLLIN };
	int i;

	ASSERT_EQ(0, vt_timed_call(&self->call, reset_both, &self->pair));
	/* The provider may have removed a completion already, but not its event. */
	EXPECT_EQ(0, poll(&event, 1, 200));
	for (i = 0; i < 2; i++)
		address[i] = vt_end_address(&self->pair.end[i], &self->dev);
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_end_connect(&self->pair.end[i], &self->dev,
					    &self->pair.opts, &address[!i]));
	ASSERT_EQ(0, vt_access_start(&run));
	EXPECT_FALSE(vt_access_done(&run, 200));
	ASSERT_EQ(0, vt_uffd_fill(&self->late, self->there.shadow));
	EXPECT_EQ(0, vt_access_end(&run));
}

static int fail_both(void *pair)
{
	return set_state(pair, IBV_QPS_ERR);
}

TEST_F_TIMEOUT(stopping, failed, 120)
{
	struct ibv_wc wc;

	ASSERT_EQ(0, vt_timed_call(&self->call, fail_both, &self->pair));
	ASSERT_EQ(0, vt_wait(&self->pair.end[0], &wc, VT_CALL_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_WR_FLUSH_ERR, wc.status);
}

/* ---- an address handle that is destroyed during a wait ---- */

static int destroy_ah(void *ah)
{
	return -ibv_destroy_ah(ah);
}

TEST(address_handle_destroyed)
{
	struct vt_pair_opts opts = { .type = IBV_QPT_UD };
	struct ibv_sge sge;
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.ud.remote_qkey = VT_UD_QKEY,
	};
	struct vt_uffd late;
	struct vt_link link;
	struct vt_timed_call call;

	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_host, SIZE, ACCESS, &opts));
	ASSERT_EQ(0, vt_uffd_begin(&late, link.there.mem.addr, SIZE));
	sge = vt_sge(&link.there, 0, 100);
	wr.wr.ud.ah = link.pair.end[0].ah;
	wr.wr.ud.remote_qpn = link.pair.end[1].qp->qp_num;
	ASSERT_EQ(0, vt_post_send(&link.pair.end[0], &wr));
	ASSERT_EQ(0, vt_uffd_wait(&late, NULL));
	ASSERT_EQ(0, vt_timed_call(&call, destroy_ah, link.pair.end[0].ah));
	link.pair.end[0].ah = NULL;
	EXPECT_EQ(0, vt_link_close(&link));
	vt_uffd_end(&late);
}

/* ---- a process with all kinds of waits, which is killed ---- */

/* Together many more prefetches than there are threads for them. */
#define MRS 40
#define PREFETCHES 10

static void *prefetch_and_wait(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->there, 0, SIZE);

	vt_advise_mr(link->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		     IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	return NULL;
}

static int prefetch_all(struct vt_link *link)
{
	struct ibv_sge sge;
	struct ibv_mr *mr;
	int i, n, ret = 0;

	for (i = 0; i < MRS && !ret; i++) {
		mr = ibv_reg_mr(link->dev.pd, link->there.mem.addr, SIZE,
				ACCESS);
		if (!mr)
			return -errno;
		for (n = 0; n < PREFETCHES && !ret; n++) {
			sge = (struct ibv_sge){ (uintptr_t)mr->addr + n * PAGE,
						PAGE, mr->lkey };
			ret = vt_advise_mr(link->dev.pd,
					   IBV_ADVISE_MR_ADVICE_PREFETCH, 0,
					   &sge, 1);
		}
	}
	return ret;
}

/* More accesses than a process has threads for them, each to another page. */
#define ACCESSES 70
/* The number of these that surely get a thread; other accesses use threads, too. */
#define WAITING 6

static int access_many(struct vt_link *link)
{
	static struct vt_pair pairs[ACCESSES];
	struct ibv_sge sge = vt_sge(&link->here, 0, 100);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.sg_list = &sge,
		.num_sge = 1,
	};
	struct vt_uffd late;
	struct vt_mem mem;
	struct ibv_mr *mr;
	int i, ret;

	ret = vt_mem_alloc(&mem, &vt_mem_host, ACCESSES * PAGE, 0);
	if (!ret)
		ret = vt_uffd_begin(&late, mem.addr, mem.length);
	if (ret)
		return ret;
	mr = ibv_reg_mr(link->dev.pd, mem.addr, mem.length, ACCESS);
	if (!mr)
		return -errno;
	for (i = 0; i < ACCESSES && !ret; i++) {
		ret = vt_pair_open(&pairs[i], &link->dev, NULL);
		if (ret)
			break;
		wr.wr.rdma.remote_addr = (uintptr_t)mem.addr + i * PAGE;
		wr.wr.rdma.rkey = mr->rkey;
		ret = vt_post_send(&pairs[i].end[0], &wr);
	}
	for (i = 0; i < WAITING && !ret; i++)
		ret = vt_uffd_wait(&late, NULL);
	return ret;
}

/* Starts each operation on late pages with its own link, then prefetches. */
static int start_all_waits(int socket)
{
	static struct vt_access_run runs[VT_NUM_ACCESS_OPS];
	static struct vt_link links[VT_NUM_ACCESS_OPS];
	struct vt_pair_opts opts = { 0 };
	struct vt_uffd late;
	pthread_t thread;
	int i, ret = 0;

	for (i = 0; i < VT_NUM_ACCESS_OPS && !ret; i++) {
		opts.srq = vt_access_ops[i].srq;
		ret = vt_link_open(&links[i], &vt_mem_host, SIZE, ACCESS,
				   &opts);
		if (!ret)
			ret = vt_uffd_begin(&late, links[i].there.mem.addr,
					    SIZE);
		if (ret)
			return ret;
		runs[i] = (struct vt_access_run){
			.op = &vt_access_ops[i], .link = &links[i],
			.part = part,
		};
		ret = vt_access_start(&runs[i]);
		if (!ret)
			ret = vt_uffd_wait(&late, NULL);
		/* The wait must not end with this process: the test keeps a duplicate. */
		if (!ret)
			ret = vt_send_fd(socket, late.fd);
	}
	if (!ret)
		ret = prefetch_all(&links[0]);
	if (!ret)
		ret = access_many(&links[0]);
	if (!ret)
		ret = -pthread_create(&thread, NULL, prefetch_and_wait,
				      &links[1]);
	usleep(300000);
	return ret;
}

FIXTURE(waiting)
{
	struct vt_waiter waiter;
	int fds[VT_NUM_ACCESS_OPS];
};

FIXTURE_SETUP(waiting)
{
	int i;

	ASSERT_EQ(0, vt_waiter_start(&self->waiter, start_all_waits));
	for (i = 0; i < VT_NUM_ACCESS_OPS; i++) {
		self->fds[i] = vt_recv_fd(self->waiter.socket);
		ASSERT_LE(0, self->fds[i]);
	}
	ASSERT_EQ(0, vt_waiter_ready(&self->waiter));
}

FIXTURE_TEARDOWN(waiting)
{
	int i;

	EXPECT_EQ(0, vt_waiter_kill(&self->waiter));
	for (i = 0; i < VT_NUM_ACCESS_OPS; i++)
		close(self->fds[i]);
}

/* The teardown kills the process. */
TEST_F_TIMEOUT(waiting, is_killed, 300)
{
	EXPECT_EQ(0, kill(self->waiter.pid, 0));
}

static int prefetch_there(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->there, 0, SIZE);

	return vt_advise_mr(link->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
			    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
}

static int write_there(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->here, 0, SIZE);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

TEST_F_TIMEOUT(waiting, delays_nobody, 300)
{
	struct vt_link link;
	struct vt_timed_call call;

	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_host, SIZE, ACCESS, NULL));
	ASSERT_EQ(0, vt_timed_call(&call, write_there, &link));
	ASSERT_EQ(0, madvise(link.there.mem.addr, SIZE, MADV_DONTNEED));
	ASSERT_EQ(0, vt_timed_call(&call, prefetch_there, &link));
	EXPECT_EQ(0, vt_link_close(&link));
}

/* ---- prefetches of the same process ---- */

FIXTURE(prefetches)
{
	VT_LINK;
	struct vt_uffd late;
};

/* Prefetches each page separately. */
FIXTURE_SETUP(prefetches)
{
	struct ibv_sge sge;
	uint64_t at;

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, ACCESS,
				  NULL));
	ASSERT_EQ(0, vt_uffd_begin(&self->late, self->there.mem.addr, SIZE));
	for (at = 0; at < SIZE; at += PAGE) {
		sge = vt_sge(&self->there, at, PAGE);
		ASSERT_EQ(0, vt_advise_mr(self->dev.pd,
					  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					  0, &sge, 1));
	}
	ASSERT_EQ(0, vt_uffd_wait(&self->late, NULL));
}

FIXTURE_TEARDOWN(prefetches)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	vt_uffd_end(&self->late);
}

/* An access is served before prefetches that are queued. */
TEST_F_TIMEOUT(prefetches, access_comes_first, 120)
{
	struct vt_access_run run = {
		.op = &vt_access_ops[0], .link = &self->link,
		.part = { 0, SIZE - PAGE, 100 },
	};
	uint8_t *page;

	ASSERT_EQ(0, vt_access_start(&run));
	do {
		ASSERT_EQ(0, vt_uffd_wait(&self->late, &page));
	} while (page != self->there.mem.addr + SIZE - PAGE);
	ASSERT_EQ(0, vt_uffd_fill(&self->late, self->there.shadow));
	EXPECT_EQ(0, vt_access_end(&run));
}

/* ---- asynchronous prefetches ---- */

/* Far enough apart that no two prefetches share a window. */
#define ASYNC_PREFETCHES 64
#define APART (16 * PAGE)

FIXTURE(async)
{
	VT_LINK;
	struct vt_uffd late;
};

FIXTURE_SETUP(async)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host,
				  ASYNC_PREFETCHES * APART, ACCESS, NULL));
	ASSERT_EQ(0, vt_uffd_begin(&self->late, self->there.mem.addr,
				   ASYNC_PREFETCHES * APART));
}

FIXTURE_TEARDOWN(async)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	vt_uffd_end(&self->late);
}

/* An MR has at most 16 of them at a time; further ones are dropped. */
TEST_F_TIMEOUT(async, dropped_above_limit, 120)
{
	struct vt_mr_counters counters;
	struct ibv_sge sge;
	uint64_t at;

	for (at = 0; at < ASYNC_PREFETCHES * APART; at += APART) {
		sge = vt_sge(&self->there, at, PAGE);
		ASSERT_EQ(0, vt_advise_mr(self->dev.pd,
					  IBV_ADVISE_MR_ADVICE_PREFETCH, 0,
					  &sge, 1));
	}
	ASSERT_EQ(0, vt_uffd_wait(&self->late, NULL));
	ASSERT_EQ(0, vt_uffd_fill(&self->late, self->there.shadow));
	sge = vt_sge(&self->there, 0, ASYNC_PREFETCHES * APART);
	ASSERT_EQ(0, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_LE(1, counters.faults);
	EXPECT_GE(16 + 1, counters.faults);
}

TEST_HARNESS_MAIN
