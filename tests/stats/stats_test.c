// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The counters of on-demand MRs and of exporters, and the tracepoints. Known sequences
 * of accesses must give exactly the values that docs/monitoring.md describes.
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "trace.h"

#define PAGE page_size()
#define VRAM_SIZE (16 * PAGE)
#define VRAM_PAGES (VRAM_SIZE / PAGE)
/*
 * A fault on host memory also resolves the pages in the same aligned block of this many
 * pages. A fault on device memory resolves those in the same large entry. Buffers are aligned
 * to this size, so that the number of pages is known.
 */
#define FAULT_BLOCK_PAGES 16
#define FAULT_BLOCK (FAULT_BLOCK_PAGES * PAGE)
#define BLOCKS 16
#define HOST_SIZE (BLOCKS * FAULT_BLOCK)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
/* In the "invalidate" event: by the exporter, not by an MMU notifier. */
#define EXPORTER_EVENT (-1)

FIXTURE(stats)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;	/* pinned, for the requester */
	struct vt_mem mem;
	uint8_t *base;		/* aligned, in mem */
	struct ibv_mr *mr;	/* on demand, starts at base */
	struct trace trace;
};

FIXTURE_SETUP(stats)
{
	/*
	 * A retransmission during a fault may count as another fault. Long
	 * timeouts avoid retransmissions, also on a slow machine.
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
	int ret = vt_mem_alloc(&self->mem, kind, length + FAULT_BLOCK, 0);

	if (ret)
		return ret;
	self->base = self->mem.addr;
	self->base += -(uintptr_t)self->base % FAULT_BLOCK;
	if (kind == &vt_mem_host) {
		/* Huge pages would give fewer faults. */
		madvise(self->mem.addr, self->mem.length, MADV_NOHUGEPAGE);
		memset(self->base, 0, length);
	}
	self->mr = ibv_reg_mr(self->dev.pd, self->base, length, ON_DEMAND);
	return self->mr ? 0 : -errno;
}

/* RDMA WRITE of 8 bytes to the on-demand MR. Return: the completion status. */
static int touch(stats_t *self, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, 8);
	struct vt_remote to = {
		(uintptr_t)self->base + offset, self->mr->rkey
	};

	return vt_rdma_write(&self->pair.end[0], &sge, 1, to);
}

/* RDMA READ of 8 bytes of the on-demand MR. Return: the completion status. */
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

/* Waits for @faults faults, because an access can complete before its fault ends. */
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
	for (i = 0; i < BLOCKS; i++)
		ASSERT_EQ(0, touch(self, i * FAULT_BLOCK));
	EXPECT_COUNTERS(BLOCKS, 0, 0);
	/* The pages are present now. */
	for (i = 0; i < BLOCKS; i++)
		ASSERT_EQ(0, touch(self, i * FAULT_BLOCK + 100));
	EXPECT_COUNTERS(BLOCKS, 0, 0);

	/* Only pages that were present in the MR count. */
	ASSERT_EQ(0, madvise(self->base, 5 * FAULT_BLOCK, MADV_DONTNEED));
	EXPECT_COUNTERS(BLOCKS, 5 * FAULT_BLOCK_PAGES, 0);
	ASSERT_EQ(0, madvise(self->base, 5 * FAULT_BLOCK, MADV_DONTNEED));
	EXPECT_COUNTERS(BLOCKS, 5 * FAULT_BLOCK_PAGES, 0);
	for (i = 0; i < BLOCKS; i++)
		ASSERT_EQ(0, touch(self, i * FAULT_BLOCK));
	EXPECT_COUNTERS(BLOCKS + 5, 5 * FAULT_BLOCK_PAGES, 0);
}

TEST_F_TIMEOUT(stats, host_prefetch, 120)
{
	struct vt_mr_counters before, after;
	struct ibv_sge sge;
	unsigned int i;

	ASSERT_EQ(0, open_mr(self, &vt_mem_host, HOST_SIZE));
	/* From the last byte of page 2 to the first byte of page 17: 16 pages. */
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
	/* Accesses to these pages do not fault. */
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
	/* The first fault resolves all pages. */
	for (i = 0; i < VRAM_PAGES; i++)
		ASSERT_EQ(0, touch(self, i * PAGE));
	EXPECT_COUNTERS(1, 0, 0);
	ASSERT_EQ(0, move_to(self, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_COUNTERS(1, VRAM_PAGES, 0);
	ASSERT_EQ(0, touch(self, 0));
	EXPECT_COUNTERS(2, VRAM_PAGES, 0);
}

/* ---- /sys/kernel/mm/memory_peers ---- */

static int read_exporter_counter(const char *name, unsigned long *value)
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

enum exporter_counter {
	ALLOC_MRS, DEALLOC_MRS, REG_PAGES, DEREG_PAGES, REG_BYTES, DEREG_BYTES,
	FREE_CALLBACKS, FAULTS, INVALIDATIONS, EXPORTER_COUNTERS
};

struct exporter_counters {
	unsigned long at[EXPORTER_COUNTERS];
};

static int read_exporter(struct exporter_counters *counters)
{
	static const char *const names[EXPORTER_COUNTERS] = {
		"alloc_mrs", "dealloc_mrs", "reg_pages", "dereg_pages",
		"reg_bytes", "dereg_bytes", "free_callbacks", "faults",
		"invalidations"
	};
	int i, ret = 0;

	for (i = 0; i < EXPORTER_COUNTERS && !ret; i++)
		ret = read_exporter_counter(names[i], &counters->at[i]);
	return ret;
}

/* Return: the increase of a counter since *before, or ULONG_MAX. */
static unsigned long grown(const struct exporter_counters *before,
			   enum exporter_counter counter)
{
	struct exporter_counters now;

	if (read_exporter(&now))
		return -1UL;
	return now.at[counter] - before->at[counter];
}

/* Return: the increase of the fault counter. Waits for @want faults. */
static unsigned long grown_faults(const struct exporter_counters *before,
				  unsigned long want)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	unsigned long n;

	do {
		n = grown(before, FAULTS);
	} while (n < want && vt_now_ms() < until);
	return n;
}

TEST_F_TIMEOUT(stats, exporter_counters, 120)
{
	struct exporter_counters before;

	ASSERT_EQ(0, read_exporter(&before));
	ASSERT_EQ(0, open_mr(self, &vt_mem_vram, VRAM_SIZE));
	/* Without an access there is no claim. */
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

/* Reads new events, up to a fault: an access can complete before its fault ends. */
static int take_fault(stats_t *self)
{
	return trace_take_until(&self->trace, "fault", VT_TIMEOUT_MS);
}

static long long address(stats_t *self, uint64_t offset)
{
	return (uintptr_t)self->base + offset;
}

/*
 * Checks the only fault among the new events, and returns its "publish" event. A
 * result that became stale before it was published (ret=-11) is resolved again: to
 * resolve a page an exporter may have to move others.
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
	    trace_hex(fault, "length") != (long long)PAGE ||
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
	/* Both the MMU notifier and the exporter invalidate; find the latter. */
	for (int n = 0; (event = trace_find(&self->trace, "invalidate", n)); n++)
		if (trace_dec(event, "event") == EXPORTER_EVENT)
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
	EXPECT_EQ(FAULT_BLOCK_PAGES, trace_dec(event, "pages"));
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

/* A fault that fails has an event, too: unmapped memory. */
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

/* An exporter that delays by 50 ms: the duration is between that and the whole test. */
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
