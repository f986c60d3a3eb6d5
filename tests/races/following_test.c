// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A pinned MR of memory that the process's page table tracks
 * (IB_PEER_MMU_TRACKED, kernel/maps). Registration has filled the umem's page
 * table, and is held before it checks for invalidations. Meanwhile:
 *
 *   the driver moves its memory   the page table is filled again
 *   the range is unmapped         EFAULT, no MR
 *
 * Neither event waits for the held registration.
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../kmod/peer_test_maps.h"
#include "../maps/device.h"
#include "attempt.h"
#include "hold.h"
#include "lib/copy.h"
#include "lib/counters.h"

#define SIZE PEER_TEST_MAPS_LENGTH
#define POINT "filled"

FIXTURE(mmu_tracked)
{
	VT_LINK;
};

FIXTURE_SETUP(mmu_tracked)
{
	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, maps_allow("file", MAPS_NODE));
	ASSERT_EQ(0, maps_link_open(&self->link, &vt_mem_driver, SIZE,
				    VT_ACCESS_ALL));
	ASSERT_EQ(0, ibv_dereg_mr(self->there.mr));
	self->there.mr = NULL;
}

FIXTURE_TEARDOWN(mmu_tracked)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, maps_reset());
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_driver));
}

static int register_it(void *what)
{
	FIXTURE_DATA(mmu_tracked) *self = what;

	self->there.mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr, SIZE,
				    VT_ACCESS_ALL);
	return self->there.mr ? 0 : -errno;
}

TEST_F_TIMEOUT(mmu_tracked, moved, 60)
{
	struct attempt attempt;

	ASSERT_EQ(0, attempt_start(&attempt, POINT, register_it, self));
	EXPECT_EQ(0, ioctl(self->there.mem.fd, PEER_TEST_IOC_MOVE,
			   PEER_TEST_SCATTERED));
	EXPECT_TRUE(hold_is_held(POINT));
	ASSERT_EQ(0, attempt_end(&attempt));
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0, &self->here,
				      0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(mmu_tracked, unmapped, 60)
{
	struct attempt attempt;

	ASSERT_EQ(0, attempt_start(&attempt, POINT, register_it, self));
	EXPECT_EQ(0, munmap(self->there.mem.addr, SIZE));
	EXPECT_TRUE(hold_is_held(POINT));
	EXPECT_EQ(-EFAULT, attempt_end(&attempt));
}

TEST_HARNESS_MAIN
