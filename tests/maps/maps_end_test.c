// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What ends MRs of mappings of another driver: removing the entry, unbinding or
 * removing the device, changes of the mapping, and unloading peer_maps.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "device.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/revoked.h"

#define PAGE page_size()
#define SIZE (256 * 1024 + 5 * PAGE)

/* Time limit of each call on a busy emulated machine. */
#define MAX_MS 15000

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
	ASSERT_EQ(0, maps_setup());
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
	EXPECT_EQ(0, maps_setup());
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(end) end_t;

/* Return: the status of a WRITE of 100 bytes. Reconnects the QPs after an error. */
static int write_status_at(end_t *self, uint64_t addr, uint32_t rkey)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 100);
	struct vt_remote to = { addr, rkey };
	int status = vt_rdma_write(&self->pair.end[0], &sge, 1, to);

	if (status > 0)
		vt_pair_renew(&self->pair);
	return status;
}

static int write_status(end_t *self, uint64_t offset)
{
	return write_status_at(self, self->there.iova + offset,
			       self->there.mr->rkey);
}

/*
 * Registers a pinned MR of the same memory and writes to it. Return: 0, an errno,
 * or the status of the WRITE.
 */
static int register_again(end_t *self)
{
	struct ibv_mr *mr = ibv_reg_mr(self->dev.pd, self->there.mem.addr,
				       SIZE, VT_ACCESS_ALL);
	int ret;

	if (!mr)
		return errno;
	ret = write_status_at(self, (uintptr_t)self->there.mem.addr, mr->rkey);
	return ibv_dereg_mr(mr) ?: ret;
}

/* The MR fails although it is not deregistered. */
#define EXPECT_REVOKED() do {							\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, 0));		\
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, SIZE - 100));	\
} while (0)

TEST_F_TIMEOUT(end, forbidden, 60)
{
	const char *file = maps_file(variant->kind);

	ASSERT_EQ(0, maps_forbid("file", file));
	/* A FLUSH of an on-demand MR succeeds: there are no pages to flush. */
	EXPECT_EQ(!!variant->on_demand,
		  vt_count_not_revoked(&self->dev, &self->there));
	EXPECT_EQ(0, vt_keys_not_reused(&self->dev, self->there.mr, 300));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(EFAULT, register_again(self));
	/* The mapping of the process is not affected. */
	EXPECT_EQ(0, vt_buf_check_all(&self->there));

	ASSERT_EQ(0, maps_allow("file", file));
	EXPECT_REVOKED();
	EXPECT_EQ(0, register_again(self));
}

/* The MR ends although another entry matches: one entry allows each region. */
TEST_F_TIMEOUT(end, forbidden_but_driver_allowed, 60)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_forbid("file", maps_file(variant->kind)));
	EXPECT_REVOKED();
	EXPECT_EQ(0, register_again(self));
}

TEST_F_TIMEOUT(end, unrelated_entry_forbidden, 60)
{
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_allow("file", "/dev/zero"));
	ASSERT_EQ(0, maps_forbid("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_forbid("file", "/dev/zero"));
	EXPECT_EQ(0, write_status(self, 0));
	EXPECT_EQ(0, write_status(self, SIZE - 100));
}

TEST_F_TIMEOUT(end, driver_unbound, 60)
{
	int64_t start = vt_now_ms();

	ASSERT_EQ(0, maps_bind(NULL));
	EXPECT_GT(MAX_MS, vt_now_ms() - start);
	EXPECT_REVOKED();
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

TEST_F_TIMEOUT(end, device_removed, 60)
{
	ASSERT_EQ(0, maps_remove());
	EXPECT_REVOKED();
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(EFAULT, register_again(self));
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	EXPECT_REVOKED();
}

/*
 * Mappings through sysfs are not removed with the device. They are stale, and
 * access whatever appears at that address next. Mappings of the driver's device
 * file refer to the memory that the driver has at that time.
 */
TEST_F_TIMEOUT(end, device_replaced, 60)
{
	bool stale = variant->kind == &vt_mem_resource;
	uint64_t bar;

	/* The first rescan moves the BAR away from the firmware's address. */
	ASSERT_EQ(0, maps_remove());
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(0, vt_link_close(&self->link));
	ASSERT_EQ(0, maps_allow("driver", "peer_test_maps"));
	ASSERT_EQ(0, maps_link_open(&self->link, variant->kind, SIZE,
				    VT_ACCESS_ALL | variant->on_demand));
	bar = maps_bar_address();
	ASSERT_EQ(0, maps_remove());
	ASSERT_EQ(0, maps_rescan());
	ASSERT_EQ(bar, maps_bar_address());
	EXPECT_EQ(stale ? IBV_WC_REM_ACCESS_ERR : 0, write_status(self, 0));
	EXPECT_EQ(stale ? EFAULT : 0, register_again(self));
}

TEST_F_TIMEOUT(end, module_unloaded, 60)
{
	int64_t start = vt_now_ms();

	ASSERT_EQ(0, vt_rmmod("peer_maps"));
	EXPECT_GT(MAX_MS, vt_now_ms() - start);
	EXPECT_REVOKED();
	/* Unloading removes all entries. */
	ASSERT_EQ(0, maps_setup());
	EXPECT_EQ(EFAULT, register_again(self));
}

TEST_F_TIMEOUT(end, part_unmapped, 60)
{
	uint8_t *middle = self->there.mem.addr + SIZE / 2 / PAGE * PAGE;

	ASSERT_EQ(0, munmap(middle, PAGE));
	if (!variant->on_demand) {
		EXPECT_REVOKED();
		EXPECT_EQ(0, vt_counters_balanced(variant->kind));
		return;
	}
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  write_status(self, middle - self->there.mem.addr));
	EXPECT_EQ(0, write_status(self, 0));
	EXPECT_EQ(0, write_status(self, SIZE - 100));
}

TEST_F_TIMEOUT(end, write_permission_removed, 60)
{
	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE, PROT_READ));
	EXPECT_EQ(variant->on_demand ? IBV_WC_REM_ACCESS_ERR : 0,
		  write_status(self, 0));
	EXPECT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 5, &self->there,
				     7, 100000));
	EXPECT_EQ(0, vt_buf_check_all(&self->here));
	ASSERT_EQ(0, mprotect(self->there.mem.addr, SIZE,
			      PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, write_status(self, 0));
}

TEST_F_TIMEOUT(end, mremap, 60)
{
	uint8_t *from = self->there.mem.addr;
	uint8_t *target = mmap(NULL, SIZE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, target);
	ASSERT_EQ(target, mremap(from, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
				 target));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, write_status(self, 0));
	self->there.mem.addr = target;
	EXPECT_EQ(0, register_again(self));
	/* Move back: the on-demand MR works again. */
	ASSERT_EQ(from, mremap(target, SIZE, SIZE, MREMAP_MAYMOVE | MREMAP_FIXED,
			       from));
	self->there.mem.addr = from;
	EXPECT_EQ(variant->on_demand ? 0 : IBV_WC_REM_ACCESS_ERR,
		  write_status(self, 0));
}

/* Runs WRITEs until killed. Writes a byte to @started after the first one. */
static void write_until_killed(const struct vt_mem_kind *kind, int access,
			       int started)
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
		if (!i && write(started, "", 1) != 1)
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
		write_until_killed(variant->kind, access, fds[1]);
	ASSERT_EQ(1, read(fds[0], &byte, 1));
	ASSERT_EQ(0, kill(pid, SIGKILL));
	EXPECT_EQ(128 + SIGKILL, vt_wait_child(pid, MAX_MS));
	close(fds[0]);
	close(fds[1]);
	EXPECT_EQ(0, write_status(self, 0));
}

TEST_HARNESS_MAIN
