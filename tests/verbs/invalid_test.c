// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registrations that must fail: with the documented errno (see
 * include/rdma/ib_umem_peer.h), and without leaks. The variant states where host
 * memory has another errno.
 */
#include <kselftest_harness.h>

#include <sys/resource.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/raw.h"

#define PAGE page_size()
#define SIZE (16 * PAGE)

FIXTURE(invalid)
{
	struct vt_dev dev;
	struct vt_mem mem;
	int mrs;
};

/* @read_only: errno of write access to a mapping that is read-only */
FIXTURE_VARIANT(invalid)
{
	const struct vt_mem_kind *kind;
	int read_only;
};

FIXTURE_VARIANT_ADD(invalid, host)
{
	.kind = &vt_mem_host,
	.read_only = EFAULT,
};

FIXTURE_VARIANT_ADD(invalid, vram)
{
	.kind = &vt_mem_vram,
	.read_only = EACCES,
};

FIXTURE_VARIANT_ADD(invalid, vram_named)
{
	.kind = &vt_mem_vram_named,
	.read_only = EACCES,
};

FIXTURE_VARIANT_ADD(invalid, cmb)
{
	.kind = &vt_mem_cmb,
	.read_only = EACCES,
};

FIXTURE_SETUP(invalid)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, variant->kind, SIZE, 0));
	self->mrs = vt_resource_count("mr");
	ASSERT_LE(0, self->mrs);
}

FIXTURE_TEARDOWN(invalid)
{
	EXPECT_EQ(self->mrs, vt_resource_count("mr"));
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static bool is_host(const struct vt_mem_kind *kind)
{
	return !kind->exporter;
}

/* After a failed registration the memory can still be registered. */
static void expect_usable(struct __test_metadata *_metadata, struct vt_dev *dev,
			  struct vt_mem *mem)
{
	EXPECT_EQ(0, vt_reg_errno(dev, mem->addr, mem->length, VT_ACCESS_ALL));
}

TEST_F(invalid, length_zero)
{
	EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr, 0,
				       VT_ACCESS_ALL));
	EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr + PAGE, 0, 0));
	/* At an unaligned address, ib_umem_get() registers that page of host memory. */
	if (!is_host(variant->kind))
		EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr + 1, 0,
					       VT_ACCESS_ALL));
	expect_usable(_metadata, &self->dev, &self->mem);
}

TEST_F(invalid, wrap_around)
{
	uintptr_t addr = (uintptr_t)self->mem.addr;
	size_t i;
	const size_t lengths[] = {
		-addr, -addr + 1, -addr - 1, -addr + SIZE, SIZE_MAX,
		SIZE_MAX - PAGE,
	};

	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr,
					       lengths[i], VT_ACCESS_ALL)) {
			TH_LOG("length %#zx", lengths[i]);
		}
	}
	expect_usable(_metadata, &self->dev, &self->mem);
}

/* Unmaps a part of the memory. */
static void punch(struct __test_metadata *_metadata, struct vt_mem *mem,
		  size_t offset, size_t length)
{
	ASSERT_EQ(mem->addr + offset,
		  mmap(mem->addr + offset, length, PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	ASSERT_EQ(0, munmap(mem->addr + offset, length));
}

TEST_F(invalid, past_the_end)
{
	size_t length = SIZE - PAGE;

	punch(_metadata, &self->mem, length, PAGE);
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr, length + 1,
				       VT_ACCESS_ALL));
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr + length - 1, 2,
				       VT_ACCESS_ALL));
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr + length, 1,
				       0));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr, length,
				  VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr + length - 1, 1,
				  VT_ACCESS_ALL));
}

TEST_F(invalid, before_the_start)
{
	punch(_metadata, &self->mem, 0, PAGE);
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr + PAGE - 1, 2,
				       VT_ACCESS_ALL));
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr, SIZE, 0));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr + PAGE, SIZE - PAGE,
				  VT_ACCESS_ALL));
}

TEST_F(invalid, hole_in_the_middle)
{
	punch(_metadata, &self->mem, 7 * PAGE, PAGE);
	EXPECT_EQ(EFAULT, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				       VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr, 7 * PAGE,
				  VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr + 8 * PAGE, 8 * PAGE,
				  VT_ACCESS_ALL));
}

static void put_host(struct __test_metadata *_metadata, void *at, size_t length)
{
	ASSERT_EQ(at, mmap(at, length, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
}

/* A pinned MR must not be partly peer memory and partly system memory. */
TEST_F(invalid, half_host_memory)
{
	int mixed = is_host(variant->kind) ? 0 : EFAULT;

	put_host(_metadata, self->mem.addr + SIZE / 2, SIZE / 2);
	EXPECT_EQ(mixed, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				      VT_ACCESS_ALL));
	EXPECT_EQ(mixed, vt_reg_errno(&self->dev, self->mem.addr + SIZE / 2 - 1, 2,
				      VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr, SIZE / 2,
				  VT_ACCESS_ALL));
	put_host(_metadata, self->mem.addr, PAGE);
	EXPECT_EQ(mixed, vt_reg_errno(&self->dev, self->mem.addr, SIZE / 2, 0));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr + PAGE,
				  SIZE / 2 - PAGE, VT_ACCESS_ALL));
}

TEST_F(invalid, two_objects)
{
	int mixed = is_host(variant->kind) ? 0 : EFAULT;
	struct vt_mem other;
	void *there = self->mem.addr + SIZE / 2;

	ASSERT_EQ(0, vt_mem_alloc(&other, variant->kind, SIZE / 2, 0));
	ASSERT_EQ(there, mremap(other.addr, SIZE / 2, SIZE / 2,
				MREMAP_MAYMOVE | MREMAP_FIXED, there));
	EXPECT_EQ(mixed, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				      VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, there, SIZE / 2, VT_ACCESS_ALL));
	other.addr = there;
	vt_mem_free(&other);
}

TEST_F(invalid, read_only_mapping)
{
	int write[] = {
		IBV_ACCESS_LOCAL_WRITE,
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE,
		IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_ATOMIC,
		VT_ACCESS_ALL,
	};
	struct vt_mem mem;
	size_t i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, variant->kind, SIZE,
				  VT_MEM_READ_ONLY));
	for (i = 0; i < sizeof(write) / sizeof(write[0]); i++)
		EXPECT_EQ(variant->read_only,
			  vt_reg_errno(&self->dev, mem.addr, SIZE, write[i]));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, mem.addr, SIZE, 0));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, mem.addr, SIZE,
				  IBV_ACCESS_REMOTE_READ));

	/* One read-only page is enough. */
	ASSERT_EQ(0, mprotect(self->mem.addr + PAGE, PAGE, PROT_READ));
	EXPECT_EQ(variant->read_only,
		  vt_reg_errno(&self->dev, self->mem.addr, SIZE, VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				  IBV_ACCESS_REMOTE_READ));
	vt_mem_free(&mem);
}

TEST_F(invalid, access_flags)
{
	/* Remote write access needs local write access. */
	EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				       IBV_ACCESS_REMOTE_WRITE));
	/* The memory is not persistent. */
	EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				       VT_ACCESS_ALL |
				       VT_ACCESS_FLUSH_PERSISTENT));
	expect_usable(_metadata, &self->dev, &self->mem);
}

/* The iova must have the same offset in the page as the address. */
TEST_F(invalid, iova)
{
	struct ibv_mr *mr;

	mr = ibv_reg_mr_iova(self->dev.pd, self->mem.addr, SIZE, 1,
			     VT_ACCESS_ALL);
	EXPECT_EQ(NULL, mr);
	EXPECT_EQ(EINVAL, errno);
	expect_usable(_metadata, &self->dev, &self->mem);
}

TEST_F(invalid, not_exported)
{
	struct vt_mem mem;
	int ret;

	ret = vt_mem_alloc(&mem, variant->kind, SIZE, VT_MEM_NO_EXPORT);
	if (ret == -EOPNOTSUPP)
		DOES_NOT_APPLY(return, "all memory of this kind may be registered");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(EACCES, vt_reg_errno(&self->dev, mem.addr, SIZE,
				       VT_ACCESS_ALL));
	EXPECT_EQ(EACCES, vt_reg_errno(&self->dev, mem.addr + 1, 1, 0));
	/* The CPU can access it. */
	mem.addr[SIZE - 1] = 42;
	vt_mem_free(&mem);
}

TEST_F(invalid, destroyed)
{
	int ret = vt_mem_destroy(&self->mem);

	if (ret == -EOPNOTSUPP)
		DOES_NOT_APPLY(return, "memory of this kind cannot be destroyed");
	ASSERT_EQ(0, ret);
	EXPECT_EQ(ENODEV, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				       VT_ACCESS_ALL));
}

/* Pinned memory counts against RLIMIT_MEMLOCK of a user without privileges. */
TEST_F(invalid, memlock_limit)
{
	struct rlimit limit = { SIZE / 2, SIZE / 2 };
	struct ibv_mr *mr;

	ASSERT_EQ(0, setrlimit(RLIMIT_MEMLOCK, &limit));
	ASSERT_EQ(0, seteuid(65534));
	EXPECT_EQ(ENOMEM, vt_reg_errno(&self->dev, self->mem.addr, SIZE,
				       VT_ACCESS_ALL));
	EXPECT_EQ(ENOMEM, vt_reg_errno(&self->dev, self->mem.addr + 1, SIZE / 2,
				       VT_ACCESS_ALL));

	/* Only existing MRs count, not those that failed or were deregistered. */
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE / 2, VT_ACCESS_ALL);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(ENOMEM, vt_reg_errno(&self->dev, self->mem.addr, 1, 0));
	ASSERT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, self->mem.addr, SIZE / 2,
				  VT_ACCESS_ALL));
	ASSERT_EQ(0, seteuid(0));
}

TEST_HARNESS_MAIN
