// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs whose pages move in many ways during operations. Several queue pairs
 * share one MR. Each has its own slots, and posts a batch of operations of all kinds
 * on random ones of these before it waits. Meanwhile a mover, often in another
 * process, runs without pauses. See odp_workload.h.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>

#include <rdma/peer_vram.h>

#include "lib/counters.h"
#include "lib/proc.h"
#include "odp_workload.h"

#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* Sums of all variants. Each variant runs in its own process. */
static struct {
	atomic_ulong moves;
	atomic_uint variants;
} *total;

__attribute__((constructor)) static void total_init(void)
{
	total = mmap(NULL, sizeof(*total), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

/* ---- memory ---- */

static int make_host(struct workload *w)
{
	uint8_t *area = mmap(NULL, 3 * HUGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (area == MAP_FAILED)
		return -errno;
	w->addr = (uint8_t *)(((uintptr_t)area + HUGE - 1) & ~(HUGE - 1));
	w->spare = w->addr + HUGE;
	return madvise(w->addr, HUGE, MADV_NOHUGEPAGE) ? -errno : 0;
}

static int make_huge(struct workload *w)
{
	int ret = make_host(w);

	mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL);
	if (!ret && madvise(w->addr, HUGE, MADV_HUGEPAGE))
		ret = -errno;
	return ret;
}

/* The slots are in BOs in VRAM, the rest is anonymous memory. */
static int make_vram(struct workload *w)
{
	struct peer_vram_share share = { .size = sizeof(share) };
	struct peer_vram_create create;
	int ret = make_host(w), i;

	w->vram = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	if (ret || w->vram < 0)
		return ret ? ret : -errno;
	for (i = 0; i < BOS; i++) {
		create = (struct peer_vram_create){
			.size = sizeof(create), .length = BO_SIZE,
		};
		if (ioctl(w->vram, PEER_VRAM_IOC_CREATE, &create) ||
		    mmap(w->addr + i * BO_SIZE, BO_SIZE, PROT_READ | PROT_WRITE,
			 MAP_SHARED | MAP_FIXED, w->vram,
			 create.mmap_offset) == MAP_FAILED)
			return -errno;
		share.handle = create.handle;
		if (ioctl(w->vram, PEER_VRAM_IOC_SHARE, &share))
			return -errno;
		w->shared[i] = share.fd;
	}
	return 0;
}

/* Pins most of the VRAM, so that the rest is full soon. */
static int make_tight_vram(struct workload *w)
{
	struct vt_vram_info info;
	int ret = make_vram(w);

	w->pinned = calloc(64, sizeof(*w->pinned));
	while (!ret && w->num_pinned < 64) {
		ret = vt_vram_info(&info);
		if (ret || info.pinnable < 16 * MIB)
			break;
		ret = vt_buf_open(&w->pinned[w->num_pinned], &w->dev,
				  &vt_mem_vram, 16 * MIB, NULL);
		w->num_pinned += !ret;
	}
	return ret;
}

/* ---- traffic ---- */

enum op {
	WRITE_TO, READ_FROM, WRITE_FROM, READ_TO, ADD_TO, SEND_FROM, RECV_TO,
	KINDS,
};

static struct ibv_sge moving_sge(struct workload *w, uint64_t offset, uint32_t n)
{
	return (struct ibv_sge){
		(uintptr_t)w->addr + offset, n, w->mr->lkey
	};
}

static bool kind_into_moving(enum op kind)
{
	return kind == WRITE_TO || kind == READ_TO || kind == RECV_TO;
}

/* The effect of the operation on the shadows. */
static void expect(struct workload *w, enum op kind, uint64_t at, uint32_t n)
{
	uint64_t word;

	if (kind_into_moving(kind)) {
		memcpy(w->shadow + at, w->src.shadow + at / 2, n);
		return;
	}
	memcpy(w->dst.shadow + at, w->shadow + at, n);
	if (kind == ADD_TO) {
		memcpy(&word, w->shadow + at, 8);
		word += 12345;
		memcpy(w->shadow + at, &word, 8);
	}
}

static int post(struct workload *w, struct vt_pair *pair, enum op kind,
		uint64_t at, uint32_t n)
{
	struct ibv_sge moving = moving_sge(w, at, n);
	struct ibv_sge fixed = kind_into_moving(kind) ?
		vt_sge(&w->src, at / 2, n) : vt_sge(&w->dst, at, n);
	struct vt_remote there = kind == READ_TO ?
		vt_remote(&w->src, at / 2) : vt_remote(&w->dst, at);
	bool moving_is_local = kind == WRITE_FROM || kind == READ_TO ||
			       kind == SEND_FROM;
	static const enum ibv_wr_opcode opcodes[] = {
		IBV_WR_RDMA_WRITE, IBV_WR_RDMA_READ, IBV_WR_RDMA_WRITE,
		IBV_WR_RDMA_READ, IBV_WR_ATOMIC_FETCH_AND_ADD, IBV_WR_SEND,
		IBV_WR_SEND,
	};
	struct ibv_send_wr wr = {
		.opcode = opcodes[kind],
		.sg_list = moving_is_local ? &moving : &fixed,
		.num_sge = 1,
		.send_flags = IBV_SEND_SIGNALED,
	};
	int ret = 0;

	if (!moving_is_local)
		there = (struct vt_remote){ moving.addr, w->mr->rkey };
	if (kind == ADD_TO) {
		wr.wr.atomic.remote_addr = there.addr;
		wr.wr.atomic.rkey = there.rkey;
		wr.wr.atomic.compare_add = 12345;
	} else {
		wr.wr.rdma.remote_addr = there.addr;
		wr.wr.rdma.rkey = there.rkey;
	}
	if (kind == SEND_FROM || kind == RECV_TO)
		ret = vt_post_recv(&pair->end[1],
				   moving_is_local ? &fixed : &moving, 1);
	return ret ? ret : vt_post_send(&pair->end[0], &wr);
}

struct batch {
	bool taken[SLOTS];
	int sends[QPS], receives[QPS];
};

static int post_on_slot(struct workload *w, struct batch *batch, int slot)
{
	uint64_t r = vt_pattern_word(5, w->seed++);
	enum op kind = (r >> 1) % KINDS;
	uint64_t at = (r >> 16) % SLOT;
	uint32_t n = (r >> 32) % (SLOT - at) + 1;
	int qp = slot / (SLOTS / QPS);

	if (!(r & 1) || pthread_mutex_trylock(&w->lock[slot]))
		return 0;
	batch->taken[slot] = true;
	if (kind == ADD_TO) {
		at &= ~7ULL;
		n = 8;
	}
	at += slot * SLOT;
	expect(w, kind, at, n);
	batch->sends[qp]++;
	batch->receives[qp] += kind == SEND_FROM || kind == RECV_TO;
	w->operations++;
	return post(w, &w->pair[qp], kind, at, n);
}

static int wait_for(struct vt_end *end, int count)
{
	struct ibv_wc wc;
	int ret = 0;

	while (count-- && !ret) {
		ret = vt_wait(end, &wc, VT_TIMEOUT_MS);
		if (!ret)
			ret = wc.status;
	}
	return ret;
}

static int compare(const char *what, int slot, const uint8_t *have,
		   const uint8_t *want)
{
	ssize_t at = vt_first_diff(have, want, SLOT);

	if (at < 0)
		return 0;
	fprintf(stderr, "# %s, slot %d: byte %zd is %02x, not %02x\n", what,
		slot, at, have[at], want[at]);
	return -EILSEQ;
}

/* @look: also compare through the mapping, which is an access by the CPU */
static int check_slot(struct workload *w, int slot, bool look)
{
	uint64_t at = slot * SLOT;
	int ret;

	ret = compare("other side", slot, w->dst.mem.addr + at,
		      w->dst.shadow + at);
	if (!ret && look)
		ret = compare("moving memory", slot, w->addr + at,
			      w->shadow + at);
	return ret;
}

static int run_batch(struct workload *w)
{
	struct batch batch = { 0 };
	int i, ret = 0;

	for (i = 0; i < SLOTS && !ret; i++)
		ret = post_on_slot(w, &batch, i * 7 % SLOTS);
	for (i = 0; i < QPS && !ret; i++) {
		ret = wait_for(&w->pair[i].end[0], batch.sends[i]);
		if (!ret)
			ret = wait_for(&w->pair[i].end[1], batch.receives[i]);
	}
	for (i = 0; i < SLOTS; i++) {
		if (!batch.taken[i])
			continue;
		if (!ret)
			ret = check_slot(w, i, w->seed % 4 == 0);
		pthread_mutex_unlock(&w->lock[i]);
	}
	return ret;
}

FIXTURE(moves)
{
	struct workload w;
};

FIXTURE_VARIANT(moves)
{
	int (*make)(struct workload *w);
	move_fn move;
	bool process;
	unsigned long moves;
};

#define MOVES_VARIANT(name, how, what, in_process, count)		\
	FIXTURE_VARIANT_ADD(moves, name) {				\
		.make = how,						\
		.move = what,						\
		.process = in_process,					\
		.moves = count,						\
	}
#define VARIANTS 9

MOVES_VARIANT(vram_by_process, make_vram, move_bos, true, 62000);
MOVES_VARIANT(vram_evicted, make_tight_vram, move_evict, true, 300);
MOVES_VARIANT(vram_rights, make_vram, move_rights, false, 6000);
MOVES_VARIANT(host_out_by_process, make_host, move_out, true, 400);
MOVES_VARIANT(host_thp_by_process, make_huge, move_thp, true, 300);
MOVES_VARIANT(host_rights, make_host, move_rights, false, 12000);
MOVES_VARIANT(host_dropped, make_host, move_drop, false, 15000);
MOVES_VARIANT(host_address, make_host, move_address, false, 6000);
MOVES_VARIANT(host_forked, make_host, move_fork, false, 300);

FIXTURE_SETUP(moves)
{
	/*
	 * Long enough to avoid retransmissions. Soft-RoCE acknowledges a SEND or
	 * WRITE that arrives twice with the PSN of the newest request. If that is
	 * an atomic, it completes without its result. The unmodified driver does
	 * the same.
	 */
	struct vt_pair_opts opts = { .timeout = 20 };
	struct workload *w = &self->w;
	int i;

	ASSERT_EQ(0, vt_dev_open(&w->dev));
	for (i = 0; i < QPS; i++)
		ASSERT_EQ(0, vt_pair_open(&w->pair[i], &w->dev, &opts));
	ASSERT_EQ(0, vt_pair_open(&w->probe, &w->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&w->src, &w->dev, &vt_mem_host, SIZE, NULL));
	ASSERT_EQ(0, vt_buf_open(&w->dst, &w->dev, &vt_mem_host, SIZE, NULL));
	vt_buf_fill(&w->src, 1);
	for (i = 0; i < SLOTS; i++)
		pthread_mutex_init(&w->lock[i], NULL);
	w->shadow = calloc(1, SIZE);
	w->progress = mmap(NULL, sizeof(*w->progress), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)w->progress);
	ASSERT_EQ(0, variant->make(w));
	vt_pattern_fill(w->shadow, 2, 0, SIZE);
	memcpy(w->addr, w->shadow, SIZE);
	w->mr = ibv_reg_mr(w->dev.pd, w->addr, HUGE, ACCESS);
	ASSERT_NE(NULL, w->mr);
	w->move = variant->move;
	ASSERT_EQ(0, mover_start(w, variant->process));
}

FIXTURE_TEARDOWN(moves)
{
	struct workload *w = &self->w;
	unsigned int n;
	int i;

	EXPECT_EQ(0, mover_stop(w));
	EXPECT_EQ(-1, vt_first_diff(w->addr, w->shadow, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&w->dst));
	EXPECT_EQ(0, ibv_dereg_mr(w->mr));
	munmap(w->addr, HUGE);
	for (n = 0; n < w->num_pinned; n++)
		EXPECT_EQ(0, vt_buf_close(&w->pinned[n]));
	for (i = 0; i < BOS && w->vram; i++)
		close(w->shared[i]);
	if (w->vram)
		close(w->vram);
	for (i = 0; i < QPS; i++)
		vt_pair_close(&w->pair[i]);
	vt_pair_close(&w->probe);
	EXPECT_EQ(0, vt_buf_close(&w->src));
	EXPECT_EQ(0, vt_buf_close(&w->dst));
	vt_dev_close(&w->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(moves, under_operations, 240)
{
	unsigned long enough = variant->moves / (vt_slow_kernel() ? 10 : 1);
	struct progress *progress = self->w.progress;
	int64_t start = vt_now_ms();

	while (atomic_load(&progress->moves) < enough ||
	       self->w.operations < 500) {
		ASSERT_EQ(0, atomic_load(&progress->failed));
		ASSERT_EQ(0, run_batch(&self->w));
	}
	TH_LOG("%lu operations, %lu moves, %lld ms", self->w.operations,
	       atomic_load(&progress->moves),
	       (long long)(vt_now_ms() - start));
	atomic_fetch_add(&total->moves, atomic_load(&progress->moves));
	atomic_fetch_add(&total->variants, 1);
}

FIXTURE(total) {};

FIXTURE_SETUP(total) {}

FIXTURE_TEARDOWN(total) {}

TEST_F(total, enough_moves)
{
	if (atomic_load(&total->variants) < VARIANTS)
		SKIP(return, "not all variants of fixture moves have run");
	TH_LOG("%lu moves in all", atomic_load(&total->moves));
	EXPECT_LE(vt_slow_kernel() ? 10000 : 100000,
		  atomic_load(&total->moves));
}

TEST_HARNESS_MAIN
