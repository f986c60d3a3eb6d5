// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration with the devices of the DMA engine, and accesses that they reject.
 * Other tests rely on these checks.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "../page_size.h"
#include "engine.h"

#define PAGE page_size()
#define SIZE (2 * PAGE)

/* IB_ACCESS_RELAXED_ORDERING: an optional flag, which every device accepts. */
#define RELAXED_ORDERING (1 << 20)

FIXTURE(mr)
{
	struct en_buf b;
};

FIXTURE_VARIANT(mr)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	enum im_abi abi;
};

FIXTURE_VARIANT_ADD(mr, dynamic_host) {
	.kind = &vt_mem_host, .device = EDU_RDMA_DYNAMIC, .abi = IM_IOCTL,
};
FIXTURE_VARIANT_ADD(mr, dynamic_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_DYNAMIC, .abi = IM_WRITE,
};
FIXTURE_VARIANT_ADD(mr, pinned_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_PINNED, .abi = IM_WRITE,
};
FIXTURE_VARIANT_ADD(mr, revocable_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_REVOCABLE, .abi = IM_IOCTL,
};

FIXTURE_SETUP(mr)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, variant->abi,
				 variant->kind, SIZE));
}

FIXTURE_TEARDOWN(mr)
{
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_close(&self->b));
}

typedef FIXTURE_DATA(mr) mr_t;

/*
 * Deregisters the MR of the fixture, because DMA debugging of the kernel warns about
 * overlapping mappings.
 */
static int dereg_fixture_mr(mr_t *self)
{
	int ret = im_dereg_mr(&self->b.mr);

	self->b.mr.dev = NULL;
	return ret;
}

static int reg_mr(mr_t *self, struct im_mr *mr, uint64_t offset, uint64_t length,
		  uint64_t iova, int access)
{
	return im_reg_mem(&self->b.dev, mr, &self->b.buf.mem, offset, length,
			  iova, access);
}

/* Accesses one byte. A write does not change it. */
static int access_byte(mr_t *self, struct im_mr *mr, uint64_t addr, uint32_t flags)
{
	uint8_t byte = self->b.buf.shadow[0];

	return en_access(self->b.engine, self->b.device, mr->rkey, addr, &byte,
			 1, flags);
}

static const int access_flags[] = {
	0,
	IBV_ACCESS_LOCAL_WRITE,
	IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	IM_ACCESS_ALL | RELAXED_ORDERING,
};

TEST_F_TIMEOUT(mr, access_flags, 120)
{
	struct im_mr mr;
	size_t i;
	int a;

	ASSERT_EQ(0, dereg_fixture_mr(self));
	for (i = 0; i < sizeof(access_flags) / sizeof(access_flags[0]); i++) {
		a = access_flags[i];
		ASSERT_EQ(0, reg_mr(self, &mr, 0, SIZE, 0, a));
		EXPECT_EQ(a & IBV_ACCESS_REMOTE_READ ? 0 : -EACCES,
			  access_byte(self, &mr, 0, 0));
		EXPECT_EQ(a & IBV_ACCESS_REMOTE_WRITE ? 0 : -EACCES,
			  access_byte(self, &mr, 0, EDU_RDMA_WRITE));
		EXPECT_EQ(0, access_byte(self, &mr, 0, EDU_RDMA_LOCAL));
		EXPECT_EQ(a & IBV_ACCESS_LOCAL_WRITE ? 0 : -EACCES,
			  access_byte(self, &mr, 0,
				      EDU_RDMA_LOCAL | EDU_RDMA_WRITE));
		EXPECT_EQ(0, im_dereg_mr(&mr));
	}
}

/* For dma-bufs, the RDMA core rejects some flags before it calls the driver. */
TEST_F(mr, unsupported_access_flags)
{
	int unknown = variant->kind == &vt_mem_host ? -EOPNOTSUPP : -EINVAL;
	struct im_mr mr;

	EXPECT_EQ(-EOPNOTSUPP, reg_mr(self, &mr, 0, SIZE, 0,
				      IBV_ACCESS_LOCAL_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC));
	EXPECT_EQ(unknown, reg_mr(self, &mr, 0, SIZE, 0, IBV_ACCESS_MW_BIND));
	EXPECT_EQ(unknown, reg_mr(self, &mr, 0, SIZE, 0, IBV_ACCESS_ON_DEMAND));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 0, SIZE, 0,
				  IBV_ACCESS_REMOTE_WRITE));
}

/* The device does not announce on-demand paging, so the RDMA core rejects it. */
TEST_F(mr, on_demand)
{
	struct im_mr mr;

	EXPECT_EQ(-EOPNOTSUPP, im_reg_mr(&self->b.dev, &mr, self->b.buf.mem.addr,
					 SIZE, 0, IBV_ACCESS_ON_DEMAND));
}

TEST_F_TIMEOUT(mr, ranges, 60)
{
	uint64_t last_page = -(uint64_t)PAGE;
	struct im_mr mr;

	ASSERT_EQ(0, dereg_fixture_mr(self));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 1, PAGE, 0, 0));
	/* An MR may end at the last address, but not beyond it. */
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 0, PAGE + 1, last_page, 0));
	ASSERT_EQ(0, reg_mr(self, &mr, 0, PAGE, last_page, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(0, access_byte(self, &mr, -1ULL, 0));
	EXPECT_EQ(-ERANGE, access_byte(self, &mr, 0, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 0, -1ULL, PAGE, 0));
	if (variant->kind == &vt_mem_host)
		return;
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, 0, SIZE + 1, 0, 0));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, SIZE, 1, 0, 0));
	EXPECT_EQ(-EINVAL, reg_mr(self, &mr, PAGE, -1ULL, 0, 0));
}

TEST_F(mr, invalid_memory)
{
	struct im_dev *dev = &self->b.dev;
	struct im_mr mr;
	uint8_t *page;
	int file;

	page = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	EXPECT_EQ(-EFAULT, im_reg_mr(dev, &mr, page, PAGE, 0,
				     IBV_ACCESS_LOCAL_WRITE));
	munmap(page, PAGE);
	EXPECT_EQ(-EFAULT, im_reg_mr(dev, &mr, page, PAGE, 0, 0));

	EXPECT_EQ(-EBADF, im_reg_dmabuf_mr(dev, &mr, 0, PAGE, 0, -1, 0, 0));
	file = memfd_create("no dma-buf", MFD_CLOEXEC);
	EXPECT_EQ(-EINVAL, im_reg_dmabuf_mr(dev, &mr, 0, PAGE, 0, file, 0, 0));
	close(file);
}

TEST_F_TIMEOUT(mr, keys, 60)
{
	struct en_buf *b = &self->b;
	uint64_t at = b->buf.iova;
	struct im_mr mr, wrong;

	ASSERT_EQ(0, dereg_fixture_mr(self));
	ASSERT_EQ(0, reg_mr(self, &b->mr, PAGE, PAGE, at + PAGE, IM_ACCESS_ALL));
	EXPECT_EQ(b->mr.lkey, b->mr.rkey);
	ASSERT_EQ(0, reg_mr(self, &mr, 0, PAGE, at, IM_ACCESS_ALL));
	EXPECT_NE(b->mr.rkey >> 8, mr.rkey >> 8);
	EXPECT_EQ(0, access_byte(self, &mr, at, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));
	EXPECT_EQ(-ENOKEY, access_byte(self, &mr, at, 0));
	EXPECT_EQ(-ENOENT, im_dereg_mr(&mr));
	/* A new MR reuses the index with a different key. */
	wrong = mr;
	ASSERT_EQ(0, reg_mr(self, &mr, 0, PAGE, at, IM_ACCESS_ALL));
	EXPECT_EQ(wrong.rkey >> 8, mr.rkey >> 8);
	EXPECT_EQ(-ENOKEY, access_byte(self, &wrong, at, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));

	/* A key is valid on one device only. */
	EXPECT_EQ(-ENOKEY, en_access(b->engine,
				     (b->device + 1) % EDU_RDMA_DEVICES,
				     b->mr.rkey, at + PAGE, &mr, 1, 0));
}

TEST_F(mr, invalid_accesses)
{
	struct en_buf *b = &self->b;
	struct edu_rdma_stats before, after;
	uint64_t end = b->buf.iova + SIZE;
	uint8_t bytes[2];

	ASSERT_EQ(0, en_stats(b->engine, b->device, &before));
	EXPECT_EQ(-ERANGE, access_byte(self, &b->mr, b->buf.iova - 1, 0));
	EXPECT_EQ(-ERANGE, access_byte(self, &b->mr, end, 0));
	EXPECT_EQ(-ERANGE, access_byte(self, &b->mr, -1ULL, 0));
	EXPECT_EQ(-ERANGE, en_access(b->engine, b->device, b->mr.rkey, end - 1,
				     bytes, 2, 0));
	EXPECT_EQ(-ERANGE, en_access(b->engine, b->device, b->mr.rkey,
				     b->buf.iova, bytes, -1ULL, 0));
	EXPECT_EQ(-EFAULT, en_access(b->engine, b->device, b->mr.rkey,
				     b->buf.iova, NULL, 1, EDU_RDMA_WRITE));
	/* A transfer of 0 bytes does not check the address. */
	EXPECT_EQ(0, en_access(b->engine, b->device, b->mr.rkey, end, NULL, 0,
			       0));
	EXPECT_EQ(-EINVAL, en_access(b->engine, EDU_RDMA_DEVICES, b->mr.rkey,
				     end, NULL, 0, 0));
	EXPECT_EQ(-EINVAL, en_access(b->engine, b->device, b->mr.rkey, end,
				     NULL, 0, EDU_RDMA_STALE << 1));
	ASSERT_EQ(0, en_stats(b->engine, b->device, &after));
	EXPECT_EQ(before.transfers, after.transfers);
}

TEST_HARNESS_MAIN
