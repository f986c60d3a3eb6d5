// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs whose pages move under traffic. One thread does RDMA between a pinned
 * host buffer and the on-demand buffer, and tracks the expected contents. Another
 * thread keeps the pages of the on-demand buffer moving. After each operation the
 * bytes are compared, through the mapping and through the exporter.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define SIZE (256 * 1024)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

struct mover {
	pthread_t thread;
	struct vt_mem *mem;
	void (*move)(struct vt_mem *mem, uint64_t random);
	atomic_bool stop;
	atomic_ulong moves;
};

/* ---- ways to move ---- */

static void move_bo(struct vt_mem *mem, uint64_t random)
{
	vt_mem_move(mem, random & 1);
	usleep(random / 2 % 1000);
}

/* The client invalidates its range; the next access acquires it again. */
static void move_invalidate(struct vt_mem *mem, uint64_t random)
{
	vt_mem_revoke(mem);
	usleep(10000 + random % 10000);
}

static void move_host(struct vt_mem *mem, uint64_t random)
{
	size_t page = page_size();
	size_t pages = mem->length / page;
	uint8_t *at = mem->addr + random / 16 % pages * page;
	size_t length = (random / 4096 % 8 + 1) * page;
	pid_t pid;

	if (at + length > mem->addr + mem->length)
		length = page;
	switch (random % 16) {
	case 0:
		pid = fork();
		if (!pid)
			_exit(0);
		if (pid > 0)
			waitpid(pid, NULL, 0);
		break;
	case 1:
		vt_write_file("/proc/sys/vm/compact_memory", "1");
		break;
	case 2:
		madvise(at, length, 25 /* MADV_COLLAPSE */);
		break;
	default:
		madvise(at, length, MADV_PAGEOUT);
		break;
	}
}

static void *mover_run(void *arg)
{
	struct mover *mover = arg;
	uint64_t n = 0;

	while (!atomic_load(&mover->stop)) {
		mover->move(mover->mem, vt_pattern_word(77, n++));
		atomic_fetch_add(&mover->moves, 1);
	}
	return NULL;
}

/* ---- traffic ---- */

FIXTURE(odp)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_buf odp;
	struct mover mover;
	uint64_t seed;
};

FIXTURE_VARIANT(odp)
{
	const struct vt_mem_kind *kind;
	void (*move)(struct vt_mem *mem, uint64_t random);
	unsigned long moves;
	const char *client;	/* parameters of the PeerDirect client */
};

/* A CMB does not move; odp_map_test.c covers it. */
FIXTURE_VARIANT_ADD(odp, vram)
{
	.kind = &vt_mem_vram,
	.move = move_bo,
	.moves = 5000,
};

FIXTURE_VARIANT_ADD(odp, host)
{
	.kind = &vt_mem_host,
	.move = move_host,
	.moves = 2000,
};

FIXTURE_VARIANT_ADD(odp, peerdirect_plain)
{
	.kind = &vt_mem_peerdirect,
	.move = move_invalidate,
	.moves = 300,
	.client = "flavour=1",
};

FIXTURE_VARIANT_ADD(odp, peerdirect_unmaps_itself)
{
	.kind = &vt_mem_peerdirect,
	.move = move_invalidate,
	.moves = 300,
	.client = "flavour=2",
};

FIXTURE_SETUP(odp)
{
	struct vt_buf_opts opts = { .access = ACCESS };
	struct vt_pair_opts pair = { 0 };

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	if (variant->client)
		ASSERT_EQ(0, vt_peerdirect_load(variant->client));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	ASSERT_EQ(0, vt_buf_open(&self->odp, &self->dev, variant->kind, SIZE,
				 &opts));
	vt_buf_fill(&self->local, 1);
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->odp, 2));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	self->mover.mem = &self->odp.mem;
	self->mover.move = variant->move;
	self->seed = 1;
	ASSERT_EQ(0, pthread_create(&self->mover.thread, NULL, mover_run,
				    &self->mover));
}

FIXTURE_TEARDOWN(odp)
{
	atomic_store(&self->mover.stop, true);
	pthread_join(self->mover.thread, NULL);
	EXPECT_EQ(0, vt_buf_check_all(&self->odp));
	EXPECT_EQ(0, vt_buf_close(&self->local));
	EXPECT_EQ(0, vt_buf_close(&self->odp));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	if (variant->client)
		EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

typedef FIXTURE_DATA(odp) odp_t;

struct step {
	uint64_t here, there;
	uint32_t length;
};

static struct step next_step(odp_t *self)
{
	uint64_t r = vt_pattern_word(5, self->seed++);
	struct step step = { .length = r % 12000 + 1 };

	step.here = (r >> 16) % (SIZE - step.length);
	step.there = (r >> 32) % (SIZE - step.length);
	return step;
}

/* @into: the on-demand buffer is the destination, else the source */
static int copy_step(odp_t *self, vt_copy_fn by, bool into)
{
	struct step s = next_step(self);
	struct vt_buf *to = into ? &self->odp : &self->local;
	struct vt_buf *from = into ? &self->local : &self->odp;
	int ret = by(&self->pair, to, s.there, from, s.here, s.length);

	return ret ? ret : vt_buf_check(to, s.there, s.length);
}

static int atomic_step(odp_t *self)
{
	struct step s = next_step(self);
	uint64_t at = s.there & ~7ULL;
	uint64_t result = s.here & ~7ULL;
	struct ibv_sge sge = vt_sge(&self->local, result, 8);
	uint64_t *word = (uint64_t *)(self->odp.shadow + at);
	int ret;

	memcpy(self->local.shadow + result, word, 8);
	*word += 12345;
	ret = vt_fetch_add(&self->pair.end[0], &sge,
			   vt_remote(&self->odp, at), 12345);
	if (!ret)
		ret = vt_buf_check(&self->odp, at, 8);
	return ret ? ret : vt_buf_check(&self->local, result, 8);
}

static int any_step(odp_t *self)
{
	switch (vt_pattern_word(6, self->seed) % 7) {
	case 0:
		return copy_step(self, vt_copy_by_write, true);
	case 1:
		return copy_step(self, vt_copy_by_read, false);
	case 2:
		return copy_step(self, vt_copy_by_send, true);
	case 3:
		return copy_step(self, vt_copy_by_send, false);
	case 4:
		return atomic_step(self);
	/* The on-demand buffer is the memory of the requester. */
	case 5:
		return copy_step(self, vt_copy_by_write, false);
	default:
		return copy_step(self, vt_copy_by_read, true);
	}
}

TEST_F_TIMEOUT(odp, traffic_while_pages_move, 240)
{
	struct vt_mr_counters counters;
	unsigned long steps = 0;

	while (atomic_load(&self->mover.moves) < variant->moves) {
		ASSERT_EQ(0, any_step(self));
		steps++;
	}
	/* A call of the mover need not move a page. Invalidations show that pages moved. */
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	TH_LOG("%lu operations, %lu calls of the mover, %lu pages invalidated", steps,
	       atomic_load(&self->mover.moves), counters.invalidations);
	EXPECT_LT(50, steps);
	EXPECT_LT(50, counters.invalidations);
}

TEST_HARNESS_MAIN
