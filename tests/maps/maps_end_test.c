// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The end of MRs over mappings that another driver made: by the administrator, by
 * the device, by the process, by the module's unloading.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>

#include "device.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define PAGE 4096UL
#define SIZE (256 * 1024 + 5 * PAGE)

/* What no call may take, on a busy emulated machine. */
#define BOUND_MS 15000

FIXTURE(end)
{
	VT_LINK;
};

VT_VARIANTS(end);
VT_PINNED(end, resource);
VT_ON_DEMAND(end, resource);
VT_ON_DEMAND(end, driver);

FIXTURE_SETUP(end)
{
	ASSERT_EQ(0, maps_begin());
	ASSERT_EQ(0, maps_allow("file", maps_file(variant->kind)));
	ASSERT_EQ(0, maps_link_open(&self->link, variant->kind, SIZE,
				    VT_ACCESS_ALL | variant->on_demand));
	ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, 0, &self->here,
				      0, SIZE));
	ASSERT_EQ(0, vt_buf_check_all(&self->there));
}

FIXTURE_TEARDOWN(end)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, maps_begin());
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(end) end_t;

/* Return: the status of a WRITE of 100 bytes; a failed QP is made anew. */
static int put_at(end_t *self, uint64_t addr, uint32_t rkey)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 100);
	struct vt_remote to = { addr, rkey };
	int status = vt_rdma_write(&self->pair.end[0], &sge, 1, to);

	if (status > 0)
		vt_pair_renew(&self->pair);
	return status;
}

static int put(end_t *self, uint64_t offset)
{
	return put_at(self, self->there.iova + offset, self->there.mr->rkey);
}

/* Return: the errno of a pinned registration of the same memory, or 0. */
static int register_again(end_t *self)
{
	struct ibv_mr *mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr,
				       SIZE, VT_ACCESS_ALL);
	int ret;

	if (!mr)
		return errno;
	ret = put_at(self, (uintptr_t)self->there.mem.addr, mr->rkey);
	return ibv_dereg_mr(mr) ?: ret;
}

/* Nobody waits for its user, who has it still. */
#define EXPECT_OVER() do {						\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0));			\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, SIZE - 100));	\
} while (0)

TEST_F_TIMEOUT(end, forbidden, 60)
{
	const char *file = maps_file(variant->kind);

	ASSERT_EQ(0, maps_forbid("file", file));
	/* On demand a FLUSH finds no page, and so nothing to do. */
	EXPECT_EQ(!!variant->on_demand,
		  vt_count_not_revoked(&self->dev, &self->there));
	EXPECT_EQ(0, vt_keys_stay_taken(&self->dev, self->there.mr, 300));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(EFAULT, register_again(self));
	/* The process has its mapping as it had it. */
	EXPECT_EQ(0, vt_buf_check_all(&self->there));

	ASSERT_EQ(0, maps_allow("file", file));
	EXPECT_OVER();
	EXPECT_EQ(0, register_again(self));
}

/* Another entry is no help: a region is by one. */
TEST_F_TIMEOUT(end, forbidden_and_allowed_otherwise, 60)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_forbid("file", maps_file(variant->kind)));
	EXPECT_OVER();
	EXPECT_EQ(0, register_again(self));
}

TEST_F_TIMEOUT(end, another_is_forbidden, 60)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_allow("file", "/dev/zero"));
	ASSERT_EQ(0, maps_forbid("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_forbid("file", "/dev/zero"));
	EXPECT_EQ(0, put(self, 0));
	EXPECT_EQ(0, put(self, SIZE - 100));
}

TEST_F_TIMEOUT(end, driver_unbound, 60)
{
	int64_t start = vt_now_ms();

	ASSERT_EQ(0, maps_bind(NULL));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	EXPECT_OVER();
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

TEST_F_TIMEOUT(end, device_removed, 60)
{
	ASSERT_EQ(0, maps_remove());
	EXPECT_OVER();
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(EFAULT, register_again(self));
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	EXPECT_OVER();
}

/*
 * Mappings by sysfs stay as they are in the process, and so reach what comes to
 * be there next. Of its driver's node it has what the driver has.
 */
TEST_F_TIMEOUT(end, device_replaced, 60)
{
	bool stale = variant->kind == &vt_mem_resource;
	uint64_t place;

	/* Where the firmware had put it it does not come again. */
	ASSERT_EQ(0, maps_remove());
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(0, vt_link_close(&self->link));
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_link_open(&self->link, variant->kind, SIZE,
				    VT_ACCESS_ALL | variant->on_demand));
	place = maps_place();
	ASSERT_EQ(0, maps_remove());
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(place, maps_place());
	EXPECT_EQ(stale ? IBV_WC_REM_ACCESS_ERR : 0, put(self, 0));
	EXPECT_EQ(stale ? EFAULT : 0, register_again(self));
}

TEST_F_TIMEOUT(end, module_unloaded, 60)
{
	int64_t start = vt_now_ms();

	ASSERT_EQ(0, vt_rmmod("peer_maps"));
	EXPECT_GT(BOUND_MS, vt_now_ms() - start);
	EXPECT_OVER();
	/* What was allowed is not any more. */
	ASSERT_EQ(0, maps_begin());
	EXPECT_EQ(EFAULT, register_again(self));
}

TEST_F_TIMEOUT(end, part_unmapped, 60)
{
	uint8_t *middle = self->there.mem.addr + SIZE / 2 / PAGE * PAGE;

	ASSERT_EQ(0, munmap(middle, PAGE));
	if (!variant->on_demand) {
		EXPECT_OVER();
		EXPECT_EQ(0, vt_counters_balanced(variant->kind));
		return;
	}
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, middle - self->there.mem.addr));
	EXPECT_EQ(0, put(self, 0));
	EXPECT_EQ(0, put(self, SIZE - 100));
}

TEST_F_TIMEOUT(end, rights_taken, 60)
{
	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE, PROT_READ));
	EXPECT_EQ(variant->on_demand ? IBV_WC_REM_ACCESS_ERR : 0, put(self, 0));
	EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 5, &self->there,
				     7, 100000));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, put(self, 0));
}

TEST_F_TIMEOUT(end, moved_in_the_process, 60)
{
	uint8_t *from = self->there.mem.addr;
	uint8_t *room = mmap(NULL, SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, room);
	ASSERT_EQ(room, mremap(from, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			       room));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0));
	self->there.mem.addr = room;
	EXPECT_EQ(0, register_again(self));
	/* And back: on demand it is there again. */
	ASSERT_EQ(from, mremap(room, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			       from));
	self->there.mem.addr = from;
	EXPECT_EQ(variant->on_demand ? 0 : IBV_WC_REM_ACCESS_ERR, put(self, 0));
}

/* WRITEs into the memory until killed. */
static void transfer_for_ever(const struct vt_mem_kind *kind, int access,
			      int tell)
{
	struct vt_link link;
	struct ibv_sge sge;
	int i;

	if (maps_link_open(&link, kind, SIZE, access))
		_exit(1);
	sge = vt_sge(&link.here, 0, SIZE);
	for (i = 0; ; i++) {
		if (vt_rdma_write(&link.pair.end[0], &sge, 1,
				  vt_remote(&link.there, 0)))
			_exit(2);
		if (!i && write(tell, "", 1) != 1)
			_exit(3);
	}
}

TEST_F_TIMEOUT(end, killed_under_traffic, 60)
{
	int access = VT_ACCESS_ALL | variant->on_demand;
	int fds[2];
	pid_t pid;
	char byte;

	ASSERT_EQ(0, pipe(fds));
	pid = fork();
	if (!pid)
		transfer_for_ever(variant->kind, access, fds[1]);
	ASSERT_EQ(1, read(fds[0], &byte, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, BOUND_MS));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(0, put(self, 0));
}

TEST_HARNESS_MAIN
