// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A driver without RDMA support that moves mapped memory: within its BAR, to
 * scattered pages, and to system memory. On-demand MRs fault at the new location;
 * pinned MRs end.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>

#include "../kmod/peer_test_maps.h"
#include "../page_size.h"
#include "device.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define PAGE page_size()
#define SIZE PEER_TEST_MAPS_LENGTH
#define MAX_WINDOWS "/sys/module/peer_maps/parameters/max_windows"

/* Contains each move between two locations, in both directions. */
static const enum peer_test_place locations[] = {
	PEER_TEST_SCATTERED, PEER_TEST_BAR, PEER_TEST_SYSTEM,
	PEER_TEST_SCATTERED, PEER_TEST_SYSTEM, PEER_TEST_BAR,
};

#define NUM_LOCATIONS (sizeof(locations) / sizeof(locations[0]))

FIXTURE(move)
{
	VT_LINK;
};

VT_VARIANTS(move);
VT_PINNED(move, driver);
VT_ON_DEMAND(move, driver);

FIXTURE_SETUP(move)
{
	ASSERT_EQ(0, maps_setup());
	ASSERT_EQ(0, maps_allow("file", MAPS_NODE));
	ASSERT_EQ(0, maps_link_open(&self->link, variant->kind, SIZE,
				    VT_ACCESS_ALL | variant->on_demand));
}

FIXTURE_TEARDOWN(move)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_write_file(MAX_WINDOWS, "65536"));
	EXPECT_EQ(0, maps_reset());
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(move) move_t;

static int move_to(const struct vt_buf *buf, enum peer_test_place location)
{
	return ioctl(buf->mem.fd, PEER_TEST_IOC_MOVE, location) ? -errno : 0;
}

static int reregister(move_t *self, int access)
{
	if (self->there.mr && ibv_dereg_mr(self->there.mr))
		return -EBUSY;
	self->there.mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr, SIZE,
				    access);
	return self->there.mr ? 0 : -errno;
}

/* Writes and reads all pages and compares the data. */
static void expect_data(struct __test_metadata *_metadata, move_t *self,
			uint64_t seed)
{
	vt_buf_fill(&self->here, seed);
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0, &self->here,
				      0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	vt_buf_fill(&self->here, 1);
	ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0, &self->there,
				     0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

TEST_F_TIMEOUT(move, all_locations, 60)
{
	size_t i;

	for (i = 0; i < NUM_LOCATIONS; i++) {
		ASSERT_EQ(0, move_to(&self->there, locations[i]));
		if (!variant->on_demand) {
			EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
				  vt_copy_by_write(&self->pair, &self->there, 0,
						   &self->here, 0, 100));
			ASSERT_EQ(0, vt_pair_renew(&self->pair));
			ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL));
		}
		expect_data(_metadata, self, 10 + i);
	}
}

/* The move keeps the data, and a READ returns it. */
TEST_F_TIMEOUT(move, contents, 60)
{
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->there, 5));
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SCATTERED));
	if (!variant->on_demand)
		ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL));
	ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0, &self->there,
				     0, SIZE));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
}

/*
 * Moving one page invalidates all pages of the same ioremap() window, because the
 * window must not be used after the move. A pinned MR ends as a whole.
 */
TEST_F_TIMEOUT(move, one_page, 60)
{
	struct vt_mr_counters before, after;

	expect_data(_metadata, self, 2);
	if (variant->on_demand)
		ASSERT_EQ(0, vt_mr_counters_read(&before));
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_ONE_AWAY));
	if (!variant->on_demand) {
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  vt_copy_by_write(&self->pair, &self->there, SIZE - 100,
					   &self->here, 0, 100));
		return;
	}
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0, &self->here,
				      0, 100));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	/* The window ends in the middle, see find_address(). */
	EXPECT_EQ(before.invalidations + SIZE / 2 / PAGE, after.invalidations);
	expect_data(_metadata, self, 3);
}

/* The driver counts the first write to each page. Writes by RDMA count, too. */
TEST_F_TIMEOUT(move, writes_are_tracked, 60)
{
	int reads = variant->on_demand ? VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND :
					 IBV_ACCESS_REMOTE_READ;

	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SCATTERED));
	ASSERT_EQ(0, reregister(self, reads));
	ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0, &self->there,
				     0, SIZE));
	EXPECT_EQ(0, ioctl(self->there.mem.fd, PEER_TEST_IOC_WRITTEN));
	if (!variant->on_demand)
		ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL));
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0, &self->here,
				      0, SIZE));
	EXPECT_EQ(SIZE / PAGE, ioctl(self->there.mem.fd,
				     PEER_TEST_IOC_WRITTEN));
}

/* ---- concurrent moves ---- */

/* @done: completed copies; limits the moves, so that copies make progress */
struct mover {
	struct vt_buf *buf;
	atomic_bool stop;
	atomic_int moves, done;
	int ret;
};

static void *mover_run(void *arg)
{
	struct mover *mover = arg;

	while (!mover->stop && !mover->ret) {
		if (mover->moves > 2 * mover->done + 2)
			usleep(100);
		else
			mover->ret = move_to(mover->buf,
					     locations[mover->moves++ %
						       NUM_LOCATIONS]);
	}
	return NULL;
}

/* Runs WRITEs and READs until enough moves have happened; no data is lost. */
static void copy_while_moving(struct __test_metadata *_metadata, move_t *self,
			      struct mover *mover)
{
	int round;

	for (round = 0; round < 8 || mover->moves < 12; round++) {
		uint64_t at = round * 123457 % (SIZE - 70000);

		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, at,
					      &self->here, at / 2, 70000));
		mover->done++;
		ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, at / 3,
					     &self->there, at, 65000));
		mover->done++;
	}
}

TEST_F_TIMEOUT(move, under_traffic, 120)
{
	struct mover mover = { .buf = &self->there };
	pthread_t thread;

	if (!variant->on_demand)
		ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL |
						 IBV_ACCESS_ON_DEMAND));
	ASSERT_EQ(0, pthread_create(&thread, NULL, mover_run, &mover));
	copy_while_moving(_metadata, self, &mover);
	mover.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, mover.ret);
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/*
 * Writes a page through a pinned MR while pages move, and checks the memory.
 * Return: 0 if the data is there or the MR has ended, else -errno.
 */
static int write_and_check(move_t *self, uint64_t at)
{
	struct ibv_sge sge = vt_sge(&self->here, at, PAGE);
	uint8_t have[PAGE];
	int ret;

	vt_pattern_fill(self->here.mem.addr + at, at, 0, PAGE);
	ret = vt_rdma_write(&self->pair.end[0], &sge, 1,
			    vt_remote(&self->there, at));
	/* A move has ended the MR. */
	if (ret > 0)
		return vt_pair_renew(&self->pair);
	if (!ret)
		ret = vt_mem_read(&self->there.mem, at, have, PAGE);
	if (!ret && memcmp(have, self->here.mem.addr + at, PAGE))
		ret = -EILSEQ;
	return ret;
}

/* A registration during moves uses the location after the move. */
TEST_F_TIMEOUT(move, while_registering, 120)
{
	struct mover mover = { .buf = &self->there };
	pthread_t thread;
	int round;

	ASSERT_EQ(0, pthread_create(&thread, NULL, mover_run, &mover));
	for (round = 0; round < 20 || mover.moves < 12; round++) {
		ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL));
		ASSERT_EQ(0, write_and_check(self, round % (SIZE / PAGE) * PAGE));
		mover.done++;
	}
	mover.stop = true;
	pthread_join(thread, NULL);
	EXPECT_EQ(0, mover.ret);
	ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL));
	expect_data(_metadata, self, 3);
}

/* ---- limits ---- */

/* A driver entry allows its BARs only; system memory needs a file entry. */
TEST_F_TIMEOUT(move, system_memory_needs_file_entry, 60)
{
	ASSERT_EQ(0, maps_forbid("file", MAPS_NODE));
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, reregister(self, VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND));
	expect_data(_metadata, self, 4);
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SYSTEM));
	/* A FLUSH of an on-demand MR succeeds: there are no pages to flush. */
	EXPECT_EQ(1, vt_count_not_revoked(&self->dev, &self->there));
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SCATTERED));
	expect_data(_metadata, self, 6);
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SYSTEM));
	EXPECT_EQ(-EFAULT, reregister(self, VT_ACCESS_ALL));
}

TEST_F_TIMEOUT(move, windows, 60)
{
	ASSERT_EQ(0, ibv_dereg_mr(self->there.mr));
	self->there.mr = NULL;
	/* The range consists of two windows, see find_address(). Each scattered page is a window. */
	ASSERT_EQ(0, vt_write_file(MAX_WINDOWS, "1"));
	EXPECT_EQ(-ENOMEM, reregister(self, VT_ACCESS_ALL));
	ASSERT_EQ(0, vt_write_file(MAX_WINDOWS, "2"));
	EXPECT_EQ(0, reregister(self, VT_ACCESS_ALL));
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SCATTERED));
	EXPECT_EQ(-ENOMEM, reregister(self, VT_ACCESS_ALL));
	/* System memory needs no window. */
	ASSERT_EQ(0, move_to(&self->there, PEER_TEST_SYSTEM));
	ASSERT_EQ(0, vt_write_file(MAX_WINDOWS, "0"));
	EXPECT_EQ(0, reregister(self, VT_ACCESS_ALL));
	expect_data(_metadata, self, 8);
}

TEST_HARNESS_MAIN
