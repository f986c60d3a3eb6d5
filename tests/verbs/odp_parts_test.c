// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs over a BO of several parts. What is not accessed is not moved; what moves is
 * invalidated, and nothing else. The bytes are compared after each step.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "odp_vram.h"

#define MIB (1024UL * 1024)
#define PART (2 * MIB)
#define PARTS 6
#define LENGTH (PARTS * PART - 64 * 1024)	/* the last part is shorter */
#define LOCAL (64 * 1024)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(parts)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_buf buf;
	uint64_t seed;
	int fd;
};

typedef FIXTURE_DATA(parts) parts_t;

FIXTURE_SETUP(parts)
{
	struct vt_buf_opts odp = { .access = ACCESS };
	struct vt_pair_opts opts = { 0 };

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, LOCAL,
				 NULL));
	self->fd = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_buf_open(&self->buf, &self->dev, &vt_mem_vram_named,
				 LENGTH, &odp));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->buf, 1));
}

FIXTURE_TEARDOWN(parts)
{
	EXPECT_EQ(0, vt_buf_check_all(&self->buf));
	EXPECT_EQ(0, vt_buf_close(&self->buf));
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, wait_until_empty(self->fd));
	close(self->fd);
}

/* Writes new bytes at @at of the BO by RDMA. */
static int write_at(parts_t *self, uint64_t at, uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, length);

	vt_buf_fill(&self->local, 100 + ++self->seed);
	memcpy(self->buf.shadow + at, self->local.shadow, length);
	return vt_rdma_write(&self->pair.end[0], &sge, 1,
			     vt_remote(&self->buf, at));
}

static int write_in_part(parts_t *self, unsigned int part)
{
	return write_at(self, part * PART + 4711, 9000);
}

static uint64_t resident(parts_t *self)
{
	return query(&self->buf.mem).resident;
}

static unsigned long invalidations(void)
{
	struct vt_mr_counters counters = { 0 };

	return vt_mr_counters_read(&counters) ? 0 : counters.invalidations;
}

static unsigned long faults(void)
{
	struct vt_mr_counters counters = { 0 };

	return vt_mr_counters_read(&counters) ? 0 : counters.faults;
}

TEST_F(parts, access_moves_one_part)
{
	uint64_t moves;

	ASSERT_EQ(0, move(&self->buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(0, resident(self));
	moves = info(self->fd).moves;
	ASSERT_EQ(0, write_in_part(self, 2));
	EXPECT_EQ(moves + 1, info(self->fd).moves);
	EXPECT_EQ(PART, resident(self));
	EXPECT_EQ(PEER_VRAM_DOMAIN_MIXED, query(&self->buf.mem).domain);
	/* The last part is shorter. */
	ASSERT_EQ(0, write_in_part(self, PARTS - 1));
	EXPECT_EQ(moves + 2, info(self->fd).moves);
	EXPECT_EQ(LENGTH - (PARTS - 1) * PART + PART, resident(self));
}

TEST_F(parts, access_across_a_border_moves_two)
{
	ASSERT_EQ(0, move(&self->buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	ASSERT_EQ(0, write_at(self, 3 * PART - 5000, 10000));
	EXPECT_EQ(2 * PART, resident(self));
}

/* A write across the border of a part in VRAM and one that stays in system memory. */
TEST_F(parts, access_to_both_memories)
{
	ASSERT_EQ(0, move_range(&self->buf.mem, PEER_VRAM_DOMAIN_SYSTEM,
				3 * PART, PART));
	ASSERT_EQ(0, set_flags(&self->buf.mem, PEER_VRAM_CREATE_IN_PLACE));
	ASSERT_EQ(0, write_at(self, 3 * PART - 5000, 10000));
	ASSERT_EQ(0, write_at(self, 4 * PART - 5001, 10003));
	EXPECT_EQ(LENGTH - PART, resident(self));
	EXPECT_EQ(PEER_VRAM_DOMAIN_MIXED, query(&self->buf.mem).domain);
}

TEST_F(parts, move_of_a_range)
{
	struct vt_mem *mem = &self->buf.mem;

	/* One byte on each side of a border: the parts of both. */
	ASSERT_EQ(0, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 2 * PART - 1, 2));
	EXPECT_EQ(LENGTH - 2 * PART, resident(self));
	/* Length 0: to the end. */
	ASSERT_EQ(0, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 4 * PART, 0));
	EXPECT_EQ(2 * PART, resident(self));
	ASSERT_EQ(0, move_range(mem, PEER_VRAM_DOMAIN_VRAM, 0, LENGTH));
	EXPECT_EQ(LENGTH, resident(self));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(mem).domain);
}

TEST_F(parts, ranges_outside_of_the_bo)
{
	struct vt_mem *mem = &self->buf.mem;
	uint64_t moves = info(self->fd).moves;

	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, LENGTH, 0));
	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 0, LENGTH + 1));
	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, PART, LENGTH));
	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, PART,
				      UINT64_MAX));
	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, UINT64_MAX, 1));
	EXPECT_EQ(-ERANGE, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, UINT64_MAX, 0));
	EXPECT_EQ(-EINVAL, move_range(mem, PEER_VRAM_DOMAIN_MIXED, 0, 0));
	EXPECT_EQ(moves, info(self->fd).moves);
	EXPECT_EQ(LENGTH, resident(self));
}

/* All pages are present. One part leaves: only its pages are invalidated, and fault again. */
TEST_F(parts, only_what_moves_is_invalidated)
{
	unsigned long before, faulted;
	unsigned int i;

	for (i = 0; i < PARTS; i++)
		ASSERT_EQ(0, write_in_part(self, i));
	before = invalidations();
	ASSERT_EQ(0, move_range(&self->buf.mem, PEER_VRAM_DOMAIN_SYSTEM, 3 * PART,
				PART));
	EXPECT_LT(before, invalidations());
	EXPECT_GE(before + PART / page_size(), invalidations());

	faulted = faults();
	for (i = 0; i < PARTS; i++) {
		ASSERT_EQ(0, write_in_part(self, i));
		EXPECT_EQ(faulted + (i >= 3), faults());
	}
}

/* A pinned MR keeps its parts. The others move. */
TEST_F(parts, pins_keep_their_parts)
{
	struct vt_mem *mem = &self->buf.mem;
	uint64_t pinned = info(self->fd).vram_pinned;
	struct ibv_mr *mr;

	mr = ibv_reg_mr(self->dev.pd, (char *)mem->addr + PART + 100, PART,
			VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(pinned + 2 * PART, info(self->fd).vram_pinned);
	EXPECT_EQ(-EBUSY, move(mem, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(-EBUSY, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 2 * PART, 1));
	EXPECT_EQ(0, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 0, PART));
	EXPECT_EQ(0, move_range(mem, PEER_VRAM_DOMAIN_SYSTEM, 3 * PART, 0));
	EXPECT_EQ(2 * PART, resident(self));
	ASSERT_EQ(0, write_in_part(self, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(pinned, info(self->fd).vram_pinned);
	EXPECT_EQ(0, move(mem, PEER_VRAM_DOMAIN_SYSTEM));
}

/*
 * The BO is larger than the VRAM that is left. Its working set is not: once it is in
 * VRAM, nothing moves.
 */
TEST_F_TIMEOUT(parts, working_set_stays, 120)
{
	struct vt_buf_opts odp = { .access = ACCESS };
	struct peer_vram_info now = info(self->fd);
	size_t room = now.vram_size - now.vram_pinnable, length = room + room / 2;
	struct vt_buf pinned, large;
	struct ibv_sge sge = vt_sge(&self->local, 0, LOCAL);
	uint64_t moves = 0;
	int i;

	ASSERT_EQ(0, move(&self->buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	ASSERT_EQ(0, vt_buf_open(&large, &self->dev, &vt_mem_vram_named, length,
				 &odp));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&large, 9));
	ASSERT_EQ(0, vt_buf_open(&pinned, &self->dev, &vt_mem_vram_named,
				 now.vram_pinnable, NULL));
	vt_buf_fill(&self->local, 77);
	for (i = 0; i < 60; i++) {
		uint64_t at = i % 3 * (length / 3) + i * LOCAL / 2;

		ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
					   vt_remote(&large, at)));
		memcpy(large.shadow + at, self->local.shadow, LOCAL);
		if (i == 30)
			moves = info(self->fd).moves;
	}
	EXPECT_EQ(moves, info(self->fd).moves);
	EXPECT_EQ(0, vt_buf_check_all(&large));
	EXPECT_EQ(0, vt_buf_close(&pinned));
	EXPECT_EQ(0, vt_buf_close(&large));
}

TEST_HARNESS_MAIN
