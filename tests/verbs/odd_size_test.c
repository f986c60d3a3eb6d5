// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory of odd sizes that moves: the first and the last page of a registration are
 * invalidated as the others are. Each page is accessed alone after a move, for a fault
 * on any other page would bring it, too.
 */
#include <kselftest_harness.h>

#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"

#define PAGE 4096UL
/* As the page table has them: entries of 64 KiB and of 2 MiB. */
#define RUN (64UL * 1024)
#define HUGE (2UL * 1024 * 1024)

/* The memory, and the parts before and behind the MR. */
struct shape {
	size_t length, skip, tail;
};

static const struct shape shapes[] = {
	{ PAGE, 0, 0 },
	{ RUN + 5 * PAGE, 0, 0 },
	{ 3 * RUN, 3 * PAGE, 2 * PAGE },
	{ HUGE - PAGE, 0, 0 },
	{ HUGE + 3 * PAGE, PAGE, 0 },
};

#define SHAPES (sizeof(shapes) / sizeof(shapes[0]))

FIXTURE(odd)
{
	VT_LINK;
};

VT_VARIANTS(odd);
VT_PINNED(odd, vram_dmabuf);
VT_PINNED(odd, vram_range);
VT_PINNED(odd, moving);
VT_PINNED(odd, iomem);
VT_PINNED(odd, dma);
VT_PINNED(odd, engine);
VT_PINNED(odd, engine_eager);
VT_ON_DEMAND(odd, vram_named);
VT_ON_DEMAND(odd, vram_system);

FIXTURE_SETUP(odd)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->here, &self->dev, &vt_mem_host, PAGE,
				 NULL));
}

FIXTURE_TEARDOWN(odd)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(odd) odd_t;

/* The page at @offset: written, moved, read, moved, written. */
static void follow_page(struct __test_metadata *_metadata, odd_t *self,
			uint64_t offset)
{
	struct vt_mem *mem = &self->there.mem;
	int i;

	for (i = 0; i < 2; i++) {
		vt_buf_fill(&self->here, 30 + i);
		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, offset,
					      &self->here, 0, PAGE));
		EXPECT_EQ(0, vt_buf_check(&self->there, offset, PAGE));
		ASSERT_EQ(0, vt_mem_move(mem, i));
		ASSERT_EQ(0, vt_buf_fill_by_owner(&self->there, 10 + i));
		ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0,
					     &self->there, offset, PAGE));
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
		ASSERT_EQ(0, vt_mem_move(mem, !i));
	}
}

TEST_F_TIMEOUT(odd, first_and_last_page_move, 120)
{
	struct vt_buf_opts opts = { 0 };
	const struct shape *shape;

	for (shape = shapes; shape < shapes + SHAPES; shape++) {
		opts.skip = shape->skip;
		opts.tail = shape->tail;
		if (variant->on_demand)
			opts.access = VT_ACCESS_ALL | variant->on_demand;
		ASSERT_EQ(0, vt_buf_open(&self->there, &self->dev,
					 variant->kind, shape->length, &opts));
		vt_buf_fill(&self->there, 2);
		follow_page(_metadata, self, shape->skip);
		follow_page(_metadata, self,
			    shape->length - shape->tail - PAGE);
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		EXPECT_EQ(0, vt_buf_close(&self->there));
		ASSERT_EQ(0, _metadata->exit_code);
	}
}

TEST_HARNESS_MAIN
