// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Data transfers of a DMA engine by key, to and from all kinds of memory, with all
 * importer types. The shadow buffer has the expected content.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "engine.h"
#include "lib/proc.h"

#define PAGE page_size()
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
	int ret;

	ASSERT_EQ(0, en_load());
	ret = vt_mem_prepare(variant->kind);
	if (ret == -ENODEV)
		SKIP(return, "this kernel has no such exporter");
	ASSERT_EQ(0, ret);
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, variant->abi,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(bytes)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
}

TEST_F_TIMEOUT(bytes, write_and_read, 120)
{
	const struct {
		uint64_t offset;
		size_t length;
	} ranges[] = {
		{ 0, 1 },
		{ PAGE - 1, 2 },		/* across a page boundary */
		{ PAGE + 7, 2 * PAGE - 100 },
		{ SIZE - 5, 5 },		/* the last bytes */
	};
	const size_t num_ranges = sizeof(ranges) / sizeof(ranges[0]);
	size_t i;

	for (i = 0; i < num_ranges; i++) {
		ASSERT_EQ(0, en_buf_write(&self->b, ranges[i].offset,
					  ranges[i].length, 2));
		ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
	}
	vt_buf_fill(&self->b.buf, 3);
	for (i = 0; i < num_ranges; i++)
		ASSERT_EQ(0, en_buf_read(&self->b, ranges[i].offset,
					 ranges[i].length));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/*
 * Registers a part of the memory, from an unaligned offset, with an iova of the
 * caller. The MR of the whole memory is deregistered first, because DMA debugging
 * of the kernel warns about overlapping mappings.
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
	EXPECT_EQ(0, en_buf_write(b, offset, 200, 4));
	EXPECT_EQ(0, en_buf_write(b, offset + length - 3, 3, 4));
	EXPECT_EQ(0, en_buf_read(b, offset + 100, 2));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));

	EXPECT_EQ(-ERANGE, en_buf_write(b, offset - 1, 2, 5));
	EXPECT_EQ(-ERANGE, en_buf_write(b, offset + length - 1, 2, 5));
	EXPECT_EQ(-ERANGE, en_buf_write(b, offset + length, 1, 5));
	EXPECT_EQ(0, vt_buf_check_all(&b->buf));
}

TEST_HARNESS_MAIN
