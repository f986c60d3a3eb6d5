// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations on MRs other than transfers: re-registration, memory windows, several
 * MRs over the same memory. On peer memory and on host memory, pinned and on demand.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/raw.h"

#define SIZE (64 * 1024)

FIXTURE(mr)
{
	VT_LINK;
	int mrs;
};

VT_VARIANTS(mr);
VT_PINNED(mr, host);
VT_PINNED(mr, vram);
VT_PINNED(mr, vram_named);
VT_PINNED(mr, cmb);
VT_ON_DEMAND(mr, host);
VT_ON_DEMAND(mr, vram);
VT_ON_DEMAND(mr, cmb);

FIXTURE_SETUP(mr)
{
	self->mrs = vt_resource_count("mr");
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  VT_ACCESS_ALL | variant->on_demand, NULL));
}

FIXTURE_TEARDOWN(mr)
{
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_close(&self->there));
	EXPECT_EQ(0, vt_buf_close(&self->here));
	EXPECT_EQ(self->mrs, vt_resource_count("mr"));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/* Writes to @addr with @rkey. An error renews the pair. Return: the status. */
static int write_key(FIXTURE_DATA(mr) *self, uint64_t addr, uint32_t rkey,
		     uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, 8, length);
	struct vt_remote to = { addr, rkey };
	int status = vt_rdma_write(&self->pair.end[0], &sge, 1, to);

	if (status && vt_pair_renew(&self->pair))
		return -EIO;
	return status;
}

static int read_key(FIXTURE_DATA(mr) *self, uint64_t addr, uint32_t rkey,
		    uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, SIZE / 2, length);
	struct vt_remote from = { addr, rkey };
	int status = vt_rdma_read(&self->pair.end[0], &sge, 1, from);

	if (status && vt_pair_renew(&self->pair))
		return -EIO;
	return status;
}

/* The effect of a successful write_key() on the shadow. */
static void expect_written(FIXTURE_DATA(mr) *self, uint64_t offset,
			   uint32_t length)
{
	memcpy(self->there.shadow + offset, self->here.shadow + 8, length);
}

static void expect_read(FIXTURE_DATA(mr) *self, uint64_t offset,
			uint32_t length)
{
	memcpy(self->here.shadow + SIZE / 2, self->there.shadow + offset,
	       length);
}

TEST_F(mr, rereg_access)
{
	struct ibv_mr *mr = self->there.mr;
	uint64_t at = self->there.iova + 4090;

	ASSERT_EQ(0, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				 IBV_ACCESS_LOCAL_WRITE |
				 IBV_ACCESS_REMOTE_READ | variant->on_demand));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, mr->rkey, 5000));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, read_key(self, at, mr->rkey, 5000));
	expect_read(self, 4090, 5000);

	ASSERT_EQ(0, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				 VT_ACCESS_ALL | variant->on_demand));
	EXPECT_EQ(0, write_key(self, at, mr->rkey, 5000));
	expect_written(self, 4090, 5000);
}

/*
 * Re-registration cannot make a pinned read-only MR writable. It can do so with an
 * on-demand MR, as far as the mapping allows.
 */
TEST_F(mr, rereg_access_of_read_only)
{
	struct vt_buf_opts opts = { .access = IBV_ACCESS_REMOTE_READ };
	struct vt_buf buf;

	if (variant->on_demand)
		DOES_NOT_APPLY(return, "for pinned MRs only");
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE,
				 &opts));
	EXPECT_EQ(-EACCES, vt_rereg_mr(buf.mr, IBV_REREG_MR_CHANGE_ACCESS,
				       NULL, VT_ACCESS_ALL));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_key(self, buf.iova, buf.mr->rkey, 8));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_rereg_mr(buf.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, 0));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  read_key(self, buf.iova, buf.mr->rkey, 8));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(mr, rereg_adds_write)
{
	struct vt_buf_opts opts = {
		.access = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND,
	};
	struct vt_buf buf;

	if (!variant->on_demand)
		DOES_NOT_APPLY(return, "for on-demand MRs only");
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE,
				 &opts));
	vt_buf_fill(&buf, 3);
	EXPECT_EQ(0, read_key(self, buf.iova, buf.mr->rkey, 9000));
	memcpy(self->here.shadow + SIZE / 2, buf.shadow, 9000);
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_key(self, buf.iova, buf.mr->rkey, 8));
	ASSERT_EQ(0, vt_rereg_mr(buf.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
				 VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND));
	EXPECT_EQ(0, write_key(self, buf.iova + 4090, buf.mr->rkey, 5000));
	memcpy(buf.shadow + 4090, self->here.shadow + 8, 5000);
	EXPECT_EQ(0, vt_buf_check_all(&buf));

	ASSERT_EQ(0, mprotect(buf.mem.addr, SIZE, PROT_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_key(self, buf.iova, buf.mr->rkey, 8));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	/* An on-demand MR cannot become a pinned MR. */
	EXPECT_EQ(-EOPNOTSUPP, vt_rereg_mr(buf.mr, IBV_REREG_MR_CHANGE_ACCESS,
					   NULL, VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(mr, rereg_pd)
{
	struct ibv_pd *pd = ibv_alloc_pd(self->dev.ctx);
	struct vt_pair_opts opts = { .pd = pd };
	struct ibv_mr *mr = self->there.mr;
	uint64_t at = self->there.iova + 12287;
	struct vt_pair other;

	ASSERT_NE(NULL, pd);
	ASSERT_EQ(0, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD, pd, 0));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, mr->rkey, 100));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));

	/* A responder in the new PD can access it. */
	ASSERT_EQ(0, vt_pair_open(&other, &self->dev, &opts));
	struct ibv_sge sge = vt_sge(&self->here, 8, 9000);
	struct vt_remote to = { at, mr->rkey };

	EXPECT_EQ(0, vt_rdma_write(&other.end[0], &sge, 1, to));
	expect_written(self, 12287, 9000);
	vt_pair_close(&other);

	/* The PD is in use as long as the MR is in it. */
	EXPECT_EQ(EBUSY, ibv_dealloc_pd(pd));
	ASSERT_EQ(0, vt_rereg_mr(mr, IBV_REREG_MR_CHANGE_PD |
				 IBV_REREG_MR_CHANGE_ACCESS, self->dev.pd,
				 VT_ACCESS_ALL | variant->on_demand));
	EXPECT_EQ(0, ibv_dealloc_pd(pd));
	EXPECT_EQ(0, write_key(self, at, mr->rkey, 100));
	expect_written(self, 12287, 100);
}

TEST_F(mr, rereg_refused)
{
	/* Soft-RoCE does not support changing the memory of an MR. */
	EXPECT_EQ(-EOPNOTSUPP,
		  vt_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_TRANSLATION,
			      NULL, 0));
	EXPECT_EQ(-EINVAL, vt_rereg_mr(self->there.mr, 0, NULL, 0));
	EXPECT_EQ(-EINVAL,
		  vt_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_ACCESS, NULL,
			      IBV_ACCESS_REMOTE_WRITE));
	/* Soft-RoCE itself does not check this flag of pinned system memory. */
	if (variant->on_demand || variant->kind != &vt_mem_host)
		EXPECT_EQ(-EINVAL,
			  vt_rereg_mr(self->there.mr,
				      IBV_REREG_MR_CHANGE_ACCESS, NULL,
				      VT_ACCESS_ALL | variant->on_demand |
				      VT_ACCESS_FLUSH_PERSISTENT));
	EXPECT_EQ(0, write_key(self, self->there.iova, self->there.mr->rkey,
			       64));
	expect_written(self, 0, 64);
}

static struct ibv_mw_bind_info window_over(struct vt_buf *buf, uint64_t offset,
					   uint64_t length, int access)
{
	return (struct ibv_mw_bind_info){
		.mr = buf->mr,
		.addr = buf->iova + offset,
		.length = length,
		.mw_access_flags = access,
	};
}

TEST_F(mr, window_type1)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 4000, 9000, IBV_ACCESS_REMOTE_WRITE);
	uint64_t at = self->there.iova + 4000;
	struct ibv_mw *mw;

	mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);
	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	EXPECT_EQ(0, write_key(self, at, mw->rkey, 9000));
	expect_written(self, 4000, 9000);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_key(self, at, mw->rkey, 8));

	/* An MR with a bound window cannot be deregistered. */
	EXPECT_EQ(EINVAL, ibv_dereg_mr(self->there.mr));

	/* A bind with length 0 unbinds the window. */
	info.length = 0;
	ASSERT_EQ(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, mw->rkey, 8));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

TEST_F(mr, window_type2)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 8191, 4098,
			    IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ);
	struct vt_end *owner = &self->pair.end[1];
	uint64_t at = self->there.iova + 8191;
	struct ibv_mw *mw;
	uint32_t rkey;

	mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_2);
	ASSERT_NE(NULL, mw);
	rkey = ibv_inc_rkey(mw->rkey);
	/* A type 2 window belongs to the queue pair that binds it: the responder's. */
	ASSERT_EQ(0, vt_bind_mw_type2(owner, mw, rkey, &info));
	EXPECT_EQ(0, write_key(self, at, rkey, 4098));
	expect_written(self, 8191, 4098);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, read_key(self, at + 4097, rkey, 1));
	expect_read(self, 8191 + 4097, 1);

	ASSERT_EQ(0, vt_invalidate(owner, rkey));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, rkey, 8));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

/* An access to any byte outside the window fails, in the MR and elsewhere. */
static void expect_bounds(struct __test_metadata *_metadata,
			  FIXTURE_DATA(mr) *self, uint64_t at, uint64_t length,
			  uint32_t rkey)
{
	struct ibv_sge result = vt_sge(&self->here, 0, 8);
	const struct { int64_t from; uint32_t bytes; } outside[] = {
		{ -1, 8 }, { -4000, 64 }, { length - 7, 8 }, { length, 1 },
		{ length + 4096, 4096 }, { 0, length + 1 }, { -1, length + 2 },
	};
	size_t i;

	for (i = 0; i < sizeof(outside) / sizeof(outside[0]); i++) {
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  write_key(self, at + outside[i].from, rkey,
				    outside[i].bytes))
			TH_LOG("at %ld", (long)outside[i].from);
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  read_key(self, at + outside[i].from, rkey,
				   outside[i].bytes))
			TH_LOG("at %ld", (long)outside[i].from);
	}
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_fetch_add(&self->pair.end[0], &result,
			       (struct vt_remote){ at + length, rkey }, 1));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	/* The whole window is accessible. */
	EXPECT_EQ(0, write_key(self, at, rkey, length));
}

#define WINDOW_ACCESS (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ | \
		       IBV_ACCESS_REMOTE_ATOMIC)

TEST_F_TIMEOUT(mr, window_bounds, 60)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 4096, 9000, WINDOW_ACCESS);
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);

	ASSERT_NE(NULL, mw);
	ASSERT_EQ(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	expect_bounds(_metadata, self, info.addr, info.length, mw->rkey);
	expect_written(self, 4096, 9000);
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

/* A window of an implicit MR. */
TEST_F_TIMEOUT(mr, window_bounds_in_implicit_mr, 60)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 4096, 9000, WINDOW_ACCESS);
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);

	ASSERT_NE(NULL, mw);
	info.mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX,
			     VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, info.mr);
	ASSERT_EQ(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	expect_bounds(_metadata, self, info.addr, info.length, mw->rkey);
	expect_written(self, 4096, 9000);
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
	EXPECT_EQ(0, ibv_dereg_mr(info.mr));
}

TEST_F_TIMEOUT(mr, window_zero_based, 60)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 8192, 5000,
			    WINDOW_ACCESS | IBV_ACCESS_ZERO_BASED);
	struct vt_end *owner = &self->pair.end[1];
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_2);
	uint32_t rkey;

	ASSERT_NE(NULL, mw);
	rkey = ibv_inc_rkey(mw->rkey);
	ASSERT_EQ(0, vt_bind_mw_type2(owner, mw, rkey, &info));
	EXPECT_EQ(0, write_key(self, 10, rkey, 4990));
	expect_written(self, 8192 + 10, 4990);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, 10, rkey, 4991));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

static int bind_beyond(FIXTURE_DATA(mr) *self, struct ibv_mw *mw,
		       uint64_t offset, uint64_t length)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, offset, length,
			    IBV_ACCESS_REMOTE_WRITE);
	int ret = vt_bind_mw_type1(&self->pair.end[0], mw, &info);

	return vt_pair_renew(&self->pair) ?: ret;
}

/* The end of the range overflows 64 bits. */
TEST_F(mr, window_wraps)
{
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);

	ASSERT_NE(NULL, mw);
	EXPECT_LT(0, bind_beyond(self, mw, 4096, UINT64_MAX - 4095));
	EXPECT_LT(0, bind_beyond(self, mw, 4096, -self->there.iova));
	EXPECT_LT(0, bind_beyond(self, mw, 4096, UINT64_MAX));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

/* A bound window does not prevent the destruction of its queue pair. */
TEST_F_TIMEOUT(mr, window_of_destroyed_qp, 30)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 4096, 4096, WINDOW_ACCESS);
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_2);
	uint32_t rkey;

	ASSERT_NE(NULL, mw);
	rkey = ibv_inc_rkey(mw->rkey);
	ASSERT_EQ(0, vt_bind_mw_type2(&self->pair.end[1], mw, rkey, &info));
	EXPECT_EQ(0, write_key(self, info.addr, rkey, 4096));
	expect_written(self, 4096, 4096);
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_key(self, info.addr, rkey, 4096));
	/* Another queue pair can bind it. */
	rkey = ibv_inc_rkey(rkey);
	EXPECT_EQ(0, vt_bind_mw_type2(&self->pair.end[1], mw, rkey, &info));
	EXPECT_EQ(0, write_key(self, info.addr, rkey, 4096));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

TEST_F(mr, window_invalidated_by_peer)
{
	struct ibv_mw_bind_info info =
		window_over(&self->there, 4096, 4096, WINDOW_ACCESS);
	struct ibv_mw *mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_2);
	struct ibv_sge from = vt_sge(&self->here, 0, 8);
	struct ibv_sge to = vt_sge(&self->here, SIZE - 8, 8);
	struct ibv_send_wr send = {
		.opcode = IBV_WR_SEND_WITH_INV,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &from,
		.num_sge = 1,
	};
	struct ibv_wc wc;

	ASSERT_NE(NULL, mw);
	send.invalidate_rkey = ibv_inc_rkey(mw->rkey);
	ASSERT_EQ(0, vt_bind_mw_type2(&self->pair.end[1], mw,
				      send.invalidate_rkey, &info));
	ASSERT_EQ(0, vt_post_recv(&self->pair.end[1], &to, 1));
	ASSERT_EQ(0, vt_post_and_wait(&self->pair.end[0], &send));
	ASSERT_EQ(0, vt_wait(&self->pair.end[1], &wc, VT_TIMEOUT_MS));
	EXPECT_EQ(IBV_WC_SUCCESS, wc.status);
	EXPECT_EQ(IBV_WC_WITH_INV, wc.wc_flags & IBV_WC_WITH_INV);
	EXPECT_EQ(send.invalidate_rkey, wc.invalidated_rkey);
	memcpy(self->here.shadow + SIZE - 8, self->here.shadow, 8);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_key(self, info.addr, send.invalidate_rkey, 8));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

TEST_F(mr, window_refused)
{
	struct vt_buf_opts opts = {
		.access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE |
			  variant->on_demand,
	};
	struct ibv_mw_bind_info info;
	struct vt_buf buf;
	struct ibv_mw *mw;

	mw = ibv_alloc_mw(self->dev.pd, IBV_MW_TYPE_1);
	ASSERT_NE(NULL, mw);
	/* Past the end of the MR. */
	info = window_over(&self->there, SIZE - 8, 9, IBV_ACCESS_REMOTE_WRITE);
	EXPECT_LT(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	/* An MR without IBV_ACCESS_MW_BIND. */
	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE,
				 &opts));
	info = window_over(&buf, 0, 8, IBV_ACCESS_REMOTE_WRITE);
	EXPECT_LT(0, vt_bind_mw_type1(&self->pair.end[0], mw, &info));
	ASSERT_EQ(0, vt_pair_renew(&self->pair));
	EXPECT_EQ(0, vt_buf_close(&buf));
	EXPECT_EQ(0, ibv_dealloc_mw(mw));
}

/* MRs over the same bytes, with different rights and addresses. */
TEST_F(mr, overlapping)
{
	uint64_t page = page_size(), iova = 7 * page;
	struct ibv_mr *reader, *writer;

	reader = ibv_reg_mr(self->dev.pd, self->there.mem.addr + 100, 2 * page,
			    IBV_ACCESS_REMOTE_READ);
	writer = ibv_reg_mr_iova(self->dev.pd, self->there.mem.addr + page,
				 2 * page, iova, VT_ACCESS_ALL);
	ASSERT_NE(NULL, reader);
	ASSERT_NE(NULL, writer);
	EXPECT_NE(reader->rkey, writer->rkey);
	EXPECT_NE(self->there.mr->rkey, writer->rkey);

	EXPECT_EQ(0, write_key(self, iova + 5, writer->rkey, 3000));
	expect_written(self, page + 5, 3000);
	EXPECT_EQ(0, read_key(self, (uintptr_t)self->there.mem.addr + page - 96,
			      reader->rkey, 4000));
	expect_read(self, page - 96, 4000);

	/* Deregistration of one does not affect the others. */
	EXPECT_EQ(0, ibv_dereg_mr(reader));
	EXPECT_EQ(0, write_key(self, iova, writer->rkey, 2 * page));
	expect_written(self, page, 2 * page);
	EXPECT_EQ(0, ibv_dereg_mr(writer));
	EXPECT_EQ(0, write_key(self, self->there.iova, self->there.mr->rkey,
			       77));
	expect_written(self, 0, 77);
}

/* mprotect() splits the mapping; the memory can still be registered as a whole. */
TEST_F(mr, split_mapping)
{
	size_t page = page_size();
	struct ibv_mr *mr;

	ASSERT_EQ(0, mprotect(self->there.mem.addr + 2 * page, page, PROT_READ));
	mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr, SIZE,
			IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, read_key(self, (uintptr_t)self->there.mem.addr + 4095,
			      mr->rkey, 10000));
	expect_read(self, 4095, 10000);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	ASSERT_EQ(0, mprotect(self->there.mem.addr + 2 * page, page,
			      PROT_READ | PROT_WRITE));
}

/* mprotect() after the registration does not affect pinned MRs. */
TEST_F(mr, protection_after_registration)
{
	int status;

	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE, PROT_NONE));
	status = write_key(self, self->there.iova + 4093, self->there.mr->rkey,
			   4099);
	EXPECT_EQ(variant->on_demand ? IBV_WC_REM_ACCESS_ERR : 0, status);
	if (!variant->on_demand)
		expect_written(self, 4093, 4099);
	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE,
			      PROT_READ | PROT_WRITE));
}

TEST_F(mr, unknown_keys)
{
	uint64_t at = self->there.iova;
	uint32_t rkey = self->there.mr->rkey;

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, rkey ^ 1, 8));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, rkey + 256, 8));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_key(self, at, 0, 8));
}

TEST_HARNESS_MAIN
