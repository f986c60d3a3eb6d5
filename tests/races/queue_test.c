// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The fault queues of a process (kernel/core/umem/fault_queue.c). The kernel
 * keeps them for some time after the last deregistration. The check for unused
 * queues is held before it takes their lock; meanwhile the process registers
 * and deregisters memory.
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

/* The PD of the registration holds a reference, too, and is also closed. */
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

/*
 * The second deregistration schedules another check. The first check must not
 * free what the second uses.
 */
TEST_F_TIMEOUT(queue, used_and_released_during_check, 60)
{
	struct vt_link link;

	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_EQ(0, vt_link_close(&link));
	EXPECT_TRUE(hold_is_held("idle"));
	ASSERT_EQ(0, hold_release("idle"));
	usleep(500000);
	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_EQ(0, vt_link_close(&link));
}

TEST_F_TIMEOUT(queue, used_during_check, 60)
{
	struct vt_link link;

	ASSERT_EQ(0, open_and_write(&link));
	EXPECT_TRUE(hold_is_held("idle"));
	ASSERT_EQ(0, hold_release("idle"));
	usleep(500000);
	EXPECT_EQ(0, vt_link_close(&link));
}

TEST_HARNESS_MAIN
