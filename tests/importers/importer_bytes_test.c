// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Bytes that a DMA engine moves by key, into and out of memory of every kind, on
 * devices that import it in different ways. The shadow says what must be in it.
 */
#include <kselftest_harness.h>

#include "engine.h"
#include "lib/proc.h"

#define PAGE 4096
#define SIZE (6 * PAGE)

FIXTURE(bytes)
{
	struct en_buf b;
};

FIXTURE_VARIANT(bytes)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	enum im_abi abi;
};

#define VARIANTS(_kind)							\
	FIXTURE_VARIANT_ADD(bytes, dynamic_##_kind) {			\
		.kind = &vt_mem_##_kind,				\
		.device = EDU_RDMA_DYNAMIC,				\
		.abi = IM_WRITE,					\
	};								\
	FIXTURE_VARIANT_ADD(bytes, pinned_##_kind) {			\
		.kind = &vt_mem_##_kind,				\
		.device = EDU_RDMA_PINNED,				\
		.abi = IM_IOCTL,					\
	};								\
	FIXTURE_VARIANT_ADD(bytes, revocable_##_kind) {			\
		.kind = &vt_mem_##_kind,				\
		.device = EDU_RDMA_REVOCABLE,				\
		.abi = IM_WRITE,					\
	}

VARIANTS(host);
VARIANTS(dma);
VARIANTS(udmabuf);
VARIANTS(heap);

FIXTURE_SETUP(bytes)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, variant->abi,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(bytes)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
}

struct piece {
	uint64_t offset;
	size_t length;
};

static const struct piece pieces[] = {
	{ 0, 1 },
	{ PAGE - 1, 2 },			/* over a border */
	{ PAGE + 7, 2 * PAGE - 100 },
	{ SIZE - 5, 5 },			/* the last bytes */
};

#define PIECES (sizeof(pieces) / sizeof(pieces[0]))

TEST_F_TIMEOUT(bytes, there_and_back, 120)
{
	size_t i;

	for (i = 0; i < PIECES; i++) {
		ASSERT_EQ(0, en_put(&self->b, pieces[i].offset,
				    pieces[i].length, 2));
		ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
	}
	vt_buf_fill(&self->b.buf, 3);
	for (i = 0; i < PIECES; i++)
		ASSERT_EQ(0, en_get(&self->b, pieces[i].offset,
				    pieces[i].length));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/*
 * A part of it, from an odd offset, at an address of the caller's. Not while all
 * of it is mapped, which the kernel takes for a mistake where it looks for such.
 */
TEST_F_TIMEOUT(bytes, part, 60)
{
	struct en_buf *b = &self->b;
	uint64_t offset = PAGE + 4000, length = 2 * PAGE;
	uint64_t iova = 0x7000000000000000 + 4000;

	ASSERT_EQ(0, im_dereg_mr(&b->mr));
	ASSERT_EQ(0, im_reg_mem(&b->dev, &b->mr, &b->buf.mem, offset, length,
				iova, IM_ACCESS_ALL));
	b->buf.iova = iova - offset;
	EXPECT_EQ(0, en_put(b, offset, 200, 4));
	EXPECT_EQ(0, en_put(b, offset + length - 3, 3, 4));
	EXPECT_EQ(0, en_get(b, offset + 100, 2));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));

	EXPECT_EQ(-ERANGE, en_put(b, offset - 1, 2, 5));
	EXPECT_EQ(-ERANGE, en_put(b, offset + length - 1, 2, 5));
	EXPECT_EQ(-ERANGE, en_put(b, offset + length, 1, 5));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
}

TEST_HARNESS_MAIN
