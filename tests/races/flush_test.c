// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A FLUSH with global visibility reads back from each region of device memory
 * in its range. It reads once for each region, from any page that is present.
 * The hold point "flush" counts these reads. The test area has three adjacent
 * pieces: VRAM, system memory, and other VRAM.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <sys/mman.h>

#include "page_size.h"
#include "hold.h"
#include "lib/buf.h"
#include "lib/link.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define PIECE (256 * 1024UL)
#define LARGE large_entry_size()
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

/* Return: the number of reads from device memory, -errno, or 1000 + status. */
static int flush(FIXTURE_DATA(flush) *self, size_t offset, uint32_t length)
{
	int before = hold_count("flush");
	int ret = vt_flush(&self->pair.end[0], at(self, offset), length,
			   VT_FLUSH_GLOBAL);

	if (ret)
		return ret < 0 ? ret : 1000 + ret;
	return hold_count("flush") - before;
}

static int flush_all(FIXTURE_DATA(flush) *self)
{
	int before = hold_count("flush");
	int ret = vt_flush_mr(&self->pair.end[0], at(self, 0),
			      VT_FLUSH_GLOBAL);

	if (ret)
		return ret < 0 ? ret : 1000 + ret;
	return hold_count("flush") - before;
}

/* Memory that was never accessed has no region, so nothing is read back. */
TEST_F(flush, no_region)
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
	/* The other region has no page in this range. */
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

/* The first pages of the range are absent and belong to no region. */
TEST_F(flush, later_page)
{
	ASSERT_EQ(0, put(self, 2 * PIECE + 100));
	EXPECT_EQ(1, flush(self, PIECE - PAGE, 2 * PIECE));
}

TEST_F(flush, zero_length)
{
	ASSERT_EQ(0, put(self, 100));
	EXPECT_EQ(0, flush(self, 0, 0));
}

/*
 * The exporter has already moved pages that were invalidated, so it has the
 * data written. No read back is needed.
 */
TEST_F(flush, region_unmapped)
{
	ASSERT_EQ(0, put(self, 100));
	ASSERT_EQ(0, munmap(self->area, PIECE));
	EXPECT_EQ(0, flush(self, 0, PIECE));
}

/* ---- pinned MRs; an MR of a dma-buf does not support FLUSH ---- */

FIXTURE(pinned)
{
	VT_LINK;
};

FIXTURE_VARIANT(pinned)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(pinned, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(pinned, cmb) { .kind = &vt_mem_cmb };

FIXTURE_SETUP(pinned)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, PIECE, 0, NULL));
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

TEST_F(pinned, read_back_once)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);
	struct vt_end *end = &self->pair.end[0];
	int before;

	ASSERT_EQ(0, vt_rdma_write(end, &sge, 1,
				   vt_remote(&self->there, 70000)));
	before = hold_count("flush");
	ASSERT_LE(0, before);
	EXPECT_EQ(0, vt_flush(end, vt_remote(&self->there, 0), PIECE,
			      VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_count("flush"));
	EXPECT_EQ(0, vt_flush_mr(end, vt_remote(&self->there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 2, hold_count("flush"));
}

/* ---- one region with pages of different kinds ---- */

#define IOMEM "/sys/module/peer_test_native/parameters/iomem"
/* More pages than a reader checks under one lock. */
#define BEFORE 150

TEST(first_pages_not_iomem)
{
	struct vt_link link;
	int before;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_native));
	ASSERT_EQ(0, vt_write_file(IOMEM, "150"));
	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_native, (BEFORE + 2) * PAGE,
				  0, NULL));
	before = hold_count("flush");
	ASSERT_LE(0, before);
	EXPECT_EQ(0, vt_flush_mr(&link.pair.end[0], vt_remote(&link.there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_count("flush"));
	EXPECT_EQ(0, vt_flush(&link.pair.end[0], vt_remote(&link.there, 0),
			      BEFORE * PAGE, VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_count("flush"));
	EXPECT_EQ(0, vt_link_close(&link));
	EXPECT_EQ(0, vt_write_file(IOMEM, "4294967295"));
}

/* A fault maps a large entry, so the pages before that are absent. */
TEST(first_pages_absent)
{
	struct ibv_sge sge;
	struct vt_link link;
	int before;

	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_vram, 2 * LARGE, ACCESS, NULL));
	sge = vt_sge(&link.here, 0, 5000);
	ASSERT_EQ(0, vt_rdma_write(&link.pair.end[0], &sge, 1,
				   vt_remote(&link.there, LARGE + LARGE / 2)));
	before = hold_count("flush");
	EXPECT_EQ(0, vt_flush(&link.pair.end[0], vt_remote(&link.there, 0),
			      LARGE - PAGE, VT_FLUSH_GLOBAL));
	EXPECT_EQ(before, hold_count("flush"));
	EXPECT_EQ(0, vt_flush_mr(&link.pair.end[0], vt_remote(&link.there, 0),
				 VT_FLUSH_GLOBAL));
	EXPECT_EQ(before + 1, hold_count("flush"));
	EXPECT_EQ(0, vt_link_close(&link));
}

static int revoke_or_destroy(struct vt_mem *mem)
{
	return vt_mem_base(mem->kind)->revoke ? vt_mem_revoke(mem) :
						 vt_mem_destroy(mem);
}

/* A revoked region is not read back. */
TEST_F(pinned, revoked)
{
	struct vt_end *end = &self->pair.end[0];
	int before = hold_count("flush");

	ASSERT_EQ(0, revoke_or_destroy(&self->there.mem));
	vt_flush(end, vt_remote(&self->there, 0), PIECE, VT_FLUSH_GLOBAL);
	EXPECT_EQ(before, hold_count("flush"));
}

/* ---- read back against invalidation ---- */

FIXTURE(read_back)
{
	VT_LINK;
	struct ibv_sge sge;
};

FIXTURE_SETUP(read_back)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, PIECE, ACCESS,
				  NULL));
	self->sge = vt_sge(&self->here, 0, 5000);
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &self->sge, 1,
				   vt_remote(&self->there, 0)));
}

FIXTURE_TEARDOWN(read_back)
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

TEST_F_TIMEOUT(read_back, move_waits_for_reader, 60)
{
	pthread_t thread;
	void *status;

	ASSERT_EQ(0, hold_arm("flush", HOLD_SPIN));
	ASSERT_EQ(0, pthread_create(&thread, NULL, flush_range, &self->link));
	ASSERT_EQ(0, hold_wait("flush"));
	ASSERT_EQ(0, vt_mem_move(&self->there.mem, false));
	EXPECT_FALSE(hold_is_held("flush"));
	pthread_join(thread, &status);
	EXPECT_EQ(NULL, status);
}

TEST_HARNESS_MAIN
