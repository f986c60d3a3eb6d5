// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Tables of verbs commands for MRs, without libibverbs: lengths, flags, keys,
 * ranges, attributes. tests/verbs/invalid_test.c has invalid memory.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "../page_size.h"
#include "call.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/raw.h"

#define PAGE page_size()
#define SIZE (16 * PAGE)
#define RW (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
	    IBV_ACCESS_REMOTE_READ)

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

FIXTURE(table)
{
	struct vt_dev dev;
	struct vt_mem mem;
	struct ibv_mr *mr;	/* on-demand MR of the memory */
	int mrs;		/* number of MRs before the test */
};

FIXTURE_SETUP(table)
{
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram_named, SIZE, 0));
	self->mrs = vt_resource_count("mr");
	self->mr = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
			      RW | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
}

FIXTURE_TEARDOWN(table)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	EXPECT_EQ(self->mrs, vt_resource_count("mr"));
	vt_mem_free(&self->mem);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram_named));
}

typedef FIXTURE_DATA(table) table_t;

/* ---- reg_mr ----------------------------------------------------------- */

static void reg_cmd(table_t *self, struct ib_uverbs_reg_mr *cmd)
{
	memset(cmd, 0, sizeof(*cmd));
	cmd->start = (uintptr_t)self->mem.addr;
	cmd->length = SIZE;
	cmd->hca_va = cmd->start;
	cmd->pd_handle = self->dev.pd->handle;
	cmd->access_flags = RW;
}

/* Registers an MR, and deregisters it. Return: 0 or -errno. */
static int reg_sized(table_t *self, const void *cmd, size_t in, size_t out)
{
	struct ib_uverbs_reg_mr_resp resp = {};
	struct ib_uverbs_dereg_mr dereg;
	int ret = fz_verbs(self->dev.ctx, IB_USER_VERBS_CMD_REG_MR, cmd, in,
			   &resp, out);

	dereg.mr_handle = resp.mr_handle;
	if (!ret)
		ret = fz_verbs(self->dev.ctx, IB_USER_VERBS_CMD_DEREG_MR,
			       &dereg, sizeof(dereg), NULL, 0);
	return ret;
}

static int reg_mr(table_t *self, const struct ib_uverbs_reg_mr *cmd)
{
	return reg_sized(self, cmd, sizeof(*cmd),
			 sizeof(struct ib_uverbs_reg_mr_resp));
}

TEST_F(table, reg_access_bits)
{
	struct ib_uverbs_reg_mr cmd;
	unsigned int bit, on_demand;
	int want;

	reg_cmd(self, &cmd);
	for (on_demand = 0; on_demand < 2; on_demand++) {
		for (bit = 0; bit < 32; bit++) {
			want = bit <= 8 ? 0 : -EINVAL;
			/* Only memory windows can be zero-based. */
			if (1 << bit == IBV_ACCESS_ZERO_BASED)
				want = -EOPNOTSUPP;
			/* Optional flags. */
			if (bit >= 20 && bit < 30)
				want = 0;
			cmd.access_flags = RW | 1U << bit;
			if (on_demand)
				cmd.access_flags |= IBV_ACCESS_ON_DEMAND;
			EXPECT_EQ(want, reg_mr(self, &cmd))
				TH_LOG("access %#x", cmd.access_flags);
		}
	}
	for (on_demand = 0; on_demand < 2; on_demand++) {
		cmd.access_flags = on_demand ? IBV_ACCESS_ON_DEMAND : 0;
		EXPECT_EQ(0, reg_mr(self, &cmd));
		cmd.access_flags |= IBV_ACCESS_REMOTE_WRITE;
		EXPECT_EQ(-EINVAL, reg_mr(self, &cmd));
		cmd.access_flags ^= IBV_ACCESS_REMOTE_WRITE |
				    IBV_ACCESS_REMOTE_ATOMIC;
		EXPECT_EQ(-EINVAL, reg_mr(self, &cmd));
	}
}

TEST_F(table, reg_ranges)
{
	const struct {
		uint64_t offset, length, iova;
		int pinned, on_demand;
	} rows[] = {
		{ 0, 1, 0, 0, 0 },
		{ PAGE - 1, 2, PAGE - 1, 0, 0 },
		{ SIZE - 1, 1, PAGE - 1, 0, 0 },
		{ 0, SIZE, 1ULL << 63, 0, 0 },
		{ 0, SIZE, -PAGE, 0, 0 },
		{ 0, 0, 0, -EINVAL, -EINVAL },
		{ 0, SIZE, 1, -EINVAL, -EINVAL },
		{ 1, SIZE - 1, 0, -EINVAL, -EINVAL },
		{ 0, UINT64_MAX, 0, -EINVAL, -EINVAL },
		{ 0, UINT64_MAX - PAGE, 0, -EINVAL, -EINVAL },
		/* On demand, unmapped parts matter only when accessed. */
		{ 0, 1ULL << 46, 0, -EINVAL, 0 },
		{ 0, 1ULL << 63, 0, -EINVAL, 0 },
	};
	struct ib_uverbs_reg_mr cmd;
	uint64_t start;
	size_t i;

	reg_cmd(self, &cmd);
	start = cmd.start;
	for (i = 0; i < ROWS(rows); i++) {
		cmd.start = start + rows[i].offset;
		cmd.length = rows[i].length;
		cmd.hca_va = rows[i].iova;
		cmd.access_flags = RW;
		EXPECT_EQ(rows[i].pinned, reg_mr(self, &cmd))
			TH_LOG("row %zu, pinned", i);
		cmd.access_flags = RW | IBV_ACCESS_ON_DEMAND;
		EXPECT_EQ(rows[i].on_demand, reg_mr(self, &cmd))
			TH_LOG("row %zu, on demand", i);
	}
}

TEST_F(table, reg_structs)
{
	struct {
		struct ib_uverbs_reg_mr cmd;
		uint64_t extra;
	} arg = {};
	size_t size;

	reg_cmd(self, &arg.cmd);
	/* Up to 8 bytes are passed by value, not by pointer. */
	for (size = 9; size < sizeof(arg.cmd); size++)
		EXPECT_EQ(-ENOSPC, reg_sized(self, &arg, size, 12))
			TH_LOG("size %zu", size);
	for (size = 4; size < 12; size += 4)
		EXPECT_EQ(-ENOSPC, reg_sized(self, &arg, sizeof(arg.cmd), size));
	EXPECT_EQ(0, reg_sized(self, &arg, sizeof(arg), 12));
	arg.extra = 1;
	EXPECT_EQ(-EOPNOTSUPP, reg_sized(self, &arg, sizeof(arg), 12));
	EXPECT_EQ(-EFAULT, reg_sized(self, NULL, sizeof(arg.cmd), 12));
	EXPECT_EQ(-EFAULT, reg_sized(self, (void *)0xffff888000000000,
				     sizeof(arg.cmd), 12));
	arg.cmd.pd_handle = 4711;
	EXPECT_EQ(-ENOENT, reg_mr(self, &arg.cmd));
}

/* ---- rereg_mr --------------------------------------------------------- */

TEST_F(table, rereg)
{
	static const struct {
		int flags, access, want;
	} rows[] = {
		{ IBV_REREG_MR_CHANGE_ACCESS, RW | IBV_ACCESS_ON_DEMAND, 0 },
		{ IBV_REREG_MR_CHANGE_ACCESS, IBV_ACCESS_ON_DEMAND, 0 },
		{ IBV_REREG_MR_CHANGE_ACCESS, RW | IBV_ACCESS_ON_DEMAND, 0 },
		{ 0, RW | IBV_ACCESS_ON_DEMAND, -EINVAL },
		{ 8, RW | IBV_ACCESS_ON_DEMAND, -EOPNOTSUPP },
		{ INT32_MIN, RW | IBV_ACCESS_ON_DEMAND, -EOPNOTSUPP },
		{ IBV_REREG_MR_CHANGE_ACCESS, RW, -EOPNOTSUPP },
		{ IBV_REREG_MR_CHANGE_ACCESS, RW | IBV_ACCESS_ON_DEMAND |
		  1 << 12, -EINVAL },
		{ IBV_REREG_MR_CHANGE_ACCESS, RW | IBV_ACCESS_ON_DEMAND |
		  INT32_MIN, -EINVAL },
		{ IBV_REREG_MR_CHANGE_ACCESS, IBV_ACCESS_REMOTE_WRITE |
		  IBV_ACCESS_ON_DEMAND, -EINVAL },
		{ IBV_REREG_MR_CHANGE_ACCESS, RW | IBV_ACCESS_ON_DEMAND |
		  VT_ACCESS_FLUSH_PERSISTENT, -EINVAL },
	};
	size_t i;

	for (i = 0; i < ROWS(rows); i++)
		EXPECT_EQ(rows[i].want, vt_rereg_mr(self->mr, rows[i].flags,
						    NULL, rows[i].access))
			TH_LOG("row %zu", i);
}

/* ibv_rereg_mr() cannot make a pinned MR an on-demand MR. */
TEST_F(table, rereg_keeps_pinning)
{
	void *host = aligned_alloc(PAGE, SIZE);
	struct ibv_mr *mrs[] = {
		ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE, RW),
		ibv_reg_mr(self->dev.pd, host, SIZE, RW),
	};
	size_t i;

	for (i = 0; i < ROWS(mrs); i++) {
		ASSERT_NE(NULL, mrs[i]);
		EXPECT_EQ(0, vt_rereg_mr(mrs[i], IBV_REREG_MR_CHANGE_ACCESS,
					 NULL, RW));
		EXPECT_EQ(-EOPNOTSUPP,
			  vt_rereg_mr(mrs[i], IBV_REREG_MR_CHANGE_ACCESS, NULL,
				      RW | IBV_ACCESS_ON_DEMAND));
		EXPECT_EQ(0, ibv_dereg_mr(mrs[i]));
	}
	free(host);
}

/* ---- advise_mr -------------------------------------------------------- */

/* The lkeys that a row can use. */
enum { OWN, PINNED, HOST, READ_ONLY, OTHER_PD, DEREGISTERED, NO_MR, NUM_KEYS };

struct advice {
	int advice;
	uint32_t flags;
	int64_t offset;
	uint32_t length;
	int key;
	int want;
};

TEST_F(table, advise)
{
	const struct advice advices[] = {
		{ 0, 0, 0, SIZE, OWN, 0 }, { 1, 0, 0, SIZE, OWN, 0 },
		{ 2, 0, 0, SIZE, OWN, 0 }, { 0, 1, 0, SIZE, OWN, 0 },
		{ 1, 1, 0, SIZE, OWN, 0 }, { 2, 1, 0, SIZE, OWN, 0 },
		{ 0, 1, 1, SIZE - 1, OWN, 0 }, { 0, 1, SIZE - 1, 1, OWN, 0 },
		{ 0, 1, 0, 0, OWN, 0 }, { 0, 1, SIZE, 0, OWN, 0 },
		{ 0, 1, PAGE + 1, 0, OWN, 0 },
		{ 3, 0, 0, SIZE, OWN, -EOPNOTSUPP },
		{ INT32_MAX, 0, 0, SIZE, OWN, -EOPNOTSUPP },
		{ -1, 0, 0, SIZE, OWN, -EINVAL },
		{ 0, 2, 0, SIZE, OWN, -EINVAL },
		{ 0, 3, 0, SIZE, OWN, -EINVAL },
		{ 0, 1U << 31, 0, SIZE, OWN, -EINVAL },
		{ 0, 1, -1, 1, OWN, -EFAULT }, { 0, 1, -1, 2, OWN, -EFAULT },
		{ 0, 1, SIZE, 1, OWN, -EFAULT },
		{ 0, 1, SIZE + 1, 0, OWN, -EFAULT },
		{ 0, 1, 0, SIZE + 1, OWN, -EFAULT },
		{ 0, 1, 1, SIZE, OWN, -EFAULT },
		{ 0, 0, 0, UINT32_MAX, OWN, -EFAULT },
		{ 0, 0, INT64_MIN, 1, OWN, -EFAULT },
		{ 0, 1, 0, SIZE, PINNED, -EINVAL },
		{ 0, 1, 0, SIZE, HOST, -EINVAL },
		{ 0, 1, 0, SIZE, READ_ONLY, 0 },
		{ 1, 1, 0, SIZE, READ_ONLY, -EPERM },
		{ 0, 1, 0, SIZE, OTHER_PD, -ENOENT },
		{ 0, 1, 0, SIZE, DEREGISTERED, -ENOENT },
		{ 0, 1, 0, SIZE, NO_MR, -ENOENT },
	};
	struct ibv_pd *other = ibv_alloc_pd(self->dev.ctx);
	void *host = aligned_alloc(PAGE, SIZE);
	struct ibv_mr *mrs[NUM_KEYS] = {
		[OWN] = self->mr,
		[PINNED] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE, RW),
		[HOST] = ibv_reg_mr(self->dev.pd, host, SIZE, RW),
		[READ_ONLY] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
				     IBV_ACCESS_ON_DEMAND),
		[OTHER_PD] = ibv_reg_mr(other, self->mem.addr, SIZE,
				       RW | IBV_ACCESS_ON_DEMAND),
		[DEREGISTERED] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
				    RW | IBV_ACCESS_ON_DEMAND),
	};
	uint32_t keys[NUM_KEYS] = {};
	size_t i;

	for (i = 0; i < NO_MR; i++) {
		ASSERT_NE(NULL, mrs[i]);
		keys[i] = mrs[i]->lkey;
	}
	ASSERT_EQ(0, ibv_dereg_mr(mrs[DEREGISTERED]));
	for (i = 0; i < ROWS(advices); i++) {
		const struct advice *row = &advices[i];
		void *base = row->key == HOST ? host : self->mem.addr;
		struct ibv_sge sge = { (uintptr_t)base + row->offset, row->length,
				       keys[row->key] };

		EXPECT_EQ(row->want, vt_advise_mr(self->dev.pd, row->advice,
						  row->flags, &sge, 1))
			TH_LOG("row %zu", i);
	}
	for (i = PINNED; i < DEREGISTERED; i++)
		EXPECT_EQ(0, ibv_dereg_mr(mrs[i]));
	EXPECT_EQ(0, ibv_dealloc_pd(other));
	free(host);
}

/* Prefetching an empty range succeeds, also in a hole. */
TEST_F(table, advise_empty_range_in_hole)
{
	struct ibv_sge sge = { (uintptr_t)self->mem.addr + PAGE + 8, 0,
			       self->mr->lkey };

	ASSERT_EQ(0, munmap(self->mem.addr + PAGE, PAGE));
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, 0, 1, &sge, 1));
	sge.length = 1;
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, 0, 1, &sge, 1));
}

TEST_F_TIMEOUT(table, advise_lists, 120)
{
	static struct ibv_sge list[4096];
	struct ibv_sge one = { (uintptr_t)self->mem.addr, 1, self->mr->lkey };
	size_t i;

	for (i = 0; i < ROWS(list); i++)
		list[i] = one;
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, 0, 1, list, 4095));
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, 0, 0, list, 4095));
	/* The attribute length has 16 bits. */
	EXPECT_EQ(-EINVAL, vt_advise_mr(self->dev.pd, 0, 1, list, 4096));
	EXPECT_EQ(-EINVAL, vt_advise_mr(self->dev.pd, 0, 1, list, 0));
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, 0, 1, NULL, 1));
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, 0, 1,
					(void *)0xffff888000000000, 4));
	/* The first wrong entry ends the call. */
	list[4094].lkey = 0;
	EXPECT_EQ(-ENOENT, vt_advise_mr(self->dev.pd, 0, 1, list, 4095));
}

/* ---- attributes ------------------------------------------------------- */

struct attributes {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[5];
};

static struct attributes valid_attributes(table_t *self, struct ibv_sge *sge)
{
	return (struct attributes){
		.hdr = {
			.length = sizeof(struct ib_uverbs_ioctl_hdr) +
				  4 * sizeof(struct ib_uverbs_attr),
			.object_id = UVERBS_OBJECT_MR,
			.method_id = UVERBS_METHOD_ADVISE_MR,
			.num_attrs = 4,
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attrs = {
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_PD_HANDLE,
			  .flags = UVERBS_ATTR_F_MANDATORY,
			  .data = self->dev.pd->handle },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_ADVICE, .len = 8,
			  .flags = UVERBS_ATTR_F_MANDATORY },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_FLAGS, .len = 4,
			  .flags = UVERBS_ATTR_F_MANDATORY },
			{ .attr_id = UVERBS_ATTR_ADVISE_MR_SGE_LIST,
			  .len = sizeof(*sge), .data = (uintptr_t)sge,
			  .flags = UVERBS_ATTR_F_MANDATORY },
		},
	};
}

static int call_ioctl(table_t *self, struct attributes *attrs)
{
	return ioctl(self->dev.ctx->cmd_fd, RDMA_VERBS_IOCTL, attrs) ?
		-errno : 0;
}

TEST_F(table, attributes)
{
	struct ibv_sge sge = { (uintptr_t)self->mem.addr, SIZE,
			       self->mr->lkey };
	struct attributes a;
	unsigned int i, len;

#define EXPECT_WITH(want, change)					\
	do {								\
		a = valid_attributes(self, &sge);			\
		change;							\
		EXPECT_EQ(want, call_ioctl(self, &a))			\
			TH_LOG(#change);				\
	} while (0)

	EXPECT_WITH(0, (void)0);
	for (i = 0; i < 4; i++)
		EXPECT_WITH(-EINVAL, a.attrs[i].attr_data.reserved = 1);
	EXPECT_WITH(-EINVAL, a.attrs[0].len = 4);
	for (len = 1; len < sizeof(sge); len++)
		EXPECT_WITH(-EINVAL, a.attrs[3].len = len);
	for (len = sizeof(sge) + 1; len < 2 * sizeof(sge); len++)
		EXPECT_WITH(-EINVAL, a.attrs[3].len = len);
	EXPECT_WITH(-ENOENT, a.attrs[0].data = 4711);
	EXPECT_WITH(-EINVAL, a.attrs[3] = a.attrs[2]);
	EXPECT_WITH(-EPROTONOSUPPORT, a.attrs[3].attr_id = 77);
	/* A mandatory attribute is missing. */
	EXPECT_WITH(-EINVAL, a.attrs[3].attr_id = 77; a.attrs[3].flags = 0);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.reserved1 = 1);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.reserved2 = 1);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.method_id = 99);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.object_id = 99);
	EXPECT_WITH(-EINVAL, a.hdr.length += 1);
	EXPECT_WITH(-EINVAL, a.hdr.num_attrs = 3);
	EXPECT_WITH(-EINVAL, a.hdr.driver_id = RDMA_DRIVER_MLX5);
}

/* An MR belongs to one context. */
TEST_F(table, other_context)
{
	struct ibv_sge sge = { (uintptr_t)self->mem.addr, SIZE, 0 };
	struct vt_dev dev;
	struct attributes a;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_dev_open(&dev));
	mr = ibv_reg_mr(dev.pd, self->mem.addr, SIZE,
			RW | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	sge.lkey = mr->lkey;
	a = valid_attributes(self, &sge);
	a.attrs[0].data = dev.pd->handle;
	EXPECT_EQ(0, ioctl(dev.ctx->cmd_fd, RDMA_VERBS_IOCTL, &a));
	/* The lkey is unknown in another context. */
	EXPECT_EQ(-ENOENT, vt_advise_mr(self->dev.pd, 0, 1, &sge, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(-1, ioctl(dev.ctx->cmd_fd, RDMA_VERBS_IOCTL, &a));
	EXPECT_EQ(ENOENT, errno);
	vt_dev_close(&dev);
	EXPECT_EQ(-1, ioctl(self->dev.ctx->cmd_fd + 1000, RDMA_VERBS_IOCTL, &a));
	EXPECT_EQ(EBADF, errno);
}

TEST_HARNESS_MAIN
