// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What can be seen from outside: the counters of each on-demand MR, those of
 * each client, and the tracepoints. Known sequences of accesses must give
 * exactly the figures that docs/observing.md says.
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "trace.h"

#define PAGE 4096UL
#define VRAM_SIZE (64 * 1024)
#define VRAM_PAGES (VRAM_SIZE / PAGE)
/*
 * A fault on host memory takes along what is mapped in so many bytes around, one
 * on device memory what is in the same 2 MiB: all, if it is aligned to this.
 */
#define AROUND (64 * 1024)
#define AROUND_PAGES (AROUND / PAGE)
#define PIECES 16
#define HOST_SIZE (PIECES * AROUND)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define EVENT_OF_EXPORTER (-1)

FIXTURE(stats)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;	/* pinned, the other side */
	struct vt_mem mem;
	uint8_t *base;		/* in mem */
	struct ibv_mr *mr;	/* on demand, from base on */
	struct trace trace;
};

FIXTURE_SETUP(stats)
{
	/*
	 * Who comes again while the first fault ends may count as another one,
	 * so nobody comes before a fault is over, on a slow machine either.
	 */
	struct vt_pair_opts pair = { .timeout = 20, .rnr_timer = 28 };

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host,
				 HOST_SIZE, NULL));
	vt_buf_fill(&self->local, 1);
	ASSERT_EQ(0, trace_start());
	ASSERT_EQ(0, trace_take(&self->trace));
}

FIXTURE_TEARDOWN(stats)
{
	trace_stop();
	if (self->mr)
		EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

typedef FIXTURE_DATA(stats) stats_t;

static int open_mr(stats_t *self, const struct vt_mem_kind *kind, size_t length)
{
	int ret = vt_mem_alloc(&self->mem, kind, length + AROUND, 0);

	if (ret)
		return ret;
	self->base = self->mem.addr;
	self->base += -(uintptr_t)self->base % AROUND;
	if (kind == &vt_mem_host) {
		/* Pages of 2 MiB would make fewer faults. */
		madvise(self->mem.addr, self->mem.length, MADV_NOHUGEPAGE);
		memset(self->base, 0, length);
	}
	self->mr = ibv_reg_mr(self->dev.pd, self->base, length, ON_DEMAND);
	return self->mr ? 0 : -errno;
}

/* Writes a few bytes into the on-demand MR. */
static int touch(stats_t *self, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, 8);
	struct vt_remote to = {
		(uintptr_t)self->base + offset, self->mr->rkey
	};

	return vt_rdma_write(&self->pair.end[0], &sge, 1, to);
}

static int fetch(stats_t *self, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, 8);
	struct vt_remote from = {
		(uintptr_t)self->base + offset, self->mr->rkey
	};

	return vt_rdma_read(&self->pair.end[0], &sge, 1, from);
}

static int move_to(stats_t *self, enum peer_vram_domain domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move),
		.handle = self->mem.handle,
		.domain = domain,
	};

	return ioctl(self->mem.fd, PEER_VRAM_IOC_MOVE, &move) ? -errno : 0;
}

/* ---- rdma statistic show mr ---- */

/* When so many faults are over; an access may end before its fault does. */
static int wait_mr_counters(struct vt_mr_counters *counters,
			    unsigned long faults)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	int ret;

	do {
		ret = vt_mr_counters_read(counters);
	} while (!ret && counters->faults < faults && vt_now_ms() < until);
	return ret;
}

#define EXPECT_COUNTERS(want_faults, want_invalidations, want_prefetch)	\
do {									\
	struct vt_mr_counters got;					\
									\
	ASSERT_EQ(0, wait_mr_counters(&got, want_faults));		\
	EXPECT_EQ((unsigned long)(want_faults), got.faults);		\
	EXPECT_EQ((unsigned long)(want_invalidations), got.invalidations); \
	EXPECT_EQ((unsigned long)(want_prefetch), got.prefetch);	\
} while (0)

TEST_F_TIMEOUT(stats, pinned_has_no_counters, 120)
{
	struct vt_mr_counters got;

	EXPECT_EQ(-ENOENT, vt_mr_counters_read(&got));
}

TEST_F_TIMEOUT(stats, host_faults_and_invalidations, 120)
{
	unsigned int i;

	ASSERT_EQ(0, open_mr(self, &vt_mem_host, HOST_SIZE));
	EXPECT_COUNTERS(0, 0, 0);
	for (i = 0; i < PIECES; i++)
		ASSERT_EQ(0, touch(self, i * AROUND));
	EXPECT_COUNTERS(PIECES, 0, 0);
	/* They are there now. */
	for (i = 0; i < PIECES; i++)
		ASSERT_EQ(0, touch(self, i * AROUND + 100));
	EXPECT_COUNTERS(PIECES, 0, 0);

	/* Of the pages that go, those count that the MR had. */
	ASSERT_EQ(0, madvise(self->base, 5 * AROUND, MADV_DONTNEED));
	EXPECT_COUNTERS(PIECES, 5 * AROUND_PAGES, 0);
	ASSERT_EQ(0, madvise(self->base, 5 * AROUND, MADV_DONTNEED));
	EXPECT_COUNTERS(PIECES, 5 * AROUND_PAGES, 0);
	for (i = 0; i < PIECES; i++)
		ASSERT_EQ(0, touch(self, i * AROUND));
	EXPECT_COUNTERS(PIECES + 5, 5 * AROUND_PAGES, 0);
}

TEST_F_TIMEOUT(stats, host_prefetch, 120)
{
	struct vt_mr_counters before, after;
	struct ibv_sge sge;
	unsigned int i;

	ASSERT_EQ(0, open_mr(self, &vt_mem_host, HOST_SIZE));
	/* From the last byte of a page to the first of another: 16 pages. */
	sge = (struct ibv_sge){
		.addr = (uintptr_t)self->base + 3 * PAGE - 1,
		.length = 14 * PAGE + 2,
		.lkey = self->mr->lkey,
	};
	ASSERT_EQ(0, vt_advise_mr(self->dev.pd,
				  IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_EQ(16, before.prefetch);
	/* Who comes now finds them. */
	for (i = 2; i < 18; i++)
		ASSERT_EQ(0, touch(self, i * PAGE));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
	EXPECT_EQ(16, after.prefetch);
}

TEST_F_TIMEOUT(stats, vram, 120)
{
	unsigned int i;

	ASSERT_EQ(0, open_mr(self, &vt_mem_vram, VRAM_SIZE));
	/* The first brings all. */
	for (i = 0; i < VRAM_PAGES; i++)
		ASSERT_EQ(0, touch(self, i * PAGE));
	EXPECT_COUNTERS(1, 0, 0);
	ASSERT_EQ(0, move_to(self, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_COUNTERS(1, VRAM_PAGES, 0);
	ASSERT_EQ(0, touch(self, 0));
	EXPECT_COUNTERS(2, VRAM_PAGES, 0);
}

/* ---- /sys/kernel/mm/memory_peers ---- */

static int read_client_counter(const char *name, unsigned long *value)
{
	char path[256];
	FILE *file;
	int n;

	snprintf(path, sizeof(path),
		 "/sys/kernel/mm/memory_peers/peer_vram/num_%s", name);
	file = fopen(path, "re");
	if (!file)
		return -errno;
	n = fscanf(file, "%lu", value);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

enum client_counter {
	ALLOC_MRS, DEALLOC_MRS, REG_PAGES, DEREG_PAGES, REG_BYTES, DEREG_BYTES,
	FREE_CALLBACKS, FAULTS, INVALIDATIONS, CLIENT_COUNTERS
};

struct client_counters {
	unsigned long at[CLIENT_COUNTERS];
};

static int read_client(struct client_counters *counters)
{
	static const char *const names[CLIENT_COUNTERS] = {
		"alloc_mrs", "dealloc_mrs", "reg_pages", "dereg_pages",
		"reg_bytes", "dereg_bytes", "free_callbacks", "faults",
		"invalidations"
	};
	int i, ret = 0;

	for (i = 0; i < CLIENT_COUNTERS && !ret; i++)
		ret = read_client_counter(names[i], &counters->at[i]);
	return ret;
}

/* How much a counter has grown since *before, or ULONG_MAX. */
static unsigned long grown(const struct client_counters *before,
			   enum client_counter counter)
{
	struct client_counters now;

	if (read_client(&now))
		return -1UL;
	return now.at[counter] - before->at[counter];
}

/* The same, when faults are over. */
static unsigned long grown_faults(const struct client_counters *before,
				  unsigned long want)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	unsigned long n;

	do {
		n = grown(before, FAULTS);
	} while (n < want && vt_now_ms() < until);
	return n;
}

TEST_F_TIMEOUT(stats, client_counters, 120)
{
	struct client_counters before;

	ASSERT_EQ(0, read_client(&before));
	ASSERT_EQ(0, open_mr(self, &vt_mem_vram, VRAM_SIZE));
	/* Nobody came yet, so nobody was asked. */
	EXPECT_EQ(0, grown(&before, ALLOC_MRS));
	ASSERT_EQ(0, touch(self, 0));
	EXPECT_EQ(1, grown(&before, ALLOC_MRS));
	EXPECT_EQ(VRAM_PAGES, grown(&before, REG_PAGES));
	EXPECT_EQ(VRAM_SIZE, grown(&before, REG_BYTES));
	EXPECT_EQ(1, grown_faults(&before, 1));
	EXPECT_EQ(0, grown(&before, INVALIDATIONS));

	ASSERT_EQ(0, move_to(self, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(1, grown(&before, INVALIDATIONS));
	ASSERT_EQ(0, fetch(self, 0));
	EXPECT_EQ(2, grown_faults(&before, 2));
	EXPECT_EQ(1, grown(&before, ALLOC_MRS));
	EXPECT_EQ(0, grown(&before, FREE_CALLBACKS));

	ASSERT_EQ(0, vt_mem_revoke(&self->mem));
	EXPECT_EQ(1, grown(&before, FREE_CALLBACKS));
	ASSERT_EQ(0, ibv_dereg_mr(self->mr));
	self->mr = NULL;
	EXPECT_EQ(1, grown(&before, DEALLOC_MRS));
	EXPECT_EQ(VRAM_PAGES, grown(&before, DEREG_PAGES));
	EXPECT_EQ(VRAM_SIZE, grown(&before, DEREG_BYTES));
}

/* ---- tracepoints ---- */

/* What came since the last time; an access may end before its fault does. */
static int take_fault(stats_t *self)
{
	return trace_take_until(&self->trace, "fault", VT_TIMEOUT_MS);
}

static long long address(stats_t *self, uint64_t offset)
{
	return (uintptr_t)self->base + offset;
}

/*
 * The only fault since the last time, and the publication that came of it. An
 * answer that became old before it could be published (ret=-11) is asked for
 * again: to bring a page an exporter may have to move others.
 */
static int traced_fault(stats_t *self, uint64_t offset, bool write,
			const struct trace_event **publish)
{
	const struct trace_event *fault;
	int ret = take_fault(self);
	int n = 0;

	if (ret)
		return ret;
	fault = trace_find(&self->trace, "fault", 0);
	do {
		*publish = trace_find(&self->trace, "publish", n++);
	} while (trace_dec(*publish, "ret") == -EAGAIN);
	if (!fault || !*publish || trace_find(&self->trace, "fault", 1) ||
	    trace_find(&self->trace, "publish", n))
		return -ENOENT;
	if (trace_hex(fault, "umem") != trace_hex(*publish, "umem") ||
	    trace_hex(fault, "addr") != address(self, offset) ||
	    trace_hex(fault, "length") != PAGE ||
	    trace_dec(fault, "write") != write ||
	    trace_dec(fault, "ret") != 0 || trace_dec(*publish, "ret") != 0)
		return -EILSEQ;
	return 0;
}

#define ASSERT_TRACED(call)						\
do {									\
	int traced = (call);						\
									\
	if (traced)							\
		trace_print(&self->trace);				\
	ASSERT_EQ(0, traced);						\
} while (0)

TEST_F_TIMEOUT(stats, trace_vram, 120)
{
	const struct trace_event *event;

	ASSERT_EQ(0, open_mr(self, &vt_mem_vram, VRAM_SIZE));
	ASSERT_EQ(0, touch(self, 3 * PAGE));
	ASSERT_TRACED(traced_fault(self, 3 * PAGE, true, &event));
	EXPECT_EQ(address(self, 0), trace_hex(event, "addr"));
	EXPECT_EQ(VRAM_PAGES, trace_dec(event, "pages"));
	EXPECT_EQ(1, trace_dec(event, "device"));

	ASSERT_EQ(0, move_to(self, PEER_VRAM_DOMAIN_SYSTEM));
	ASSERT_EQ(0, trace_take(&self->trace));
	/* The CPU's page table has lost them, and the exporter says so too. */
	for (int n = 0; (event = trace_find(&self->trace, "invalidate", n)); n++)
		if (trace_dec(event, "event") == EVENT_OF_EXPORTER)
			break;
	ASSERT_TRUE(event);
	EXPECT_EQ(address(self, 0), trace_hex(event, "first"));
	EXPECT_EQ(address(self, VRAM_SIZE - 1), trace_hex(event, "last"));

	ASSERT_EQ(0, fetch(self, 5 * PAGE));
	ASSERT_TRACED(traced_fault(self, 5 * PAGE, false, &event));

	ASSERT_EQ(0, vt_mem_revoke(&self->mem));
	ASSERT_EQ(0, trace_take(&self->trace));
	event = trace_find(&self->trace, "region_dead", 0);
	ASSERT_TRUE(event);
	EXPECT_EQ(address(self, 0), trace_hex(event, "start"));
	EXPECT_EQ(VRAM_SIZE, trace_hex(event, "length"));
}

TEST_F_TIMEOUT(stats, trace_host, 120)
{
	const struct trace_event *event;

	ASSERT_EQ(0, open_mr(self, &vt_mem_host, HOST_SIZE));
	ASSERT_EQ(0, touch(self, 7 * PAGE));
	ASSERT_TRACED(traced_fault(self, 7 * PAGE, true, &event));
	EXPECT_EQ(address(self, 0), trace_hex(event, "addr"));
	EXPECT_EQ(AROUND_PAGES, trace_dec(event, "pages"));
	EXPECT_EQ(0, trace_dec(event, "device"));

	ASSERT_EQ(0, madvise(self->base + 4 * PAGE, 4 * PAGE,
			     MADV_DONTNEED));
	ASSERT_EQ(0, trace_take(&self->trace));
	event = trace_find(&self->trace, "invalidate", 0);
	ASSERT_TRUE(event);
	EXPECT_EQ(address(self, 4 * PAGE), trace_hex(event, "first"));
	EXPECT_EQ(address(self, 8 * PAGE - 1), trace_hex(event, "last"));
	EXPECT_LE(0, trace_dec(event, "event"));
}

/* A fault that fails is there as well: memory that is mapped no more. */
TEST_F_TIMEOUT(stats, trace_failure, 120)
{
	const struct trace_event *event;

	ASSERT_EQ(0, open_mr(self, &vt_mem_host, HOST_SIZE));
	ASSERT_EQ(0, munmap(self->base, PAGE));
	ASSERT_EQ(0, trace_take(&self->trace));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, touch(self, 0));
	ASSERT_EQ(0, take_fault(self));
	event = trace_find(&self->trace, "fault", 0);
	ASSERT_TRUE(event);
	EXPECT_EQ(address(self, 0), trace_hex(event, "addr"));
	EXPECT_EQ(-EFAULT, trace_dec(event, "ret"));
	EXPECT_FALSE(trace_find(&self->trace, "publish", 0));
}

/* An owner that takes 50 ms: no less, and no more than all of it took. */
TEST_F_TIMEOUT(stats, trace_microseconds, 120)
{
	const struct trace_event *event;
	int64_t begin, took;

	ASSERT_EQ(0, vt_peerdirect_load("delay_ms=50"));
	ASSERT_EQ(0, open_mr(self, &vt_mem_peerdirect, VRAM_SIZE));
	begin = vt_now_ms();
	EXPECT_EQ(0, touch(self, 0));
	EXPECT_EQ(0, take_fault(self));
	took = vt_now_ms() - begin + 1;
	event = trace_find(&self->trace, "fault", 0);
	EXPECT_LE(50 * 1000, trace_dec(event, "us"));
	EXPECT_GE(took * 1000, trace_dec(event, "us"));
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	self->mr = NULL;
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
	EXPECT_EQ(0, vt_rmmod("peer_test_mem"));
}

TEST_HARNESS_MAIN
