// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Range and rights of an MR: an iova other than the virtual address, begin and end
 * within pages, accesses one byte too far, access flags.
 */
#include "../page_size.h"
#include "data.h"
#include "lib/raw.h"

/* Runs the tables with MRs at another iova. */
static void run_at_iova(struct __test_metadata *_metadata, data_t *self,
			const FIXTURE_VARIANT(data) *variant, uint64_t iova)
{
	struct vt_buf_opts opts = {
		.access = VT_ACCESS_ALL | variant->on_demand,
		.iova = iova,
	};

	ASSERT_EQ(0, vt_buf_close(&self->local));
	ASSERT_EQ(0, vt_buf_close(&self->remote));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, variant->local,
				 SIZE, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &opts));
	vt_buf_fill(&self->local, 10);
	vt_buf_fill(&self->remote, 11);
	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	run_table(_metadata, self, do_write, UINT_MAX);
	vt_buf_fill(&self->remote, 12);
	run_table(_metadata, self, do_read, 4097);
	vt_buf_fill(&self->local, 13);
	run_table(_metadata, self, do_send, 4097);
}

TEST_F_TIMEOUT(data, iova_high, 120)
{
	run_at_iova(_metadata, self, variant, 0x123456780000ULL);
}

TEST_F_TIMEOUT(data, iova_zero_based, 120)
{
	run_at_iova(_metadata, self, variant, ULLONG_MAX);
}

/* The MR ends one page before the end of 64-bit addresses. */
TEST_F(data, iova_top)
{
	struct vt_buf_opts opts = {
		.access = VT_ACCESS_ALL | variant->on_demand,
		.iova = 0 - (uint64_t)SIZE - page_size(),
	};

	ASSERT_EQ(0, vt_buf_close(&self->remote));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &opts));
	vt_buf_fill(&self->remote, 14);
	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	ASSERT_EQ(0, do_write(self, 1, SIZE - 5000, 5000));
	ASSERT_EQ(0, do_read(self, 70000, 0, 5000));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
}

/*
 * The MR is smaller than the memory. Its first and last bytes can be accessed; those
 * next to them cannot, and do not change.
 */
TEST_F(data, bounds)
{
	static const struct {
		int64_t from_start, from_end;
		uint32_t length;
	} outside[] = {
		{ -1, 0, 1 }, { -1, 0, 2 }, { 0, 1, 1 }, { 0, 0, 2 },
		{ 0, -4999, 5001 }, { -5000, 0, 5001 },
	};
	const uint32_t skip = 4099, tail = 8191;
	const uint64_t last = SIZE - tail - 1;
	struct vt_buf_opts opts = {
		.skip = skip,
		.tail = tail,
		.access = VT_ACCESS_ALL | variant->on_demand,
	};
	size_t i;

	ASSERT_EQ(0, vt_buf_close(&self->remote));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &opts));
	vt_buf_fill(&self->remote, 15);
	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	ASSERT_EQ(0, do_write(self, 5, skip, 1));
	ASSERT_EQ(0, do_write(self, 6, last, 1));
	ASSERT_EQ(0, do_write(self, 7, last - 9999, 10000));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));

	for (i = 0; i < COUNT(outside); i++) {
		bool low = outside[i].from_start < 0;
		int64_t at = low ? (int64_t)skip + outside[i].from_start
				  : (int64_t)last + outside[i].from_end;
		struct ibv_sge sge = vt_sge(&self->local, 100,
					    outside[i].length);
		struct vt_remote there = vt_remote(&self->remote, at);

		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  vt_rdma_write(&self->pair.end[0], &sge, 1, there));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  vt_rdma_read(&self->pair.end[0], &sge, 1, there));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
	}
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
}

/* Operations that the access flags do not allow fail and change nothing. */
TEST_F(data, access_flags)
{
	struct vt_buf_opts read_only = {
		.access = IBV_ACCESS_REMOTE_READ | variant->on_demand,
	};
	struct ibv_sge local = vt_sge(&self->local, 0, 64);
	struct vt_end *end = &self->pair.end[0];
	struct vt_remote there;
	struct ibv_sge sge;

	ASSERT_EQ(0, vt_buf_close(&self->remote));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &read_only));
	vt_buf_fill(&self->remote, 16);
	there = vt_remote(&self->remote, 4000);
	sge = vt_sge(&self->remote, 4000, 64);
	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });

	EXPECT_EQ(0, do_read(self, 64, 4000, 128));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, vt_rdma_write(end, &local, 1, there));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	local.length = 8;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, vt_fetch_add(end, &local, there, 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	/* The MR can be the source of a transfer, but not its destination. */
	EXPECT_EQ(IBV_WC_LOC_PROT_ERR,
		  vt_rdma_read(end, &sge, 1, vt_remote(&self->local, 0)));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
	ASSERT_EQ(0, vt_buf_check_all(&self->local));
}

/* Atomics in an MR that begins within a page, at another iova. */
TEST_F(data, atomics_within_pages)
{
	static const uint32_t at[] = { 4104, 8184, 8192, SIZE - 16 };
	struct vt_buf_opts opts = {
		.skip = 4104, .tail = 8, .iova = 0x123456780000ULL,
		.access = VT_ACCESS_ALL | variant->on_demand,
	};
	struct vt_end *end = &self->pair.end[0];
	struct ibv_sge result = vt_sge(&self->local, 7, 8);
	uint64_t was;
	size_t i;

	ASSERT_EQ(0, vt_buf_close(&self->remote));
	ASSERT_EQ(0, vt_buf_open(&self->remote, &self->dev, variant->remote,
				 SIZE, &opts));
	vt_buf_fill(&self->remote, 17);
	open_pair(_metadata, self, (struct vt_pair_opts){ 0 });
	for (i = 0; i < COUNT(at); i++) {
		struct vt_remote there = vt_remote(&self->remote, at[i]);

		memcpy(&was, self->remote.shadow + at[i], 8);
		memcpy(self->local.shadow + 7, &was, 8);
		ASSERT_EQ(0, vt_fetch_add(end, &result, there, 5));
		ASSERT_EQ(0, vt_buf_check(&self->local, 7, 8));
		was += 5;
		memcpy(self->remote.shadow + at[i], &was, 8);
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));

		memcpy(self->local.shadow + 7, &was, 8);
		ASSERT_EQ(0, vt_cmp_swap(end, &result, there, was, ~was));
		was = ~was;
		memcpy(self->remote.shadow + at[i], &was, 8);
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));

		was ^= 0x55;
		ASSERT_EQ(0, vt_atomic_write(end, there, was));
		memcpy(self->remote.shadow + at[i], &was, 8);
		ASSERT_EQ(0, vt_flush(end, there, 8, VT_FLUSH_GLOBAL));
		ASSERT_EQ(0, vt_buf_check(&self->remote, at[i], 8));
	}
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));

	/* The last word of the memory is outside of the MR. */
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_fetch_add(end, &result, vt_remote(&self->remote, SIZE - 8),
			       1));
	ASSERT_EQ(0, vt_buf_check_all(&self->remote));
}

TEST_HARNESS_MAIN
