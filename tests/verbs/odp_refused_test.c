// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that the kernel must not access, in the middle of an on-demand MR of ordinary
 * memory. No access reaches it, whatever is accessed around it, and no prefetch makes
 * it present. The rules are those of get_user_pages(), which refuses a pinned MR of the
 * same memory.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "../page_size.h"
#include "lib/access_ops.h"
#include "lib/proc.h"
#include "lib/raw.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret 447
#endif

#define PAGE page_size()
#define PART (16 * PAGE)
#define SIZE (3 * PART)		/* ordinary, refused, ordinary */
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* ---- refused memory, mapped over what is at @at ---- */

static int map_secret(void *at, int prot)
{
	int fd = syscall(SYS_memfd_secret, 0);
	void *addr;

	if (fd < 0 || ftruncate(fd, PART))
		return -errno;
	addr = mmap(at, PART, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	return addr == at ? 0 : -errno;
}

static int make_secret(uint8_t *at)
{
	return map_secret(at, PROT_READ | PROT_WRITE);
}

/* The process has accessed the pages. */
static int make_used_secret(uint8_t *at)
{
	int ret = make_secret(at);

	if (!ret)
		memset(at, 0x5a, PART);
	return ret;
}

static int make_secret_for_reading(uint8_t *at)
{
	int ret = map_secret(at, PROT_READ);

	if (!ret)
		madvise(at, PART, MADV_POPULATE_READ);
	return ret;
}

static void ignore(int signal)
{
	(void)signal;
}

/* Pages with a simulated memory error, which the kernel reports by SIGBUS. */
static int make_poisoned(uint8_t *at)
{
	signal(SIGBUS, ignore);
	memset(at, 0x5a, PART);
	return madvise(at, PART, MADV_HWPOISON) ? -errno : 0;
}

FIXTURE(refused)
{
	VT_LINK;
	uint8_t *refused;
};

FIXTURE_VARIANT(refused)
{
	int (*make)(uint8_t *at);
};

FIXTURE_VARIANT_ADD(refused, secret) { .make = make_secret };
FIXTURE_VARIANT_ADD(refused, used_secret) { .make = make_used_secret };
FIXTURE_VARIANT_ADD(refused, secret_for_reading)
{
	.make = make_secret_for_reading,
};
FIXTURE_VARIANT_ADD(refused, poisoned) { .make = make_poisoned };

FIXTURE_SETUP(refused)
{
	struct vt_pair_opts opts = { .srq = true };
	int ret;

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, ACCESS,
				  &opts));
	self->refused = self->there.mem.addr + PART;
	ret = variant->make(self->refused);
	if (ret == -EINVAL || ret == -ENOSYS)
		SKIP(return, "this kernel has no such memory");
	ASSERT_EQ(0, ret);
	memset(self->there.mem.addr, 0x11, PART);
	memset(self->refused + PART, 0x11, PART);
}

FIXTURE_TEARDOWN(refused)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

typedef FIXTURE_DATA(refused) refused_t;

static void expect_part_refused(struct __test_metadata *_metadata, refused_t *self,
				const struct vt_part *part)
{
	const struct vt_access_op *op;

	for (op = vt_access_ops; op->name; op++) {
		EXPECT_LT(0, op->run(&self->link, part))
			TH_LOG("%s at %#lx", op->name, (long)part->there);
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
	}
}

static void expect_refused(struct __test_metadata *_metadata, refused_t *self)
{
	const struct vt_part parts[] = {
		{ 0, PART, 8 },				/* the first bytes */
		{ 0, PART + 5 * PAGE + 100, 3 * PAGE },
		{ 0, 2 * PART - PAGE, PAGE },		/* the last page */
	};
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		expect_part_refused(_metadata, self, &parts[i]);
}

/* The page at @offset, next to refused memory, can be accessed. */
static void expect_served(struct __test_metadata *_metadata, refused_t *self,
			  uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, PAGE);
	uint8_t *there = self->there.mem.addr + offset;

	memset(self->here.mem.addr, 0x22, PAGE);
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
				   vt_remote(&self->there, offset)));
	EXPECT_EQ(0, memcmp(self->here.mem.addr, there, PAGE));
	memset(there, 0x33, PAGE);
	ASSERT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1,
				  vt_remote(&self->there, offset)));
	EXPECT_EQ(0, memcmp(self->here.mem.addr, there, PAGE));
}

TEST_F_TIMEOUT(refused, by_each_operation, 120)
{
	expect_refused(_metadata, self);
}

/* A fault resolves the pages around the one that is accessed, but not refused ones. */
TEST_F_TIMEOUT(refused, next_to_accessed_pages, 120)
{
	expect_served(_metadata, self, PART - PAGE);
	expect_served(_metadata, self, 2 * PART);
	expect_refused(_metadata, self);
	expect_served(_metadata, self, PART - PAGE);
	expect_served(_metadata, self, 2 * PART);
}

/* An access to several pages that ends, or begins, in refused memory. */
TEST_F_TIMEOUT(refused, by_access_across_border, 120)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 4 * PAGE);
	const uint64_t borders[] = { PART - 2 * PAGE, 2 * PART - 2 * PAGE };
	size_t i;

	for (i = 0; i < 2; i++) {
		EXPECT_LT(0, vt_rdma_read(&self->pair.end[0], &sge, 1,
					  vt_remote(&self->there, borders[i])));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
		EXPECT_LT(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
					   vt_remote(&self->there, borders[i])));
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
	}
}

static int prefetch(refused_t *self, int advice)
{
	struct ibv_sge all = vt_sge(&self->there, 0, SIZE);

	return vt_advise_mr(self->dev.pd, advice, IBV_ADVISE_MR_FLAG_FLUSH,
			    &all, 1);
}

TEST_F_TIMEOUT(refused, by_prefetch, 120)
{
	EXPECT_EQ(-EFAULT, prefetch(self, IBV_ADVISE_MR_ADVICE_PREFETCH));
	/* Takes pages that are present already, but not refused ones. */
	EXPECT_EQ(0, prefetch(self,
			      IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT));
	expect_refused(_metadata, self);
}

TEST_F(refused, by_pinned_registration)
{
	EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, self->refused, PART,
				   IBV_ACCESS_REMOTE_READ));
}

TEST_HARNESS_MAIN
