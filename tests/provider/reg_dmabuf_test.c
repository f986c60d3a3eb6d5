// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_reg_dmabuf_mr() through the overlay: transfers data in both directions, works with
 * other calls, and returns the errno of the kernel. Programs probe for dma-buf support
 * by that errno, with file descriptor -1 and any length.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "../page_size.h"
#include "uverbs_calls.h"
#include "lib/buf.h"
#include "lib/counters.h"

#define SIZE (16 * PAGE)
#define PAGE page_size()
#define ACCESS VT_ACCESS_DMABUF

FIXTURE(dmabuf)
{
	struct vt_dev dev;
	int no_dmabuf;	/* a file that is not a dma-buf */
};

FIXTURE_SETUP(dmabuf)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	self->no_dmabuf = open("/dev/null", O_RDWR | O_CLOEXEC);
	ASSERT_NE(-1, self->no_dmabuf);
	uverbs_calls(UVERBS_CALL_REG_DMABUF_MR);
}

FIXTURE_TEARDOWN(dmabuf)
{
	close(self->no_dmabuf);
	vt_dev_close(&self->dev);
}

static int try_register(FIXTURE_DATA(dmabuf) *self, uint64_t offset,
			size_t length,
			uint64_t iova, int fd, int access)
{
	struct ibv_mr *mr = ibv_reg_dmabuf_mr(self->dev.pd, offset, length,
					      iova, fd, access);
	int error = errno;

	return mr ? -ibv_dereg_mr(mr) : error;
}

TEST_F(dmabuf, returns_kernel_error)
{
	const struct {
		uint64_t offset;
		size_t length;
		uint64_t iova;
		int fd, access, want;
	} rows[] = {
		{ 0, 0, 0, -1, 0, EBADF },
		{ 0, 4096, 0, -1, ACCESS, EBADF },
		{ 0, 4096, 0, INT32_MAX, ACCESS, EBADF },
		{ 0, 4096, 0, self->no_dmabuf, ACCESS, EINVAL },
		/* Offset and IOVA differ within the page. */
		{ 0, 4096, 1, -1, ACCESS, EINVAL },
		{ 0, 4096, 0, -1, IBV_ACCESS_REMOTE_WRITE, EINVAL },
		{ 0, 4096, 0, -1, ACCESS | IBV_ACCESS_ON_DEMAND, EINVAL },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int got = try_register(self, rows[i].offset, rows[i].length,
			      rows[i].iova, rows[i].fd, rows[i].access);

		EXPECT_EQ(1, uverbs_calls(UVERBS_CALL_REG_DMABUF_MR));
		EXPECT_EQ(uverbs_call_result(UVERBS_CALL_REG_DMABUF_MR), got);
		EXPECT_EQ(rows[i].want, got)
			TH_LOG("row %zu", i);
	}
}

FIXTURE(region)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_mem mem;	/* mapped, and a dma-buf */
	struct ibv_mr *mr;	/* all of it, at address 0 */
};

FIXTURE_VARIANT(region)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(region, udmabuf) { .kind = &vt_mem_udmabuf };
FIXTURE_VARIANT_ADD(region, vram) { .kind = &vt_mem_vram_dmabuf };

FIXTURE_SETUP(region)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	vt_buf_fill(&self->local, 1);
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
	uverbs_calls(UVERBS_CALL_REG_DMABUF_MR);
	self->mr = ibv_reg_dmabuf_mr(self->dev.pd, 0, SIZE, 0, self->mem.dmabuf,
				     ACCESS);
	ASSERT_NE(NULL, self->mr);
	EXPECT_EQ(1, uverbs_calls(UVERBS_CALL_REG_DMABUF_MR));
}

FIXTURE_TEARDOWN(region)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	vt_mem_free(&self->mem);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

TEST_F_TIMEOUT(region, write_and_read, 120)
{
	struct ibv_sge from = vt_sge(&self->local, 8, 9000);
	struct ibv_sge to = vt_sge(&self->local, SIZE / 2, 9000);
	struct vt_remote at = { 4090, self->mr->rkey };

	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &from, 1, at));
	EXPECT_EQ(0, memcmp(self->mem.addr + 4090, self->local.shadow + 8,
			    9000));
	memset(self->mem.addr + 8000, 0x5a, 1000);
	ASSERT_EQ(0, vt_rdma_read(&self->pair.end[0], &to, 1, at));
	memcpy(self->local.shadow + SIZE / 2, self->local.shadow + 8, 9000);
	memset(self->local.shadow + SIZE / 2 + 8000 - 4090, 0x5a, 1000);
	EXPECT_EQ(0, vt_buf_check_all(&self->local));
}

TEST_F_TIMEOUT(region, prefetch, 120)
{
	struct ibv_sge sge = { 0, SIZE, self->mr->lkey };
	struct vt_mr_counters counters;

	EXPECT_EQ(0, ibv_advise_mr(self->dev.pd,
				   IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(SIZE / PAGE, counters.prefetch);
}

/* libibverbs itself rejects rereg of an MR of a dma-buf. */
TEST_F(region, no_rereg)
{
	uverbs_calls(UVERBS_CALL_REREG_MR);
	errno = 0;
	EXPECT_EQ(IBV_REREG_MR_ERR_INPUT,
		  ibv_rereg_mr(self->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL,
			       0, IBV_ACCESS_LOCAL_WRITE));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, uverbs_calls(UVERBS_CALL_REREG_MR));
}

TEST_HARNESS_MAIN
