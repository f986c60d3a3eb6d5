// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory of odd sizes that moves: the first and the last page of an MR are invalidated
 * like all others. After a move each page is accessed alone, because a fault on
 * another page would fault it in, too.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"

#define PAGE page_size()
/* Sizes of entries of the page table. */
#define RUN (64UL * 1024)
#define HUGE (2UL * 1024 * 1024)

/* Length of the memory, and of the parts before and after the MR. */
struct shape {
	size_t length, skip, tail;
};

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

/* Accesses the page at @offset: write, move, read, move, write, ... */
static void check_page(struct __test_metadata *_metadata, odd_t *self,
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
	const struct shape shapes[] = {
		{ PAGE, 0, 0 },
		{ RUN + 5 * PAGE, 0, 0 },
		{ 3 * RUN, 3 * PAGE, 2 * PAGE },
		{ HUGE - PAGE, 0, 0 },
		{ HUGE + 3 * PAGE, PAGE, 0 },
	};
	const struct shape *end = shapes + sizeof(shapes) / sizeof(shapes[0]);
	struct vt_buf_opts opts = { 0 };
	const struct shape *shape;

	for (shape = shapes; shape < end; shape++) {
		opts.skip = shape->skip;
		opts.tail = shape->tail;
		if (variant->on_demand)
			opts.access = VT_ACCESS_ALL | variant->on_demand;
		ASSERT_EQ(0, vt_buf_open(&self->there, &self->dev,
					 variant->kind, shape->length, &opts));
		vt_buf_fill(&self->there, 2);
		check_page(_metadata, self, shape->skip);
		check_page(_metadata, self, shape->length - shape->tail - PAGE);
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		EXPECT_EQ(0, vt_buf_close(&self->there));
		ASSERT_EQ(0, _metadata->exit_code);
	}
}

TEST_HARNESS_MAIN
