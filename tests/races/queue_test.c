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
};

/* The registration's PD has a reference, too: both come and go. */
FIXTURE_SETUP(queue)
{
	struct vt_link link;

	ASSERT_EQ(0, hold_arm("idle", HOLD_LONG));
	ASSERT_EQ(0, vt_link_open(&link, &vt_mem_host, SIZE, ACCESS, NULL));
	ASSERT_EQ(0, vt_link_close(&link));
	ASSERT_EQ(0, hold_wait("idle"));
}

FIXTURE_TEARDOWN(queue)
{
}

static int open_and_write(struct vt_link *link)
{
	struct ibv_sge sge;
	int ret = vt_link_open(link, &vt_mem_host, SIZE, ACCESS, NULL);

	if (ret)
		return ret;
	sge = vt_sge(&link->here, 0, 5000);
	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

/* Another look is due then: the first may not free what the second looks at. */
TEST_F_TIMEOUT(queue, used_and_left_meanwhile, 60)
{
	struct vt_link link;

	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_EQ(0, vt_link_close(&link));
	EXPECT_TRUE(hold_held("idle"));
	ASSERT_EQ(0, hold_let_go("idle"));
	usleep(500000);
	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_EQ(0, vt_link_close(&link));
}

TEST_F_TIMEOUT(queue, used_meanwhile, 60)
{
	struct vt_link link;

	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_TRUE(hold_held("idle"));
	ASSERT_EQ(0, hold_let_go("idle"));
	usleep(500000);
	EXPECT_EQ(0, vt_link_close(&link));
}

TEST_HARNESS_MAIN
