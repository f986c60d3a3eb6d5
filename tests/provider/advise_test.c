// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_advise_mr() through the overlay prefetches, as the counters of the MR and the
 * exporter confirm, and returns the result of the kernel. The groups verbs and fuzz test
 * which errors the kernel returns.
 */
#include <kselftest_harness.h>

#include "../page_size.h"
#include "uverbs_calls.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "odp_vram.h"

#define PAGE page_size()
#define SIZE (16 * PAGE)
#define PAGES (SIZE / PAGE)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(advise)
{
	VT_LINK;	/* the remote buffer is on demand */
};

FIXTURE_VARIANT(advise)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(advise, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(advise, vram) { .kind = &vt_mem_vram_system };

FIXTURE_SETUP(advise)
{
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE, ON_DEMAND,
				  NULL));
}

FIXTURE_TEARDOWN(advise)
{
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(advise) advise_t;

static int advise(advise_t *self, enum ibv_advise_mr_advice advice,
		  uint32_t flags, uint64_t offset, uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->there, offset, length);

	return ibv_advise_mr(self->dev.pd, advice, flags, &sge, 1);
}

/* Writes to each page of the remote buffer. */
static int touch_all(advise_t *self)
{
	uint64_t at;
	int ret = 0;

	for (at = 0; !ret && at < SIZE; at += PAGE) {
		struct ibv_sge sge = vt_sge(&self->here, at, 8);

		ret = vt_rdma_write(&self->pair.end[0], &sge, 1,
				    vt_remote(&self->there, at));
		memcpy(self->there.shadow + at, self->here.shadow + at, 8);
	}
	return ret;
}

static int wait_prefetched(unsigned long pages)
{
	struct vt_mr_counters now;
	int ret, tries;

	for (tries = 0; tries < 500; tries++) {
		ret = vt_mr_counters_read(&now);
		if (ret || now.prefetch == pages)
			return ret;
		usleep(20000);
	}
	return -ETIMEDOUT;
}

TEST_F(advise, populates_pages)
{
	struct vt_mr_counters before, after;
	bool vram = variant->kind != &vt_mem_host;

	if (vram)
		EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM,
			  query(&self->there.mem).domain);
	uverbs_calls(UVERBS_CALL_ADVISE_MR);
	ASSERT_EQ(0, advise(self, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, 0, SIZE));
	EXPECT_EQ(1, uverbs_calls(UVERBS_CALL_ADVISE_MR));
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_EQ(PAGES, before.prefetch);
	if (vram)
		EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM,
			  query(&self->there.mem).domain);
	ASSERT_EQ(0, touch_all(self));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
}

TEST_F(advise, asynchronous)
{
	ASSERT_EQ(0, advise(self, IBV_ADVISE_MR_ADVICE_PREFETCH, 0, PAGE,
			    SIZE - PAGE));
	EXPECT_EQ(0, wait_prefetched(PAGES - 1));
	EXPECT_EQ(0, touch_all(self));
}

TEST_F(advise, several_ranges)
{
	struct ibv_sge sge[] = {
		vt_sge(&self->there, 0, 1),
		vt_sge(&self->there, 2 * PAGE - 1, 2),
		vt_sge(&self->there, SIZE - PAGE, PAGE),
	};
	struct vt_mr_counters now;

	ASSERT_EQ(0, ibv_advise_mr(self->dev.pd,
				   IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   IBV_ADVISE_MR_FLAG_FLUSH, sge, 3));
	ASSERT_EQ(0, vt_mr_counters_read(&now));
	EXPECT_EQ(1 + 2 + 1, now.prefetch);
}

TEST_F(advise, whole_address_space)
{
	struct ibv_mr *all = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX,
					ON_DEMAND);
	struct ibv_sge sge = vt_sge(&self->there, 0, SIZE);

	ASSERT_NE(NULL, all);
	sge.lkey = all->lkey;
	EXPECT_EQ(0, ibv_advise_mr(self->dev.pd,
				   IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	if (variant->kind != &vt_mem_host)
		EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM,
			  query(&self->there.mem).domain);
	EXPECT_EQ(0, ibv_dereg_mr(all));
}

/* Expects one call into the kernel, with this result. */
#define EXPECT_RESULT(want, call)					\
do {									\
	uverbs_calls(UVERBS_CALL_ADVISE_MR);				\
	EXPECT_EQ(want, call);						\
	EXPECT_EQ(1, uverbs_calls(UVERBS_CALL_ADVISE_MR));		\
	EXPECT_EQ(want, uverbs_call_result(UVERBS_CALL_ADVISE_MR));	\
} while (0)

TEST_F(advise, errors)
{
	struct ibv_sge pinned = vt_sge(&self->here, 0, 8);
	struct ibv_sge bad_lkey = { self->there.iova, 8, 0 };
	struct vt_mr_counters now;

	EXPECT_RESULT(EFAULT, advise(self, IBV_ADVISE_MR_ADVICE_PREFETCH,
				     IBV_ADVISE_MR_FLAG_FLUSH, 1, SIZE));
	EXPECT_RESULT(EINVAL, advise(self, IBV_ADVISE_MR_ADVICE_PREFETCH, 1 << 1,
				     0, SIZE));
	EXPECT_RESULT(EOPNOTSUPP, advise(self, 17, 0, 0, SIZE));
	EXPECT_RESULT(EINVAL,
		      ibv_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				    0, &pinned, 1));
	EXPECT_RESULT(ENOENT,
		      ibv_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				    0, &bad_lkey, 1));
	EXPECT_RESULT(EINVAL,
		      ibv_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				    0, NULL, 0));
	ASSERT_EQ(0, vt_mr_counters_read(&now));
	EXPECT_EQ(0, now.prefetch);
}

TEST_F(advise, prefetch_write_needs_write_access)
{
	struct vt_buf_opts opts = {
		.access = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND,
	};
	struct vt_buf buf;
	struct ibv_sge sge;

	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, variant->kind, SIZE, &opts));
	vt_buf_fill(&buf, 3);
	sge = vt_sge(&buf, 0, SIZE);
	EXPECT_RESULT(EPERM, ibv_advise_mr(self->dev.pd,
					   IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					   IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_RESULT(0, ibv_advise_mr(self->dev.pd,
				       IBV_ADVISE_MR_ADVICE_PREFETCH,
				       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_HARNESS_MAIN
