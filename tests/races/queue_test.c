// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The queues for faults of a process (kernel/core/fault_queue.c), which stay for a
 * while after its last registration. The look at whether somebody uses them is held
 * before it takes their lock, and registrations come and go meanwhile.
 */
#include <kselftest_harness.h>

#include <unistd.h>

#include "hold.h"
#include "lib/link.h"

#define SIZE (64 * 1024)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

FIXTURE(queue)
{
	VT_LINK;
};

/* The only registration on demand comes and goes. */
FIXTURE_SETUP(queue)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, 0, NULL));
	ASSERT_EQ(0, hold_arm("idle", HOLD_LONG));
	ASSERT_EQ(0, vt_reg_errno(&self->dev, self->there.mem.addr, SIZE,
				  ACCESS));
	ASSERT_EQ(0, hold_wait("idle"));
}

FIXTURE_TEARDOWN(queue)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

static int register_and_write(FIXTURE_DATA(queue) *self, struct ibv_mr **mr)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 5000);

	*mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr, SIZE, ACCESS);
	if (!*mr)
		return -1;
	return vt_rdma_write(&self->pair.end[0], &sge, 1,
			     (struct vt_remote){ (uintptr_t)(*mr)->addr,
						 (*mr)->rkey });
}

/* Another look is due then: the first may not free what the second looks at. */
TEST_F_TIMEOUT(queue, used_and_left_meanwhile, 60)
{
	struct ibv_mr *mr;

	ASSERT_EQ(0, register_and_write(self, &mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_TRUE(hold_held("idle"));
	ASSERT_EQ(0, hold_let_go("idle"));
	usleep(500000);
	ASSERT_EQ(0, register_and_write(self, &mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F_TIMEOUT(queue, used_meanwhile, 60)
{
	struct ibv_mr *mr;

	ASSERT_EQ(0, register_and_write(self, &mr));
	EXPECT_TRUE(hold_held("idle"));
	ASSERT_EQ(0, hold_let_go("idle"));
	usleep(500000);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_HARNESS_MAIN
