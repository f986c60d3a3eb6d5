// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Removal of the controller while it is in use, and its return: unbind, reset,
 * removal from the bus and hot unplug, with MRs, RDMA traffic and disk transfers.
 * Removal does not wait for users. Old files, mappings and MRs fail from then
 * on. The controller that returns is empty and works.
 */
#include <kselftest_harness.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "../importers/engine.h"
#include "../vram/vram.h"
#include "cmb.h"
#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/plug.h"
#include "lib/proc.h"
#include "lib/verbs.h"
#include "users.h"

#define LENGTH (4 * MIB)

/* Time limit of each step on a busy emulated machine. */
#define MAX_MS 30000

/* ---- removing and restoring ------------------------------------------- */

static int unbind_driver(void)
{
	return cmb_bind(CMB_LARGE, NULL);
}

static int bind_driver(void)
{
	return cmb_bind(CMB_LARGE, "peer_cmb");
}

/* This calls reset_prepare() and reset_done() of the driver. */
static int reset_device(void)
{
	return cmb_sysfs_write(CMB_LARGE, "reset", "1");
}

static int no_op(void)
{
	return 0;
}

static int remove_device(void)
{
	return cmb_sysfs_write(CMB_LARGE, "remove", "1");
}

static int rescan(void)
{
	int ret = vt_write_file("/sys/bus/pci/rescan", "1");

	return ret ? ret : bind_driver();
}

/* Presses the attention button. The kernel removes the device after 5 s. */
static int hot_unplug(void)
{
	return vt_unplug("nvme", MAX_MS);
}

static int hot_plug(void)
{
	int ret = vt_plug("\"driver\": \"nvme\", \"id\": \"nvme\", "
			  "\"bus\": \"bay\", \"serial\": \"peermem\", "
			  "\"drive\": \"disk\", \"cmb_size_mb\": 64");
	int64_t until = vt_now_ms() + MAX_MS;

	if (ret)
		return ret;
	do {
		usleep(100000);
		ret = bind_driver();
	} while (ret && vt_now_ms() < until);
	return ret;
}

/* ---- users ------------------------------------------------------------ */

struct device {
	int fd;
	uint8_t *map;
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf host;
	struct ibv_mr *mr;
	struct ibv_mr *on_demand;
};

FIXTURE(device)
{
	struct device d;
};

FIXTURE_VARIANT(device)
{
	int (*remove)(void);
	int (*restore)(void);
};

FIXTURE_VARIANT_ADD(device, unbind)
{
	.remove = unbind_driver, .restore = bind_driver,
};
FIXTURE_VARIANT_ADD(device, reset)
{
	.remove = reset_device, .restore = no_op,
};
FIXTURE_VARIANT_ADD(device, remove)
{
	.remove = remove_device, .restore = rescan,
};
FIXTURE_VARIANT_ADD(device, hot_unplug)
{
	.remove = hot_unplug, .restore = hot_plug,
};

static int use_rdma(void *what)
{
	struct device *d = what;
	struct ibv_sge sge = vt_sge(&d->host, 0, MIB);
	struct vt_remote to = { (uintptr_t)d->map, d->mr->rkey };

	return vt_rdma_write(&d->pair.end[0], &sge, 1, to);
}

static int use_disk(void *what)
{
	struct device *d = what;

	return cmb_write_disk(d->fd, d->map + 2 * MIB, 2 * MIB, 0);
}

static int use_mapping(void *what)
{
	struct device *d = what;

	return touch_write(d->map + MIB);
}

static struct ibv_mr *reg_mr(struct device *d, int access_flags)
{
	return ibv_reg_mr(d->dev.pd, d->map, LENGTH,
			  IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ |
			  IBV_ACCESS_REMOTE_WRITE | access_flags);
}

FIXTURE_SETUP(device)
{
	struct device *d = &self->d;

	/* pciehp of that kernel takes its locks in two orders; lockdep warns. */
	if (variant->remove == hot_unplug && vt_slow_kernel())
		SKIP(return, "lockdep warning in the kernel's pciehp");
	ASSERT_EQ(0, cmb_load());
	ASSERT_EQ(0, bind_driver());
	d->fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, d->fd);
	d->map = cmb_map(d->fd, LENGTH);
	ASSERT_NE(NULL, d->map);
	ASSERT_EQ(0, vt_dev_open(&d->dev));
	ASSERT_EQ(0, vt_pair_open(&d->pair, &d->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&d->host, &d->dev, &vt_mem_host, MIB, NULL));
	d->mr = reg_mr(d, 0);
	ASSERT_NE(NULL, d->mr);
	d->on_demand = reg_mr(d, IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, d->on_demand);
}

FIXTURE_TEARDOWN(device)
{
	struct device *d = &self->d;

	EXPECT_EQ(0, ibv_dereg_mr(d->mr));
	EXPECT_EQ(0, ibv_dereg_mr(d->on_demand));
	EXPECT_EQ(0, vt_buf_close(&d->host));
	vt_pair_close(&d->pair);
	vt_dev_close(&d->dev);
	munmap(d->map, LENGTH);
	close(d->fd);
}

/* ---- tests ------------------------------------------------------------ */

/* Checks that all accesses to the removed controller fail. */
static void expect_removed(struct __test_metadata *_metadata, struct device *d)
{
	struct vt_remote pinned = { (uintptr_t)d->map, d->mr->rkey };
	struct vt_remote on_demand = { (uintptr_t)d->map, d->on_demand->rkey };
	struct ibv_sge sge = vt_sge(&d->host, 0, PAGE);
	struct peer_cmb_disk disk;
	struct peer_bar_info info;

	EXPECT_EQ(SIGBUS, touch_read(d->map));
	EXPECT_EQ(SIGBUS, touch_write(d->map + LENGTH - 1));
	EXPECT_EQ(-ENODEV, cmb_info(d->fd, &info));
	EXPECT_EQ(-ENODEV, cmb_disk(d->fd, &disk));
	EXPECT_EQ(-ENODEV, cmb_write_disk(d->fd, d->map, PAGE, 0));
	EXPECT_EQ(NULL, cmb_map(d->fd, PAGE));
	EXPECT_EQ(ENODEV, errno);
	EXPECT_EQ(NULL, reg_mr(d, 0));
	EXPECT_EQ(0, vt_pair_renew(&d->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&d->pair.end[0], &sge, 1, pinned));
	EXPECT_EQ(0, vt_pair_renew(&d->pair));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_read(&d->pair.end[0], &sge, 1, on_demand));
}

/* Checks that the restored controller works, is zeroed, and has no allocations. */
static void expect_new(struct __test_metadata *_metadata)
{
	struct peer_bar_info info;
	uint8_t *map;
	int fd;

	fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, cmb_info(fd, &info));
	EXPECT_EQ(info.total, info.available);
	map = cmb_map(fd, info.total);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(-1, zero_check(map, info.total));
	vt_pattern_fill(map, 3, 0, MIB);
	ASSERT_EQ(0, cmb_write_disk(fd, map, MIB, 8 * MIB));
	ASSERT_EQ(0, cmb_read_disk(fd, map + MIB, MIB, 8 * MIB));
	EXPECT_EQ(0, memcmp(map, map + MIB, MIB));
	munmap(map, info.total);
	close(fd);
}

TEST_F_TIMEOUT(device, removed_while_in_use, 120)
{
	struct device *d = &self->d;
	struct user users[] = {
		{ .use = use_rdma, .what = d },
		{ .use = use_disk, .what = d },
		{ .use = use_mapping, .what = d },
	};
	int64_t start;

	ASSERT_EQ(0, users_start(users, 3, MAX_MS));
	start = vt_now_ms();
	ASSERT_EQ(0, variant->remove());
	EXPECT_GT(MAX_MS, vt_now_ms() - start);
	ASSERT_EQ(0, users_join(users, 3));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, users[0].last);
	EXPECT_EQ(-ENODEV, users[1].last);
	EXPECT_EQ(SIGBUS, users[2].last);
	expect_removed(_metadata, d);
	ASSERT_EQ(0, variant->restore());
	expect_new(_metadata);
	/* The old file, mapping and MRs still fail. */
	expect_removed(_metadata, d);
}

/* DMA importers, dynamic and revocable ones, lose access, too. */
TEST_F_TIMEOUT(device, removed_during_dma, 120)
{
	static const enum edu_rdma_device devices[] = {
		EDU_RDMA_DYNAMIC, EDU_RDMA_REVOCABLE
	};
	struct en_buf b[2], *buf;
	char byte;

	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_cmb));
	for (buf = b; buf < b + 2; buf++) {
		ASSERT_EQ(0, en_buf_open(buf, devices[buf - b], IM_WRITE,
					 &vt_mem_cmb, 2 * PAGE));
		EXPECT_EQ(0, en_buf_write(buf, PAGE - 50, 100, 2));
	}
	ASSERT_EQ(0, variant->remove());
	for (buf = b; buf < b + 2; buf++)
		EXPECT_NE(0, en_access(buf->engine, buf->device, buf->mr.rkey,
				       buf->buf.iova, &byte, 1, 0));
	ASSERT_EQ(0, variant->restore());
	expect_new(_metadata);
	for (buf = b; buf < b + 2; buf++) {
		EXPECT_NE(0, en_access(buf->engine, buf->device, buf->mr.rkey,
				       buf->buf.iova, &byte, 1, 0));
		EXPECT_EQ(0, en_buf_close(buf));
		ASSERT_EQ(0, en_buf_open(buf, devices[buf - b], IM_WRITE,
					 &vt_mem_cmb, 2 * PAGE));
		EXPECT_EQ(0, en_buf_write(buf, PAGE - 50, 100, 3));
		EXPECT_EQ(0, vt_buf_check_all(&buf->buf));
		EXPECT_EQ(0, en_buf_close(buf));
	}
}

static int unload_module(void)
{
	return syscall(SYS_delete_module, "peer_cmb", O_NONBLOCK) ? -errno : 0;
}

/* Open files and mappings hold references to the module. */
TEST(unload)
{
	void *map;
	int fd;

	ASSERT_EQ(0, cmb_load());
	ASSERT_EQ(0, bind_driver());
	fd = cmb_open(CMB_LARGE, O_RDWR);
	ASSERT_LE(0, fd);
	map = cmb_map(fd, MIB);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(-EWOULDBLOCK, unload_module());
	ASSERT_EQ(0, close(fd));
	EXPECT_EQ(-EWOULDBLOCK, unload_module());
	ASSERT_EQ(0, munmap(map, MIB));
	EXPECT_EQ(0, unload_module());
	EXPECT_EQ(true, cmb_is_bound(CMB_LARGE, NULL));
	EXPECT_EQ(0, cmb_load());
}

TEST_HARNESS_MAIN
