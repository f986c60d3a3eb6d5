// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * dma-bufs whose exporter moves them with an engine. The exporter maps the buffer
 * before the bytes have arrived, and a fence (DMA_RESV_USAGE_KERNEL) signals their
 * arrival. An RDMA access waits for that fence without holding a lock. The wait also
 * ends when the MR, the process or the buffer ends.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/access_ops.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "lib/revoked.h"
#include "lib/test_dmabuf.h"

/*
 * A fault on a dma-buf resolves a large entry of the page table. The rest of the buffer
 * needs another fault.
 */
#define WINDOW large_entry_size()
#define SIZE (WINDOW + 64 * page_size())

/* An operation that has not ended after this time waits for a fence. */
#define WAITS_MS (vt_slow_kernel() ? 300 : 100)
/* A call that does not wait for a fence ends within this time. */
#define PROMPT_MS 5000
/* If a call does wait, the watchdog signals all fences after this time. */
#define WATCHDOG_MS 8000

FIXTURE(fence)
{
	VT_LINK;
};

FIXTURE_VARIANT(fence)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(fence, at_use) { .kind = &vt_mem_engine };
FIXTURE_VARIANT_ADD(fence, at_move) { .kind = &vt_mem_engine_eager };
FIXTURE_VARIANT_ADD(fence, iomem) { .kind = &vt_mem_engine_iomem };
FIXTURE_VARIANT_ADD(fence, fixed) { .kind = &vt_mem_engine_fixed };

typedef FIXTURE_DATA(fence) fence_t;

static int open_link(struct vt_link *link, const struct vt_mem_kind *kind)
{
	struct vt_pair_opts opts = { .srq = true };

	return vt_link_open(link, kind, SIZE, 0, &opts);
}

FIXTURE_SETUP(fence)
{
	ASSERT_EQ(0, open_link(&self->link, variant->kind));
}

static void close_link(struct __test_metadata *_metadata, fence_t *self)
{
	struct vt_mem mem = {
		.fd = dup(self->there.mem.fd),
		.dmabuf = dup(self->there.mem.dmabuf),
	};
	struct peer_test_dmabuf_stats stats;

	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_test_dmabuf_finish(&mem));
	EXPECT_EQ(0, vt_test_dmabuf_stats(&mem, &stats));
	EXPECT_EQ(0, stats.attached);
	EXPECT_EQ(0, stats.mapped);
	EXPECT_EQ(0, stats.accesses);
	EXPECT_EQ(0, stats.pending);
	EXPECT_EQ(0, stats.wrong);
	close(mem.dmabuf);
	close(mem.fd);
}

/* Deadline of an access, in milliseconds; only in builds with hold points. */
#define DEADLINE "/sys/kernel/debug/ib_peer_mem/fault_timeout_ms"

FIXTURE_TEARDOWN(fence)
{
	vt_write_file(DEADLINE, "60000");
	vt_test_dmabuf_finish(&self->there.mem);
	close_link(_metadata, self);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static bool is_fixed(const fence_t *self)
{
	return self->there.mem.kind == &vt_mem_engine_fixed;
}

/* ---- moves ---- */

static int deregister(fence_t *self)
{
	int ret = vt_dereg_mem(&self->there.mem, self->there.mr);

	self->there.mr = NULL;
	return ret;
}

static int register_again(fence_t *self)
{
	self->there.mr = vt_reg_mem(self->dev.pd, &self->there.mem, 0, SIZE,
				    self->there.iova, VT_ACCESS_DMABUF);
	return self->there.mr ? 0 : -errno;
}

static int move(fence_t *self)
{
	struct vt_mem *mem = &self->there.mem;

	return ioctl(mem->fd, PEER_TEST_DMABUF_MOVE, mem->dmabuf) ? -errno : 0;
}

/* Moves the buffer. A fixed buffer is deregistered for that. */
static int evict(fence_t *self)
{
	int ret = is_fixed(self) ? deregister(self) : 0;

	if (!ret)
		ret = move(self);
	if (!ret && is_fixed(self))
		ret = register_again(self);
	return ret;
}

/* Moves the buffer; the copy does not end before vt_test_dmabuf_finish(). */
static int evict_and_hold(fence_t *self)
{
	int ret = vt_test_dmabuf_speed(&self->there.mem,
				       PEER_TEST_DMABUF_UNTIL_FINISH);

	return ret ? ret : evict(self);
}

static int pending(const fence_t *self)
{
	struct peer_test_dmabuf_stats stats;
	int ret = vt_test_dmabuf_stats(&self->there.mem, &stats);

	return ret ? ret : (int)stats.pending;
}

/* ---- operations ---- */

#define PARTS 5

static struct vt_part parts[PARTS];
/* After an access to the first part the buffer is mapped; the second needs a fault. */
static const struct vt_part first_window = { 0, 100, 5000 };
static struct vt_part second_window;

__attribute__((constructor)) static void set_parts(void)
{
	const struct vt_part all[PARTS] = {
		{ 0, 0, 1 },
		{ 3, page_size() - 1, 2 },	/* across a page boundary */
		{ 100, 4000, 20000 },
		{ 77, WINDOW - 5000, 12000 },
		{ 4096, SIZE - 5, 5 },		/* the last bytes */
	};

	memcpy(parts, all, sizeof(parts));
	second_window = (struct vt_part){ 9, WINDOW + 100, 5000 };
}

/* Skips FLUSH: an MR over a dma-buf does not allow it. */
static const struct vt_access_op *next_op(const struct vt_access_op *op)
{
	op = op ? op + 1 : vt_access_ops;
	if (op->name && !strcmp(op->name, "flush_after_write"))
		op++;
	return op->name ? op : NULL;
}

#define for_each_op(op) for (op = next_op(NULL); op; op = next_op(op))

#define OPS (VT_NUM_ACCESS_OPS - 1)

static const struct vt_access_op *find_op(const char *name)
{
	const struct vt_access_op *op = vt_access_ops;

	while (strcmp(op->name, name))
		op++;
	return op;
}

/* Starts an operation. It is a failure if the operation does not wait for the fence. */
static void start_waiting(struct __test_metadata *_metadata, fence_t *self,
			  struct vt_access_run *run,
			  const struct vt_access_op *what)
{
	*run = (struct vt_access_run){
		.op = what, .link = &self->link, .part = parts[2],
	};
	ASSERT_EQ(0, vt_access_start(run));
	EXPECT_FALSE(vt_access_done(run, WAITS_MS))
		TH_LOG("%s did not wait: %d", what->name, run->status);
}

/* A thread that signals all fences if a call waits for them that must not. */
struct watchdog {
	pthread_t thread;
	struct vt_mem *mem;
	atomic_bool over;
	int64_t start;
};

static void *watchdog_run(void *arg)
{
	struct watchdog *watchdog = arg;

	while (!atomic_load(&watchdog->over)) {
		if (vt_now_ms() - watchdog->start > WATCHDOG_MS)
			vt_test_dmabuf_finish(watchdog->mem);
		usleep(5000);
	}
	return NULL;
}

static int watchdog_start(struct watchdog *watchdog, struct vt_mem *mem)
{
	*watchdog = (struct watchdog){ .mem = mem, .start = vt_now_ms() };
	return -pthread_create(&watchdog->thread, NULL, watchdog_run, watchdog);
}

/* Return: time since the start, in milliseconds. */
static int64_t watchdog_stop(struct watchdog *watchdog)
{
	int64_t took = vt_now_ms() - watchdog->start;

	atomic_store(&watchdog->over, true);
	pthread_join(watchdog->thread, NULL);
	return took;
}

/* ---- data after moves ---- */

static void run_all(struct __test_metadata *_metadata, fence_t *self,
		    unsigned int moves)
{
	const struct vt_access_op *op;
	unsigned int n;
	size_t part;

	for_each_op(op) {
		for (part = 0; part < PARTS; part++) {
			for (n = 0; n < moves; n++)
				ASSERT_EQ(0, evict(self));
			ASSERT_EQ(0, op->run(&self->link, &parts[part]))
				TH_LOG("%s, part %zu", op->name, part);
		}
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(fence, bytes_after_move, 120)
{
	struct peer_test_dmabuf_stats stats;

	run_all(_metadata, self, 1);
	ASSERT_EQ(0, vt_test_dmabuf_stats(&self->there.mem, &stats));
	EXPECT_LE(OPS * PARTS, stats.copies);
}

TEST_F_TIMEOUT(fence, bytes_after_two_moves, 120)
{
	ASSERT_EQ(0, vt_test_dmabuf_speed(&self->there.mem, 50));
	run_all(_metadata, self, 2);
}

/* ---- a fence that stays pending ---- */

TEST_F_TIMEOUT(fence, access_waits_without_delaying_others, 120)
{
	const struct vt_access_op *op, *meanwhile;
	struct vt_access_run run;
	struct vt_link other;
	int64_t start;

	ASSERT_EQ(0, open_link(&other, &vt_mem_moving));
	for_each_op(op) {
		ASSERT_EQ(0, evict_and_hold(self));
		start_waiting(_metadata, self, &run, op);
		EXPECT_LE(1, pending(self));
		start = vt_now_ms();
		for_each_op(meanwhile)
			EXPECT_EQ(0, meanwhile->run(&other, &parts[2]));
		EXPECT_GT(PROMPT_MS, vt_now_ms() - start);
		EXPECT_FALSE(atomic_load(&run.done));
		ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
		ASSERT_EQ(0, vt_access_end(&run))
			TH_LOG("%s", op->name);
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_link_close(&other));
}

/* One MR with a queue pair for each operation, so that faults wait concurrently. */
TEST_F_TIMEOUT(fence, all_accesses_wait_at_once, 120)
{
	struct vt_pair_opts opts = { .srq = true };
	struct vt_access_run runs[OPS] = { 0 };
	struct vt_access_run *run = runs;
	const struct vt_access_op *op;
	struct vt_link links[OPS];

	for_each_op(op) {
		struct vt_link *link = &links[run - runs];

		*link = self->link;
		ASSERT_EQ(0, vt_pair_open(&link->pair, &self->dev, &opts));
		ASSERT_EQ(0, vt_buf_open(&link->here, &self->dev,
					 &vt_mem_host, SIZE, NULL));
		vt_buf_fill(&link->here, 100 + (run - runs));
		run->op = op;
		run->link = link;
		/* An operation also compares the pages around its part: keep distance. */
		run->part = (struct vt_part){ 50, 1001 + (run - runs) * 40000,
					      20000 };
		run++;
	}
	ASSERT_EQ(0, evict_and_hold(self));
	for (run = runs; run < runs + OPS; run++) {
		run->link->there = self->there;
		ASSERT_EQ(0, vt_access_start(run));
	}
	for (run = runs; run < runs + OPS; run++)
		EXPECT_FALSE(vt_access_done(run, WAITS_MS));
	EXPECT_EQ(1, pending(self));
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	for (run = runs; run < runs + OPS; run++) {
		EXPECT_EQ(0, vt_access_end(run));
		EXPECT_EQ(0, vt_buf_check_all(&run->link->here));
		EXPECT_EQ(0, vt_buf_close(&run->link->here));
		vt_pair_close(&run->link->pair);
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* The exporter can lock its reservation and move the buffer; the wait continues. */
TEST_F_TIMEOUT(fence, moved_again_while_waiting, 120)
{
	const struct vt_access_op *op;
	struct vt_access_run run;
	struct watchdog watchdog;
	int tries;

	if (is_fixed(self))
		DOES_NOT_APPLY(return, "this buffer does not move");
	for_each_op(op) {
		ASSERT_EQ(0, evict_and_hold(self));
		start_waiting(_metadata, self, &run, op);
		ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
		EXPECT_LE(1, pending(self));
		EXPECT_EQ(0, move(self));
		EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
		EXPECT_FALSE(vt_access_done(&run, WAITS_MS));
		/* The copy of the second move may begin only now. */
		for (tries = 0; tries < 50; tries++) {
			ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
			if (vt_access_done(&run, 100))
				break;
		}
		ASSERT_EQ(0, vt_access_end(&run))
			TH_LOG("%s", op->name);
	}
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* A registration maps the buffer, but does not wait for its bytes. */
TEST_F_TIMEOUT(fence, registered_while_pending, 60)
{
	struct watchdog watchdog;

	ASSERT_EQ(0, deregister(self));
	ASSERT_EQ(0, vt_test_dmabuf_speed(&self->there.mem,
					  PEER_TEST_DMABUF_UNTIL_FINISH));
	ASSERT_EQ(0, move(self));
	ASSERT_EQ(0, vt_test_dmabuf_fence(&self->there.mem,
					  PEER_TEST_DMABUF_FENCE_READ));
	ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
	ASSERT_EQ(0, register_again(self));
	EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
	EXPECT_EQ(2, pending(self));
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	EXPECT_EQ(0, find_op("read_from")->run(&self->link, &parts[2]));
}

/* ---- what ends the wait ---- */

TEST_F_TIMEOUT(fence, deregistered_while_waiting, 240)
{
	const struct vt_access_op *op;
	struct vt_access_run run;
	struct watchdog watchdog;
	int64_t took;

	for_each_op(op) {
		ASSERT_EQ(0, evict_and_hold(self));
		start_waiting(_metadata, self, &run, op);
		ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
		EXPECT_EQ(0, deregister(self));
		took = watchdog_stop(&watchdog);
		EXPECT_GT(PROMPT_MS, took)
			TH_LOG("%s: %lld ms", op->name, (long long)took);
		EXPECT_LE(1, pending(self));
		EXPECT_LT(0, vt_access_end(&run))
			TH_LOG("%s", op->name);
		ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
		ASSERT_EQ(0, register_again(self));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
	}
}

/* The exporter revokes the buffer; its engine never signals the fence. */
TEST_F_TIMEOUT(fence, revoked_while_waiting, 240)
{
	const struct vt_access_op *op;
	struct vt_access_run run;
	struct watchdog watchdog;

	if (is_fixed(self))
		DOES_NOT_APPLY(return, "this buffer cannot be revoked");
	for_each_op(op) {
		ASSERT_EQ(0, evict_and_hold(self));
		start_waiting(_metadata, self, &run, op);
		ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
		EXPECT_EQ(0, vt_mem_revoke(&self->there.mem));
		EXPECT_TRUE(vt_access_done(&run, PROMPT_MS))
			TH_LOG("%s", op->name);
		EXPECT_LE(1, pending(self));
		EXPECT_LT(0, vt_access_end(&run))
			TH_LOG("%s", op->name);
		EXPECT_EQ(0, vt_count_not_revoked(&self->dev, &self->there));
		EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
		close_link(_metadata, self);
		ASSERT_EQ(0, open_link(&self->link, variant->kind));
	}
}

/*
 * Another process with its own device, queue pair and MR over the buffer. After setup
 * it writes to @ready, waits for @go, and starts the access that waits for the fence.
 */
struct victim {
	struct vt_mem *mem;
	const struct vt_access_op *op;	/* NULL: a prefetch */
	bool mr_first;			/* create the MR first: its QP is destroyed first */
	int ready[2];
	int go[2];
};

static int victim_access(struct victim *victim, struct vt_link *link)
{
	struct ibv_sge all = { 0, SIZE, link->there.mr->lkey };
	char byte = 0;

	if (write(victim->ready[1], &byte, 1) != 1 ||
	    read(victim->go[0], &byte, 1) != 1)
		return -EIO;
	if (victim->op)
		return victim->op->run(link, &parts[2]);
	return vt_advise_mr(link->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &all, 1);
}

static int victim_run(struct victim *victim)
{
	struct vt_pair_opts opts = { .srq = true };
	struct vt_link link = { 0 };
	int ret = vt_dev_open(&link.dev);

	if (!ret && !victim->mr_first)
		ret = vt_pair_open(&link.pair, &link.dev, &opts);
	if (!ret)
		ret = vt_buf_open(&link.here, &link.dev, &vt_mem_host, SIZE,
				  NULL);
	link.there.mem = *victim->mem;
	link.there.shadow = calloc(1, SIZE);
	link.there.mr = vt_reg_mem(link.dev.pd, victim->mem, 0, SIZE, 0,
				   VT_ACCESS_DMABUF);
	if (!link.there.mr || !link.there.shadow)
		return 2;
	if (!ret && victim->mr_first)
		ret = vt_pair_open(&link.pair, &link.dev, &opts);
	if (!ret)
		ret = victim_access(victim, &link);
	return ret ? 1 : 0;
}

/* Waits until the process is ready. Return: its pid or -errno. */
static pid_t victim_start(struct victim *victim)
{
	char byte;
	pid_t pid;

	if (pipe(victim->ready) || pipe(victim->go))
		return -errno;
	fflush(NULL);
	pid = fork();
	if (!pid)
		_exit(victim_run(victim));
	close(victim->ready[1]);
	close(victim->go[0]);
	return read(victim->ready[0], &byte, 1) == 1 ? pid : -EPIPE;
}

static int victim_go(struct victim *victim)
{
	int ret = write(victim->go[1], "", 1) == 1 ? 0 : -errno;

	close(victim->ready[0]);
	close(victim->go[1]);
	return ret;
}

/* Kills the process while it waits for a fence. */
static void kill_victim(struct __test_metadata *_metadata, fence_t *self,
			struct victim *victim)
{
	struct watchdog watchdog;
	pid_t pid;

	ASSERT_EQ(0, vt_test_dmabuf_speed(&self->there.mem,
					  PEER_TEST_DMABUF_UNTIL_FINISH));
	/* A fixed buffer can move only while no importer has it mapped. */
	if (is_fixed(self)) {
		ASSERT_EQ(0, deregister(self));
		ASSERT_EQ(0, move(self));
	}
	victim->mem = &self->there.mem;
	pid = victim_start(victim);
	ASSERT_LT(0, pid);
	if (!is_fixed(self))
		ASSERT_EQ(0, move(self));
	ASSERT_EQ(0, victim_go(victim));
	usleep(WAITS_MS * 1000);
	EXPECT_LE(1, pending(self));
	ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
	EXPECT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, WATCHDOG_MS + PROMPT_MS));
	EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog))
		TH_LOG("%s", victim->op ? victim->op->name : "prefetch");
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	if (is_fixed(self))
		ASSERT_EQ(0, register_again(self));
}

static void kill_each(struct __test_metadata *_metadata, fence_t *self,
		      const char *const *names, bool mr_first)
{
	struct victim victim = { .mr_first = mr_first };

	for (; *names; names++) {
		victim.op = find_op(*names);
		kill_victim(_metadata, self, &victim);
	}
}

static const char *const responder[] = { "write_to", "read_from", NULL };
static const char *const requester[] = { "write_from", "read_to", NULL };

TEST_F_TIMEOUT(fence, killed_while_responder_waits, 120)
{
	kill_each(_metadata, self, responder, false);
	kill_each(_metadata, self, responder, true);
}

TEST_F_TIMEOUT(fence, killed_while_requester_waits, 120)
{
	kill_each(_metadata, self, requester, false);
}

/* ---- prefetch ---- */

TEST_F_TIMEOUT(fence, prefetch_killed, 60)
{
	struct victim victim = { 0 };

	kill_victim(_metadata, self, &victim);
}

struct prefetch {
	fence_t *self;
	uint32_t flags;
	pthread_t thread;
	atomic_bool done;
	int ret;
};

static void *prefetch_run(void *arg)
{
	struct prefetch *prefetch = arg;
	struct vt_buf *there = &prefetch->self->there;
	struct ibv_sge all = vt_sge(there, 0, SIZE);

	prefetch->ret = vt_advise_mr(prefetch->self->dev.pd,
				     IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				     prefetch->flags, &all, 1);
	atomic_store(&prefetch->done, true);
	return NULL;
}

TEST_F_TIMEOUT(fence, prefetch_waits, 60)
{
	struct prefetch prefetch = {
		.self = self, .flags = IBV_ADVISE_MR_FLAG_FLUSH,
	};
	struct vt_mr_counters before, after;

	ASSERT_EQ(0, evict_and_hold(self));
	ASSERT_EQ(0, pthread_create(&prefetch.thread, NULL, prefetch_run,
				    &prefetch));
	usleep(WAITS_MS * 1000);
	EXPECT_FALSE(atomic_load(&prefetch.done));
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	pthread_join(prefetch.thread, NULL);
	EXPECT_EQ(0, prefetch.ret);

	/* All pages are present. */
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_EQ(0, find_op("write_to")->run(&self->link, &parts[3]));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
}

TEST_F_TIMEOUT(fence, async_prefetch, 60)
{
	struct prefetch prefetch = { .self = self };
	int64_t start = vt_now_ms();
	struct watchdog watchdog;

	ASSERT_EQ(0, evict_and_hold(self));
	prefetch_run(&prefetch);
	EXPECT_EQ(0, prefetch.ret);
	EXPECT_GT(PROMPT_MS, vt_now_ms() - start);
	usleep(WAITS_MS * 1000);
	EXPECT_LE(1, pending(self));

	/* Deregistration ends it. */
	ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
	EXPECT_EQ(0, deregister(self));
	EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	ASSERT_EQ(0, register_again(self));
	EXPECT_EQ(0, find_op("write_to")->run(&self->link, &parts[2]));
}

/* ---- fences without a move ---- */

static int add_fence(fence_t *self, enum peer_test_dmabuf_fence_usage usage)
{
	return vt_test_dmabuf_fence(&self->there.mem, usage);
}

TEST_F_TIMEOUT(fence, user_fences_are_ignored, 60)
{
	const struct vt_access_op *op;
	struct watchdog watchdog;

	ASSERT_EQ(0, evict(self));
	ASSERT_EQ(0, find_op("write_to")->run(&self->link, &first_window));
	ASSERT_EQ(0, add_fence(self, PEER_TEST_DMABUF_FENCE_READ));
	ASSERT_EQ(0, add_fence(self, PEER_TEST_DMABUF_FENCE_WRITE));
	ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
	for_each_op(op)
		EXPECT_EQ(0, op->run(&self->link, &second_window))
			TH_LOG("%s", op->name);
	EXPECT_EQ(2, pending(self));
	EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
}

TEST_F_TIMEOUT(fence, exporter_fence_is_awaited_without_move, 60)
{
	struct vt_access_run run = {
		.op = find_op("write_to"), .link = &self->link,
		.part = second_window,
	};

	ASSERT_EQ(0, evict(self));
	ASSERT_EQ(0, find_op("write_to")->run(&self->link, &first_window));
	ASSERT_EQ(0, add_fence(self, PEER_TEST_DMABUF_FENCE_KERNEL));
	ASSERT_EQ(0, vt_access_start(&run));
	EXPECT_FALSE(vt_access_done(&run, WAITS_MS));
	EXPECT_EQ(1, pending(self));
	ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
	EXPECT_EQ(0, vt_access_end(&run));
}

/* A new mapping begins CPU access, which does not wait for fences of users either. */
TEST_F_TIMEOUT(fence, user_fences_are_ignored_after_move, 60)
{
	const struct vt_access_op *op;
	struct watchdog watchdog;

	if (is_fixed(self))
		DOES_NOT_APPLY(return, "this buffer is mapped once");
	ASSERT_EQ(0, add_fence(self, PEER_TEST_DMABUF_FENCE_READ));
	ASSERT_EQ(0, add_fence(self, PEER_TEST_DMABUF_FENCE_WRITE));
	ASSERT_EQ(0, watchdog_start(&watchdog, &self->there.mem));
	for_each_op(op) {
		ASSERT_EQ(0, move(self));
		EXPECT_EQ(0, op->run(&self->link, &parts[2]))
			TH_LOG("%s", op->name);
	}
	EXPECT_EQ(2, pending(self));
	EXPECT_GT(PROMPT_MS, watchdog_stop(&watchdog));
}

/* ---- the deadline ---- */

#define DEADLINE_MS 1000

/* Waits until a fault has ended after the first @before. Return: true if it has. */
static bool fault_ends(long before)
{
	int64_t until = vt_now_ms() + PROMPT_MS;

	while (vt_faults_ended() <= before && vt_now_ms() < until)
		usleep(1000);
	return vt_faults_ended() > before;
}

/*
 * An access waits until its deadline, then fails; it does not wait again. Nor does its
 * fault continue.
 */
TEST_F_TIMEOUT(fence, access_gives_up, 120)
{
	const struct vt_access_op *op;

	if (vt_write_file(DEADLINE, "1000"))
		SKIP(return, "this build cannot shorten the deadline of 60 seconds");
	for_each_op(op) {
		int64_t start = vt_now_ms();
		long before;

		ASSERT_EQ(0, evict_and_hold(self));
		before = vt_faults_ended();
		EXPECT_LT(0, op->run(&self->link, &parts[2]))
			TH_LOG("%s", op->name);
		EXPECT_TRUE(fault_ends(before))
			TH_LOG("%s", op->name);
		EXPECT_LE(DEADLINE_MS, vt_now_ms() - start)
			TH_LOG("%s", op->name);
		EXPECT_GT(WATCHDOG_MS, vt_now_ms() - start)
			TH_LOG("%s", op->name);
		EXPECT_LE(1, pending(self));
		ASSERT_EQ(0, vt_test_dmabuf_finish(&self->there.mem));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
		vt_buf_fill(&self->there, 2);
	}
}

TEST_HARNESS_MAIN
