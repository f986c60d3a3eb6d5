// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * ibv_rereg_mr() through the overlay: every combination of changes, on host memory and
 * VRAM, pinned and on demand. Checks what a call changes and what it keeps, and that a
 * failed call changes nothing.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "uverbs_calls.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/proc.h"

#define SIZE (64 * 1024)
#define AT 4090
#define LENGTH 5000
#define READ_ONLY IBV_ACCESS_REMOTE_READ

FIXTURE(rereg)
{
	VT_LINK;		/* the responder is in the PD of the device */
	struct ibv_pd *pd;	/* another PD */
	struct vt_pair new;	/* the responder is in @pd */
};

VT_VARIANTS(rereg);
VT_PINNED(rereg, host);
VT_PINNED(rereg, vram);
VT_ON_DEMAND(rereg, host);
VT_ON_DEMAND(rereg, vram);

FIXTURE_SETUP(rereg)
{
	struct vt_pair_opts opts = { 0 };

	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  VT_ACCESS_ALL | variant->on_demand, NULL));
	self->pd = ibv_alloc_pd(self->dev.ctx);
	ASSERT_NE(NULL, self->pd);
	opts.pd = self->pd;
	ASSERT_EQ(0, vt_pair_open(&self->new, &self->dev, &opts));
}

FIXTURE_TEARDOWN(rereg)
{
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	EXPECT_EQ(0, vt_buf_close(&self->there));
	vt_pair_close(&self->new);
	EXPECT_EQ(0, ibv_dealloc_pd(self->pd));
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(rereg) rereg_t;

/* RDMA WRITE to the remote MR through a pair of QPs, which an error renews. */
static int write_through(rereg_t *self, struct vt_pair *pair)
{
	struct ibv_sge sge = vt_sge(&self->here, 8, LENGTH);
	int status = vt_rdma_write(&pair->end[0], &sge, 1,
				   vt_remote(&self->there, AT));

	if (!status)
		memcpy(self->there.shadow + AT, self->here.shadow + 8, LENGTH);
	else if (vt_pair_renew(pair))
		return -EIO;
	return status;
}

static int read_through(rereg_t *self, struct vt_pair *pair)
{
	struct ibv_sge sge = vt_sge(&self->here, SIZE / 2, LENGTH);
	int status = vt_rdma_read(&pair->end[0], &sge, 1,
				  vt_remote(&self->there, AT));

	if (status)
		return vt_pair_renew(pair) ? -EIO : status;
	memcpy(self->here.shadow + SIZE / 2, self->there.shadow + AT, LENGTH);
	return vt_buf_check_all(&self->here);
}

/* Compares the fields of an MR that programs see. */
static bool same_mr(const struct ibv_mr *a, const struct ibv_mr *b)
{
	return a->context == b->context && a->pd == b->pd &&
	       a->addr == b->addr && a->length == b->length &&
	       a->handle == b->handle && a->lkey == b->lkey &&
	       a->rkey == b->rkey;
}

TEST_F(rereg, access)
{
	struct ibv_mr before = *self->there.mr;

	uverbs_calls(UVERBS_CALL_REREG_MR);
	ASSERT_EQ(0, ibv_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_ACCESS,
				  NULL, NULL, 0, READ_ONLY | variant->on_demand));
	EXPECT_EQ(1, uverbs_calls(UVERBS_CALL_REREG_MR));
	EXPECT_TRUE(same_mr(&before, self->there.mr));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_through(self, &self->pair));
	EXPECT_EQ(0, read_through(self, &self->pair));

	ASSERT_EQ(0, ibv_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_ACCESS,
				  NULL, NULL, 0, VT_ACCESS_ALL | variant->on_demand));
	EXPECT_EQ(0, write_through(self, &self->pair));
}

TEST_F(rereg, pd)
{
	struct ibv_mr before = *self->there.mr;

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_through(self, &self->new));
	ASSERT_EQ(0, ibv_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_PD,
				  self->pd, NULL, 0, 0));
	EXPECT_EQ(self->pd, self->there.mr->pd);
	before.pd = self->pd;
	EXPECT_TRUE(same_mr(&before, self->there.mr));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_through(self, &self->pair));
	EXPECT_EQ(0, write_through(self, &self->new));
	/* The MR holds a reference to the new PD. */
	EXPECT_EQ(EBUSY, ibv_dealloc_pd(self->pd));
}

TEST_F(rereg, pd_and_access)
{
	ASSERT_EQ(0, ibv_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_PD |
				  IBV_REREG_MR_CHANGE_ACCESS, self->pd, NULL, 0,
				  READ_ONLY | variant->on_demand));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_through(self, &self->new));
	EXPECT_EQ(0, read_through(self, &self->new));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, read_through(self, &self->pair));
	ASSERT_EQ(0, ibv_rereg_mr(self->there.mr, IBV_REREG_MR_CHANGE_PD |
				  IBV_REREG_MR_CHANGE_ACCESS, self->dev.pd, NULL,
				  0, VT_ACCESS_ALL | variant->on_demand));
	EXPECT_EQ(0, write_through(self, &self->pair));
}

/* Calls that fail, in libibverbs itself or in the kernel. */
struct bad_call {
	int flags, access;
	bool range, by_kernel;
	int want_errno;
};

#define ACCESS IBV_REREG_MR_CHANGE_ACCESS
#define PD IBV_REREG_MR_CHANGE_PD
#define RANGE IBV_REREG_MR_CHANGE_TRANSLATION

static const struct bad_call bad_calls[] = {
	/* Soft-RoCE does not change the memory of an MR. */
	{ RANGE, 0, true, true, EOPNOTSUPP },
	{ RANGE | PD, 0, true, true, EOPNOTSUPP },
	{ RANGE | ACCESS, VT_ACCESS_ALL, true, true, EOPNOTSUPP },
	{ RANGE | PD | ACCESS, VT_ACCESS_ALL, true, true, EOPNOTSUPP },
	{ RANGE, 0, false, false, EINVAL },
	{ 0, 0, false, true, EINVAL },
	{ 1 << 3, 0, false, false, EINVAL },
	{ PD, READ_ONLY, false, false, EINVAL },
	/* Remote write without local write; unknown flag. */
	{ ACCESS, IBV_ACCESS_REMOTE_WRITE, false, true, EINVAL },
	{ ACCESS, VT_ACCESS_ALL | 1 << 19, false, true, EINVAL },
	{ PD | ACCESS, IBV_ACCESS_REMOTE_WRITE, false, true, EINVAL },
};

TEST_F(rereg, errors)
{
	struct ibv_mr before = *self->there.mr;
	size_t i;

	uverbs_calls(UVERBS_CALL_REREG_MR);
	for (i = 0; i < sizeof(bad_calls) / sizeof(bad_calls[0]); i++) {
		const struct bad_call *row = &bad_calls[i];

		errno = 0;
		EXPECT_EQ(row->by_kernel ? IBV_REREG_MR_ERR_CMD :
			  IBV_REREG_MR_ERR_INPUT,
			  ibv_rereg_mr(self->there.mr, row->flags, self->pd,
				       row->range ? self->here.mem.addr : NULL,
				       row->range ? SIZE : 0, row->access))
			TH_LOG("row %zu", i);
		EXPECT_EQ(row->want_errno, errno)
			TH_LOG("row %zu", i);
		EXPECT_EQ(row->by_kernel, uverbs_calls(UVERBS_CALL_REREG_MR))
			TH_LOG("row %zu", i);
		EXPECT_TRUE(same_mr(&before, self->there.mr))
			TH_LOG("row %zu", i);
	}
	EXPECT_EQ(0, write_through(self, &self->pair));
	EXPECT_EQ(0, read_through(self, &self->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_through(self, &self->new));
}

TEST_F(rereg, keeps_registration_kind)
{
	errno = 0;
	EXPECT_EQ(IBV_REREG_MR_ERR_CMD,
		  ibv_rereg_mr(self->there.mr, ACCESS, NULL, NULL, 0,
			       VT_ACCESS_ALL |
			       (variant->on_demand ^ IBV_ACCESS_ON_DEMAND)));
	EXPECT_EQ(EOPNOTSUPP, errno);
	EXPECT_EQ(0, write_through(self, &self->pair));
}

/* The child opens the device and tries all calls. Return: the exit status. */
static int use_in_child(const struct vt_mem_kind *kind)
{
	struct vt_buf_opts opts = {
		.access = READ_ONLY | IBV_ACCESS_ON_DEMAND,
	};
	struct vt_dev dev;
	struct vt_buf buf;
	struct ibv_sge sge;

	if (vt_dev_open(&dev) || vt_buf_open(&buf, &dev, kind, SIZE, &opts))
		return 1;
	sge = vt_sge(&buf, 0, SIZE);
	if (ibv_rereg_mr(buf.mr, ACCESS, NULL, NULL, 0,
			 VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND))
		return 2;
	if (ibv_advise_mr(dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1))
		return 3;
	if (vt_buf_close(&buf))
		return 4;
	vt_dev_close(&dev);
	return 0;
}

/* Private memory: all bytes are 1, except those written by RDMA. */
static bool written(const rereg_t *self, const uint8_t *memory)
{
	size_t i;

	for (i = 0; i < SIZE; i++) {
		uint8_t want = i < AT || i >= AT + LENGTH ? 1 :
			       self->here.shadow[8 + i - AT];

		if (memory[i] != want)
			return false;
	}
	return true;
}

/*
 * The MR of the parent keeps the pages of the parent when the child writes to its copy,
 * and the child can use the provider.
 */
TEST_F(rereg, fork)
{
	uint8_t *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_sge sge = vt_sge(&self->here, 8, LENGTH);
	struct vt_remote to = { (uintptr_t)memory + AT, 0 };
	struct ibv_mr *mr;
	pid_t child;

	ASSERT_NE(MAP_FAILED, memory);
	memset(memory, 1, SIZE);
	mr = ibv_reg_mr(self->dev.pd, memory, SIZE,
			VT_ACCESS_ALL | variant->on_demand);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, ibv_rereg_mr(mr, PD, self->pd, NULL, 0, 0));
	child = fork();
	ASSERT_NE(-1, child);
	if (!child) {
		memset(memory, 0xee, SIZE);
		_exit(use_in_child(variant->kind));
	}
	EXPECT_EQ(0, vt_wait_child(child, 60000));
	to.rkey = mr->rkey;
	EXPECT_EQ(0, vt_rdma_write(&self->new.end[0], &sge, 1, to));
	EXPECT_TRUE(written(self, memory));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(memory, SIZE);
}

TEST_HARNESS_MAIN
