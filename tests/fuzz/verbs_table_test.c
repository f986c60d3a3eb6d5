// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The verbs' interface to memory regions, as tables: lengths, flags, keys,
 * ranges, attributes. Without libibverbs in between. invalid_test.c has what can
 * be wrong with the memory.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "call.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/raw.h"

#define PAGE 4096UL
#define SIZE (16 * PAGE)
#define RW (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
	    IBV_ACCESS_REMOTE_READ)

#define ROWS(table) (sizeof(table) / sizeof((table)[0]))

FIXTURE(table)
{
	struct vt_dev dev;
	struct vt_mem mem;
	struct ibv_mr *mr;	/* on demand, the memory */
	int mrs;
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

/* One that succeeds is undone. */
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

static int reg(table_t *self, const struct ib_uverbs_reg_mr *cmd)
{
	return reg_sized(self, cmd, sizeof(*cmd),
			 sizeof(struct ib_uverbs_reg_mr_resp));
}

TEST_F(table, reg_access_bits)
{
	struct ib_uverbs_reg_mr cmd;
	unsigned int bit, demand;
	int want;

	reg_cmd(self, &cmd);
	for (demand = 0; demand < 2; demand++) {
		for (bit = 0; bit < 32; bit++) {
			want = bit <= 8 ? 0 : -EINVAL;
			/* Only memory windows are zero-based. */
			if (1 << bit == IBV_ACCESS_ZERO_BASED)
				want = -EOPNOTSUPP;
			/* What a device may ignore. */
			if (bit >= 20 && bit < 30)
				want = 0;
			cmd.access_flags = RW | 1U << bit;
			if (demand)
				cmd.access_flags |= IBV_ACCESS_ON_DEMAND;
			EXPECT_EQ(want, reg(self, &cmd))
				TH_LOG("access %#x", cmd.access_flags);
		}
	}
	for (demand = 0; demand < 2; demand++) {
		cmd.access_flags = demand ? IBV_ACCESS_ON_DEMAND : 0;
		EXPECT_EQ(0, reg(self, &cmd));
		cmd.access_flags |= IBV_ACCESS_REMOTE_WRITE;
		EXPECT_EQ(-EINVAL, reg(self, &cmd));
		cmd.access_flags ^= IBV_ACCESS_REMOTE_WRITE |
				    IBV_ACCESS_REMOTE_ATOMIC;
		EXPECT_EQ(-EINVAL, reg(self, &cmd));
	}
}

TEST_F(table, reg_ranges)
{
	static const struct {
		uint64_t skip, length, iova;
		int pinned, demand;
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
		/* Mostly nothing: no matter, until it is accessed. */
		{ 0, 1ULL << 46, 0, -EINVAL, 0 },
		{ 0, 1ULL << 63, 0, -EINVAL, 0 },
	};
	struct ib_uverbs_reg_mr cmd;
	uint64_t start;
	size_t i;

	reg_cmd(self, &cmd);
	start = cmd.start;
	for (i = 0; i < ROWS(rows); i++) {
		cmd.start = start + rows[i].skip;
		cmd.length = rows[i].length;
		cmd.hca_va = rows[i].iova;
		cmd.access_flags = RW;
		EXPECT_EQ(rows[i].pinned, reg(self, &cmd))
			TH_LOG("row %zu, pinned", i);
		cmd.access_flags = RW | IBV_ACCESS_ON_DEMAND;
		EXPECT_EQ(rows[i].demand, reg(self, &cmd))
			TH_LOG("row %zu, on demand", i);
	}
}

TEST_F(table, reg_structs)
{
	struct {
		struct ib_uverbs_reg_mr cmd;
		uint64_t tail;
	} arg = {};
	size_t size;

	reg_cmd(self, &arg.cmd);
	/* Seven bytes and eight are a value, not a pointer. */
	for (size = 9; size < sizeof(arg.cmd); size++)
		EXPECT_EQ(-ENOSPC, reg_sized(self, &arg, size, 12))
			TH_LOG("size %zu", size);
	for (size = 4; size < 12; size += 4)
		EXPECT_EQ(-ENOSPC, reg_sized(self, &arg, sizeof(arg.cmd), size));
	EXPECT_EQ(0, reg_sized(self, &arg, sizeof(arg), 12));
	arg.tail = 1;
	EXPECT_EQ(-EOPNOTSUPP, reg_sized(self, &arg, sizeof(arg), 12));
	EXPECT_EQ(-EFAULT, reg_sized(self, NULL, sizeof(arg.cmd), 12));
	EXPECT_EQ(-EFAULT, reg_sized(self, (void *)0xffff888000000000,
				     sizeof(arg.cmd), 12));
	arg.cmd.pd_handle = 4711;
	EXPECT_EQ(-ENOENT, reg(self, &arg.cmd));
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

/* What was registered pinned does not become on demand, nor the reverse. */
TEST_F(table, rereg_stays_pinned)
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

/* The lkeys that a row can name. */
enum { MINE, PINNED, HOST, READS, FOREIGN, GONE, NONE, KEYS };

struct advice {
	int advice;
	uint32_t flags;
	int64_t skip;
	uint32_t length;
	int key;
	int want;
};

static const struct advice advices[] = {
	{ 0, 0, 0, SIZE, MINE, 0 }, { 1, 0, 0, SIZE, MINE, 0 },
	{ 2, 0, 0, SIZE, MINE, 0 }, { 0, 1, 0, SIZE, MINE, 0 },
	{ 1, 1, 0, SIZE, MINE, 0 }, { 2, 1, 0, SIZE, MINE, 0 },
	{ 0, 1, 1, SIZE - 1, MINE, 0 }, { 0, 1, SIZE - 1, 1, MINE, 0 },
	{ 0, 1, 0, 0, MINE, 0 }, { 0, 1, SIZE, 0, MINE, 0 },
	{ 0, 1, PAGE + 1, 0, MINE, 0 },
	{ 3, 0, 0, SIZE, MINE, -EOPNOTSUPP },
	{ INT32_MAX, 0, 0, SIZE, MINE, -EOPNOTSUPP },
	{ -1, 0, 0, SIZE, MINE, -EINVAL },
	{ 0, 2, 0, SIZE, MINE, -EINVAL },
	{ 0, 3, 0, SIZE, MINE, -EINVAL },
	{ 0, 1U << 31, 0, SIZE, MINE, -EINVAL },
	{ 0, 1, -1, 1, MINE, -EFAULT }, { 0, 1, -1, 2, MINE, -EFAULT },
	{ 0, 1, SIZE, 1, MINE, -EFAULT }, { 0, 1, SIZE + 1, 0, MINE, -EFAULT },
	{ 0, 1, 0, SIZE + 1, MINE, -EFAULT },
	{ 0, 1, 1, SIZE, MINE, -EFAULT },
	{ 0, 0, 0, UINT32_MAX, MINE, -EFAULT },
	{ 0, 0, INT64_MIN, 1, MINE, -EFAULT },
	{ 0, 1, 0, SIZE, PINNED, -EINVAL }, { 0, 1, 0, SIZE, HOST, -EINVAL },
	{ 0, 1, 0, SIZE, READS, 0 }, { 1, 1, 0, SIZE, READS, -EPERM },
	{ 0, 1, 0, SIZE, FOREIGN, -ENOENT }, { 0, 1, 0, SIZE, GONE, -ENOENT },
	{ 0, 1, 0, SIZE, NONE, -ENOENT },
};

TEST_F(table, advise)
{
	struct ibv_pd *other = ibv_alloc_pd(self->dev.ctx);
	void *host = aligned_alloc(PAGE, SIZE);
	struct ibv_mr *mrs[KEYS] = {
		[MINE] = self->mr,
		[PINNED] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE, RW),
		[HOST] = ibv_reg_mr(self->dev.pd, host, SIZE, RW),
		[READS] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
				     IBV_ACCESS_ON_DEMAND),
		[FOREIGN] = ibv_reg_mr(other, self->mem.addr, SIZE,
				       RW | IBV_ACCESS_ON_DEMAND),
		[GONE] = ibv_reg_mr(self->dev.pd, self->mem.addr, SIZE,
				    RW | IBV_ACCESS_ON_DEMAND),
	};
	uint32_t keys[KEYS] = {};
	size_t i;

	for (i = 0; i < NONE; i++) {
		ASSERT_NE(NULL, mrs[i]);
		keys[i] = mrs[i]->lkey;
	}
	ASSERT_EQ(0, ibv_dereg_mr(mrs[GONE]));
	for (i = 0; i < ROWS(advices); i++) {
		const struct advice *row = &advices[i];
		void *base = row->key == HOST ? host : self->mem.addr;
		struct ibv_sge sge = { (uintptr_t)base + row->skip, row->length,
				       keys[row->key] };

		EXPECT_EQ(row->want, vt_advise_mr(self->dev.pd, row->advice,
						  row->flags, &sge, 1))
			TH_LOG("row %zu", i);
	}
	for (i = PINNED; i < GONE; i++)
		EXPECT_EQ(0, ibv_dereg_mr(mrs[i]));
	EXPECT_EQ(0, ibv_dealloc_pd(other));
	free(host);
}

/* Of nothing, there is nothing to bring, wherever it is. */
TEST_F(table, advise_nothing_in_a_hole)
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
	/* The length has 16 bits. */
	EXPECT_EQ(-EINVAL, vt_advise_mr(self->dev.pd, 0, 1, list, 4096));
	EXPECT_EQ(-EINVAL, vt_advise_mr(self->dev.pd, 0, 1, list, 0));
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, 0, 1, NULL, 1));
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, 0, 1,
					(void *)0xffff888000000000, 4));
	/* The first that is wrong ends it. */
	list[4094].lkey = 0;
	EXPECT_EQ(-ENOENT, vt_advise_mr(self->dev.pd, 0, 1, list, 4095));
}

/* ---- attributes ------------------------------------------------------- */

struct attributes {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[5];
};

static struct attributes good(table_t *self, struct ibv_sge *sge)
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

static int call(table_t *self, struct attributes *attrs)
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
		a = good(self, &sge);					\
		change;							\
		EXPECT_EQ(want, call(self, &a))				\
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
	/* One that is missing. */
	EXPECT_WITH(-EINVAL, a.attrs[3].attr_id = 77; a.attrs[3].flags = 0);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.reserved1 = 1);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.reserved2 = 1);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.method_id = 99);
	EXPECT_WITH(-EPROTONOSUPPORT, a.hdr.object_id = 99);
	EXPECT_WITH(-EINVAL, a.hdr.length += 1);
	EXPECT_WITH(-EINVAL, a.hdr.num_attrs = 3);
	EXPECT_WITH(-EINVAL, a.hdr.driver_id = RDMA_DRIVER_MLX5);
}

/* Regions are of one open device, and of no other. */
TEST_F(table, other_device)
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
	a = good(self, &sge);
	a.attrs[0].data = dev.pd->handle;
	EXPECT_EQ(0, ioctl(dev.ctx->cmd_fd, RDMA_VERBS_IOCTL, &a));
	/* The device of another file knows none of it. */
	EXPECT_EQ(-ENOENT, vt_advise_mr(self->dev.pd, 0, 1, &sge, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(-1, ioctl(dev.ctx->cmd_fd, RDMA_VERBS_IOCTL, &a));
	EXPECT_EQ(ENOENT, errno);
	vt_dev_close(&dev);
	EXPECT_EQ(-1, ioctl(self->dev.ctx->cmd_fd + 1000, RDMA_VERBS_IOCTL, &a));
	EXPECT_EQ(EBADF, errno);
}

TEST_HARNESS_MAIN
