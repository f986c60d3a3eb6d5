// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * FLUSH with global visibility reads back from every region of device memory that
 * its range touches, once each, from whichever page is there. The hold point of that
 * read counts. Three pieces lie side by side: VRAM, system memory, other VRAM.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sys/mman.h>

#include "hold.h"
#include "lib/buf.h"
#include "lib/link.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE 4096UL
#define PIECE (256 * 1024UL)
#define MIB (1024 * 1024UL)
#define AREA (3 * PIECE)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(flush)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf here;
	uint8_t *area;
	struct ibv_mr *mr;
};

FIXTURE_VARIANT(flush)
{
	bool implicit;
};

FIXTURE_VARIANT_ADD(flush, range) { .implicit = false };
FIXTURE_VARIANT_ADD(flush, implicit) { .implicit = true };

static uint8_t *map_area(void)
{
	uint8_t *room = mmap(NULL, AREA + PIECE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *area;

	if (room == MAP_FAILED)
		return NULL;
	area = room + (-(uintptr_t)room & (PIECE - 1));
	if (vt_mem_map_at(&vt_mem_vram, area, PIECE) ||
	    vt_mem_map_at(&vt_mem_vram, area + 2 * PIECE, PIECE) ||
	    mmap(area + PIECE, PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE |
		 MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return NULL;
	return area;
}

FIXTURE_SETUP(flush)
{
	bool all = variant->implicit;

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->here, &self->dev, &vt_mem_host, PIECE,
				 NULL));
	vt_buf_fill(&self->here, 1);
	self->area = map_area();
	ASSERT_NE(NULL, self->area);
	self->mr = ibv_reg_mr(self->dev.pd, all ? NULL : self->area,
			      all ? SIZE_MAX : AREA, ACCESS);
	ASSERT_NE(NULL, self->mr);
}

FIXTURE_TEARDOWN(flush)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	EXPECT_EQ(0, vt_buf_close(&self->here));
	munmap(self->area, AREA);
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
}

static struct vt_remote at(FIXTURE_DATA(flush) *self, size_t offset)
{
	return (struct vt_remote){ (uintptr_t)self->area + offset,
				   self->mr->rkey };
}

static int put(FIXTURE_DATA(flush) *self, size_t offset)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);

	return vt_rdma_write(&self->pair.end[0], &sge, 1, at(self, offset));
}

/* Return: how often device memory was read back, or -errno, or 1000 + status. */
static int flush(FIXTURE_DATA(flush) *self, size_t offset, uint32_t length)
{
	int before = hold_passed("flush");
	int ret = vt_flush(&self->pair.end[0], at(self, offset), length,
			   VT_FLUSH_GLOBAL);

	if (ret)
		return ret < 0 ? ret : 1000 + ret;
	return hold_passed("flush") - before;
}

static int flush_all(FIXTURE_DATA(flush) *self)
{
	int before = hold_passed("flush");
	int ret = vt_flush_mr(&self->pair.end[0], at(self, 0),
			      VT_FLUSH_GLOBAL);

	if (ret)
		return ret < 0 ? ret : 1000 + ret;
	return hold_passed("flush") - before;
}

/* What was not touched has no region, and nothing to be pushed. */
TEST_F(flush, nothing_there)
{
	EXPECT_EQ(0, flush(self, 0, AREA));
	EXPECT_EQ(0, flush_all(self));
}

TEST_F(flush, system_memory)
{
	ASSERT_EQ(0, put(self, PIECE + 100));
	EXPECT_EQ(0, flush(self, PIECE, PIECE));
	EXPECT_EQ(0, flush_all(self));
}

TEST_F(flush, one_region)
{
	ASSERT_EQ(0, put(self, 100));
	EXPECT_EQ(1, flush(self, 100, 5000));
	EXPECT_EQ(1, flush(self, 0, AREA));
	EXPECT_EQ(1, flush_all(self));
	/* The other region has nothing there. */
	EXPECT_EQ(0, flush(self, 2 * PIECE, PIECE));
}

TEST_F(flush, each_region_once)
{
	ASSERT_EQ(0, put(self, PIECE - 1000));
	ASSERT_EQ(0, put(self, 2 * PIECE + 70000));
	EXPECT_EQ(2, flush(self, 0, AREA));
	EXPECT_EQ(2, flush(self, PIECE - 1, PIECE + 2));
	EXPECT_EQ(1, flush(self, PIECE - 1, 1));
	EXPECT_EQ(1, flush(self, 2 * PIECE, 1));
	EXPECT_EQ(0, flush(self, PIECE, PIECE));
	EXPECT_EQ(2, flush_all(self));
}

/* The first pages of the range are not there, nor in any region. */
TEST_F(flush, later_page)
{
	ASSERT_EQ(0, put(self, 2 * PIECE + 100));
	EXPECT_EQ(1, flush(self, PIECE - PAGE, 2 * PIECE));
}

TEST_F(flush, no_bytes)
{
	ASSERT_EQ(0, put(self, 100));
	EXPECT_EQ(0, flush(self, 0, 0));
}

/* What has left was moved by its owner, who sees what was written. */
TEST_F(flush, after_the_region_went)
{
	ASSERT_EQ(0, put(self, 100));
	ASSERT_EQ(0, munmap(self->area, PIECE));
	EXPECT_EQ(0, flush(self, 0, PIECE));
}

/* ---- pinned; an MR of a dma-buf takes no FLUSH ---- */

FIXTURE(whole)
{
	VT_LINK;
};

FIXTURE_VARIANT(whole)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(whole, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(whole, cmb) { .kind = &vt_mem_cmb };

FIXTURE_SETUP(whole)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, PIECE, 0, NULL));
}

FIXTURE_TEARDOWN(whole)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

TEST_F(whole, is_read_back)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);
	struct vt_end *end = &self->pair.end[0];
	int before;

	ASSERT_EQ(0, vt_rdma_write(end, &sge, 1,
				   vt_remote(&self->there, 70000)));
	before = hold_passed("flush");
	ASSERT_LE(0, before);
	EXPECT_EQ(0, vt_flush(end, vt_remote(&self->there, 0), PIECE,
			      VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_passed("flush"));
	EXPECT_EQ(0, vt_flush_mr(end, vt_remote(&self->there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 2, hold_passed("flush"));
}

/* ---- pages of one region that are not all alike ---- */

#define IOMEM "/sys/module/peer_test_native/parameters/iomem"
/* More than a reader looks at in one go. */
#define BEFORE 150

TEST(behind_other_memory)
{
	struct vt_link link;
	int before;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_native));
	ASSERT_EQ(0, vt_write_file(IOMEM, "150"));
	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_native, (BEFORE + 2) * PAGE,
				  0, NULL));
	before = hold_passed("flush");
	ASSERT_LE(0, before);
	EXPECT_EQ(0, vt_flush_mr(&link.pair.end[0], vt_remote(&link.there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_passed("flush"));
	EXPECT_EQ(0, vt_flush(&link.pair.end[0], vt_remote(&link.there, 0),
			      BEFORE * PAGE, VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_passed("flush"));
	EXPECT_EQ(0, vt_link_close(&link));
	EXPECT_EQ(0, vt_write_file(IOMEM, "4294967295"));
}

/* A fault brings 2 MiB: those before are not there. */
TEST(behind_what_is_not_there)
{
	struct ibv_sge sge;
	struct vt_link link;
	int before;

	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_vram, 4 * MIB, ACCESS, NULL));
	sge = vt_sge(&link.here, 0, 5000);
	ASSERT_EQ(0, vt_rdma_write(&link.pair.end[0], &sge, 1,
				   vt_remote(&link.there, 3 * MIB)));
	before = hold_passed("flush");
	EXPECT_EQ(0, vt_flush(&link.pair.end[0], vt_remote(&link.there, 0),
			      2 * MIB - PAGE, VT_FLUSH_GLOBAL));
	EXPECT_EQ(before, hold_passed("flush"));
	EXPECT_EQ(0, vt_flush_mr(&link.pair.end[0], vt_remote(&link.there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_passed("flush"));
	EXPECT_EQ(0, vt_link_close(&link));
}

static int take_away(struct vt_mem *mem)
{
	return vt_mem_owner(mem->kind)->revoke ? vt_mem_revoke(mem) :
						 vt_mem_destroy(mem);
}

/* Not after it was taken away. */
TEST_F(whole, is_revoked)
{
	struct vt_end *end = &self->pair.end[0];
	int before = hold_passed("flush");

	ASSERT_EQ(0, take_away(&self->there.mem));
	vt_flush(end, vt_remote(&self->there, 0), PIECE, VT_FLUSH_GLOBAL);
	EXPECT_EQ(before, hold_passed("flush"));
}

/* ---- a reader that reads back, and an invalidation ---- */

FIXTURE(reading)
{
	VT_LINK;
	struct ibv_sge sge;
};

FIXTURE_SETUP(reading)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, PIECE, ACCESS,
				  NULL));
	self->sge = vt_sge(&self->here, 0, 5000);
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &self->sge, 1,
				   vt_remote(&self->there, 0)));
}

FIXTURE_TEARDOWN(reading)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

static void *flush_range(void *arg)
{
	struct vt_link *link = arg;

	return (void *)(long)vt_flush(&link->pair.end[0],
				      vt_remote(&link->there, 0), PIECE,
				      VT_FLUSH_GLOBAL);
}

TEST_F_TIMEOUT(reading, move_waits, 60)
{
	pthread_t thread;
	void *status;

	ASSERT_EQ(0, hold_arm("flush", HOLD_SPIN));
	ASSERT_EQ(0, pthread_create(&thread, NULL, flush_range, &self->link));
	ASSERT_EQ(0, hold_wait("flush"));
	ASSERT_EQ(0, vt_mem_move(&self->there.mem, false));
	EXPECT_FALSE(hold_held("flush"));
	pthread_join(thread, &status);
	EXPECT_EQ(NULL, status);
}

TEST_HARNESS_MAIN
