/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Bytes: every operation at odd offsets and lengths, across pages and packets, with the
 * memory on the responder's and on the requester's side. Both buffers are compared with
 * the result of memcpy().
 */
#ifndef EXPORTER_DATA_TESTS_H
#define EXPORTER_DATA_TESTS_H

#include <limits.h>

#include "applies.h"
#include "fixture.h"
#include "lib/copy.h"
#include "lib/raw.h"

FIXTURE(data)
{
	VT_LINK;
};

ET_VARIANTS(data);

FIXTURE_SETUP(data)
{
	et_open(_metadata, &self->link, variant->on_demand);
}

FIXTURE_TEARDOWN(data)
{
	et_close(_metadata, &self->link);
}

/* Every length at every offset of the source; the other offset cycles through the table. */
static void copy_table(struct __test_metadata *_metadata,
		       FIXTURE_DATA(data) *self, vt_copy_fn copy,
		       struct vt_buf *to, struct vt_buf *from)
{
	const uint32_t offsets[] = {
		0, 1, 7, PAGE - 3, PAGE, 3 * PAGE - 1, 8 * PAGE + 64,
	};
	const uint32_t lengths[] = {
		0, 1, 8, 63, 1025, PAGE - 1, PAGE, PAGE + 1, 3 * PAGE + 5,
	};
	size_t i, j;

	for (i = 0; i < COUNT(lengths); i++) {
		for (j = 0; j < COUNT(offsets); j++) {
			uint32_t there = offsets[(i + 3 * j) % COUNT(offsets)];

			ASSERT_EQ(0, copy(&self->pair, to, there, from,
					  offsets[j], lengths[i])) {
				TH_LOG("%u bytes from %u to %u", lengths[i],
				       offsets[j], there);
			}
			ASSERT_EQ(0, vt_buf_check(to, there, lengths[i]));
		}
	}
	EXPECT_EQ(0, vt_buf_check_all(to));
	EXPECT_EQ(0, vt_buf_check_all(from));
}

TEST_F_TIMEOUT(data, write_to, 120)
{
	copy_table(_metadata, self, vt_copy_by_write, &self->there, &self->here);
}

TEST_F_TIMEOUT(data, write_from, 120)
{
	copy_table(_metadata, self, vt_copy_by_write, &self->here, &self->there);
}

TEST_F_TIMEOUT(data, read_from, 120)
{
	copy_table(_metadata, self, vt_copy_by_read, &self->here, &self->there);
}

TEST_F_TIMEOUT(data, read_to, 120)
{
	copy_table(_metadata, self, vt_copy_by_read, &self->there, &self->here);
}

TEST_F_TIMEOUT(data, receive_into, 120)
{
	copy_table(_metadata, self, vt_copy_by_send, &self->there, &self->here);
}

TEST_F_TIMEOUT(data, send_from, 120)
{
	copy_table(_metadata, self, vt_copy_by_send, &self->here, &self->there);
}

/* The whole memory in one operation. */
TEST_F_TIMEOUT(data, whole, 120)
{
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0,
				      &self->here, 0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	vt_buf_fill(&self->there, 3);
	ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0,
				     &self->there, 0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

TEST_F(data, atomics)
{
	const uint64_t at[] = { 0, 8, PAGE - 8, PAGE, SIZE - 8 };
	struct vt_end *end = &self->pair.end[0];
	uint64_t *word, result;
	size_t i;

	for (i = 0; i < COUNT(at); i++) {
		/* The result may cross a page boundary. */
		uint64_t here = PAGE - 3 + 8 * i;
		struct ibv_sge sge = vt_sge(&self->here, here, 8);
		struct vt_remote there = vt_remote(&self->there, at[i]);

		word = (uint64_t *)(self->there.shadow + at[i]);
		ASSERT_EQ(0, vt_fetch_add(end, &sge, there, 0x1000000001));
		memcpy(&result, self->here.mem.addr + here, 8);
		EXPECT_EQ(*word, result);
		*word += 0x1000000001;
		/* The first one does not match. */
		ASSERT_EQ(0, vt_cmp_swap(end, &sge, there, *word ^ 1, 99));
		EXPECT_EQ(0, vt_buf_check(&self->there, at[i], 8));
		ASSERT_EQ(0, vt_cmp_swap(end, &sge, there, *word, 99 + i));
		*word = 99 + i;
		EXPECT_EQ(0, vt_buf_check(&self->there, at[i], 8));
		*word = 0x8877665544332211 + i;
		ASSERT_EQ(0, vt_atomic_write(end, there, *word));
		EXPECT_EQ(0, vt_buf_check(&self->there, at[i], 8));
	}
	EXPECT_EQ(IBV_WC_REM_INV_REQ_ERR,
		  vt_atomic_write(end, vt_remote(&self->there, PAGE - 4), 1));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* MRs of parts: their bytes, and not a byte outside of them. */
TEST_F_TIMEOUT(data, parts, 120)
{
	const struct { size_t offset, length; } parts[] = {
		{ 1, 2 * PAGE }, { PAGE, 3 * PAGE }, { 5 * PAGE + 7, PAGE },
		{ SIZE - PAGE - 1, PAGE + 1 }, { SIZE - 3 * PAGE, PAGE + 3 },
	};
	struct vt_buf part = self->there;
	size_t i;

	for (i = 0; i < COUNT(parts); i++) {
		/* Zero-based: the address in the MR is not that of the memory. */
		part.mr = ibv_reg_mr_iova(self->dev.pd,
					  part.mem.addr + parts[i].offset,
					  parts[i].length,
					  parts[i].offset % PAGE,
					  VT_ACCESS_ALL | variant->on_demand);
		ASSERT_NE(NULL, part.mr);
		part.iova = parts[i].offset % PAGE - parts[i].offset;
		EXPECT_EQ(0, vt_copy_by_write(&self->pair, &part,
					      parts[i].offset, &self->here,
					      3 + i, parts[i].length));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 5,
					     &part, parts[i].offset,
					     parts[i].length));
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
		struct ibv_sge sge = vt_sge(&self->here, 0, 8);

		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  vt_rdma_write(&self->pair.end[0], &sge, 1,
					vt_remote(&part, parts[i].offset +
						  parts[i].length - 7)));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
		EXPECT_EQ(0, ibv_dereg_mr(part.mr));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
	}
}

/* MRs of both kinds over one range. One ends, the others stay. */
TEST_F_TIMEOUT(data, several_mrs, 60)
{
	struct vt_buf other = self->there;
	int kind = variant->on_demand ? 0 : IBV_ACCESS_ON_DEMAND;

	if (!kind && !et_node_can_pin())
		kind = IBV_ACCESS_ON_DEMAND;
	other.mr = ibv_reg_mr(self->dev.pd, other.mem.addr, SIZE,
			      VT_ACCESS_ALL | kind);
	ASSERT_NE(NULL, other.mr);
	EXPECT_EQ(0, vt_copy_by_write(&self->pair, &other, 7, &self->here, 0,
				      5 * PAGE));
	EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, PAGE,
				     &self->there, 3, 5 * PAGE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, ibv_dereg_mr(other.mr));
	et_expect_access(_metadata, &self->link);
}

/* Bytes that the CPU writes after the first access are seen by the next one. */
TEST_F_TIMEOUT(data, after_the_cpu, 60)
{
	int round;

	for (round = 0; round < 5; round++) {
		EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, round,
					     &self->there, 99, 6 * PAGE));
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
		vt_buf_fill(&self->there, 10 + round);
	}
}

TEST_F_TIMEOUT(data, prefetch, 60)
{
	const int advices[] = {
		IBV_ADVISE_MR_ADVICE_PREFETCH,
		IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
		IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
	};
	struct vt_mr_counters before, now;
	struct ibv_sge sge;
	size_t i;

	if (!variant->on_demand)
		DOES_NOT_APPLY(return, "for on-demand MRs only");
	for (i = 0; i < COUNT(advices); i++) {
		sge = vt_sge(&self->there, i * PAGE + 1, SIZE - 3 * PAGE);
		EXPECT_EQ(0, vt_advise_mr(self->dev.pd, advices[i],
					  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	}
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_LT(0, before.prefetch);
	/* The pages are there, for writing. */
	EXPECT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 2 * PAGE + 1,
				      &self->here, 0, SIZE - 3 * PAGE));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	ASSERT_EQ(0, vt_mr_counters_read(&now));
	EXPECT_EQ(before.faults, now.faults);
}

#endif
