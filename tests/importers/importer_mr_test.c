// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What the devices over the DMA engine register, and what by its key is refused.
 * Tests of others rely on these checks.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "engine.h"

#define PAGE 4096
#define SIZE (2 * PAGE)

/* Of enum ib_access_flags; optional ones may be given to any device. */
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
 * Ends the MR that the fixture made: where the kernel looks for mistakes, it takes
 * memory that is mapped twice for one.
 */
static int forget(mr_t *self)
{
	int ret = im_dereg_mr(&self->b.mr);

	self->b.mr.dev = NULL;
	return ret;
}

static int reg(mr_t *self, struct im_mr *mr, uint64_t offset, uint64_t length,
	       uint64_t iova, int access)
{
	return im_reg_mem(&self->b.dev, mr, &self->b.buf.mem, offset, length,
			  iova, access);
}

/* One byte of the memory, by that MR and with these flags; it stays what it is. */
static int touch(mr_t *self, struct im_mr *mr, uint64_t addr, uint32_t flags)
{
	uint8_t byte = self->b.buf.shadow[0];

	return en_access(self->b.engine, self->b.device, mr->rkey, addr, &byte,
			 1, flags);
}

static const int rights[] = {
	0,
	IBV_ACCESS_LOCAL_WRITE,
	IBV_ACCESS_REMOTE_READ,
	IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
	IM_ACCESS_ALL | RELAXED_ORDERING,
};

TEST_F_TIMEOUT(mr, rights, 120)
{
	struct im_mr mr;
	size_t i;
	int a;

	ASSERT_EQ(0, forget(self));
	for (i = 0; i < sizeof(rights) / sizeof(rights[0]); i++) {
		a = rights[i];
		ASSERT_EQ(0, reg(self, &mr, 0, SIZE, 0, a));
		EXPECT_EQ(a & IBV_ACCESS_REMOTE_READ ? 0 : -EACCES,
			  touch(self, &mr, 0, 0));
		EXPECT_EQ(a & IBV_ACCESS_REMOTE_WRITE ? 0 : -EACCES,
			  touch(self, &mr, 0, EDU_RDMA_WRITE));
		EXPECT_EQ(0, touch(self, &mr, 0, EDU_RDMA_LOCAL));
		EXPECT_EQ(a & IBV_ACCESS_LOCAL_WRITE ? 0 : -EACCES,
			  touch(self, &mr, 0, EDU_RDMA_LOCAL | EDU_RDMA_WRITE));
		EXPECT_EQ(0, im_dereg_mr(&mr));
	}
}

/* What the core of the kernel refuses for dma-bufs does not get to the device. */
TEST_F(mr, rights_unknown)
{
	int unknown = variant->kind == &vt_mem_host ? -EOPNOTSUPP : -EINVAL;
	struct im_mr mr;

	EXPECT_EQ(-EOPNOTSUPP, reg(self, &mr, 0, SIZE, 0,
				   IBV_ACCESS_LOCAL_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC));
	EXPECT_EQ(unknown, reg(self, &mr, 0, SIZE, 0, IBV_ACCESS_MW_BIND));
	EXPECT_EQ(unknown, reg(self, &mr, 0, SIZE, 0, IBV_ACCESS_ON_DEMAND));
	EXPECT_EQ(-EINVAL, reg(self, &mr, 0, SIZE, 0,
			       IBV_ACCESS_REMOTE_WRITE));
}

/* A device of its own kind by kernel_cap_flags: the core asks no further. */
TEST_F(mr, on_demand)
{
	struct im_mr mr;

	EXPECT_EQ(-EOPNOTSUPP, im_reg_mr(&self->b.dev, &mr, self->b.buf.mem.addr,
					 SIZE, 0, IBV_ACCESS_ON_DEMAND));
}

TEST_F_TIMEOUT(mr, ranges, 60)
{
	uint64_t high = -(uint64_t)PAGE;
	struct im_mr mr;

	ASSERT_EQ(0, forget(self));
	EXPECT_EQ(-EINVAL, reg(self, &mr, 0, 0, 0, 0));
	EXPECT_EQ(-EINVAL, reg(self, &mr, 1, PAGE, 0, 0));
	/* Its last byte is the last there is; one more is too much. */
	EXPECT_EQ(-EINVAL, reg(self, &mr, 0, PAGE + 1, high, 0));
	ASSERT_EQ(0, reg(self, &mr, 0, PAGE, high, IBV_ACCESS_REMOTE_READ));
	EXPECT_EQ(0, touch(self, &mr, -1ULL, 0));
	EXPECT_EQ(-ERANGE, touch(self, &mr, 0, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));
	EXPECT_EQ(-EINVAL, reg(self, &mr, 0, -1ULL, PAGE, 0));
	if (variant->kind == &vt_mem_host)
		return;
	EXPECT_EQ(-EINVAL, reg(self, &mr, 0, SIZE + 1, 0, 0));
	EXPECT_EQ(-EINVAL, reg(self, &mr, SIZE, 1, 0, 0));
	EXPECT_EQ(-EINVAL, reg(self, &mr, PAGE, -1ULL, 0, 0));
}

TEST_F(mr, not_there)
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

	ASSERT_EQ(0, forget(self));
	ASSERT_EQ(0, reg(self, &b->mr, PAGE, PAGE, at + PAGE, IM_ACCESS_ALL));
	EXPECT_EQ(b->mr.lkey, b->mr.rkey);
	ASSERT_EQ(0, reg(self, &mr, 0, PAGE, at, IM_ACCESS_ALL));
	EXPECT_NE(b->mr.rkey >> 8, mr.rkey >> 8);
	EXPECT_EQ(0, touch(self, &mr, at, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));
	EXPECT_EQ(-ENOKEY, touch(self, &mr, at, 0));
	EXPECT_EQ(-ENOENT, im_dereg_mr(&mr));
	/* Whoever has its place now is somebody else. */
	wrong = mr;
	ASSERT_EQ(0, reg(self, &mr, 0, PAGE, at, IM_ACCESS_ALL));
	EXPECT_EQ(wrong.rkey >> 8, mr.rkey >> 8);
	EXPECT_EQ(-ENOKEY, touch(self, &wrong, at, 0));
	EXPECT_EQ(0, im_dereg_mr(&mr));

	/* Keys are of one device. */
	EXPECT_EQ(-ENOKEY, en_access(b->engine,
				     (b->device + 1) % EDU_RDMA_DEVICES,
				     b->mr.rkey, at + PAGE, &mr, 1, 0));
}

TEST_F(mr, access)
{
	struct en_buf *b = &self->b;
	struct edu_rdma_stats before, after;
	uint64_t end = b->buf.iova + SIZE;
	uint8_t bytes[2];

	ASSERT_EQ(0, en_stats(b->engine, b->device, &before));
	EXPECT_EQ(-ERANGE, touch(self, &b->mr, b->buf.iova - 1, 0));
	EXPECT_EQ(-ERANGE, touch(self, &b->mr, end, 0));
	EXPECT_EQ(-ERANGE, touch(self, &b->mr, -1ULL, 0));
	EXPECT_EQ(-ERANGE, en_access(b->engine, b->device, b->mr.rkey, end - 1,
				     bytes, 2, 0));
	EXPECT_EQ(-ERANGE, en_access(b->engine, b->device, b->mr.rkey,
				     b->buf.iova, bytes, -1ULL, 0));
	EXPECT_EQ(-EFAULT, en_access(b->engine, b->device, b->mr.rkey,
				     b->buf.iova, NULL, 1, EDU_RDMA_WRITE));
	/* Nothing is moved without being there. */
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
