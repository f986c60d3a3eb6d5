// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Removal of the device while it is in use: unbind and bind with mappings, open
 * files and MRs, and unloading of the module. One test reads the BAR of a PCI device
 * directly through sysfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <infiniband/verbs.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "../applies.h"
#include "lib/driver.h"
#include "vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define LENGTH (3 * MIB)

FIXTURE(device) {
	struct vt_driver driver;	/* PCI, or system memory */
	int fd;
	uint32_t handle;
	char *map;
};

static int load(void)
{
	int status = system("modprobe peer_vram");

	return status ? -ENOENT : 0;
}

static int unload(void)
{
	return syscall(SYS_delete_module, "peer_vram", O_NONBLOCK) ? -errno : 0;
}

FIXTURE_SETUP(device)
{
	ASSERT_EQ(0, load());
	ASSERT_EQ(0, vram_wait_empty(10));
	ASSERT_EQ(0, vt_driver_find(&self->driver, VRAM_NODE));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	self->map = vram_make_filled(self->fd, LENGTH, 0, 1, &self->handle);
	ASSERT_NE(NULL, self->map);
}

/* Restores a bound, empty device even if the test failed. */
FIXTURE_TEARDOWN_PARENT(device)
{
	if (access(VRAM_NODE, F_OK))
		vt_driver_write(&self->driver, "bind");
	EXPECT_EQ(0, load());
	EXPECT_EQ(0, vram_wait_empty(20));
}

/* Checks that mappings raise SIGBUS and that ioctls fail with ENODEV. */
static void expect_removed(struct __test_metadata *_metadata,
			   FIXTURE_DATA(device) *self)
{
	struct peer_vram_query query;
	struct peer_vram_info info;
	uint32_t handle;
	char byte;

	EXPECT_EQ(SIGBUS, touch_read(self->map));
	EXPECT_EQ(SIGBUS, touch_write(self->map + LENGTH - 1));
	EXPECT_EQ(-ENODEV, vram_info(self->fd, &info));
	EXPECT_EQ(-ENODEV, vram_create(self->fd, PAGE, 0, &handle));
	EXPECT_EQ(-ENODEV, vram_query(self->fd, self->handle, &query));
	EXPECT_EQ(-ENODEV, vram_read(self->fd, self->handle, 0, &byte, 1));
	EXPECT_EQ(-ENODEV, vram_destroy(self->fd, self->handle));
	EXPECT_EQ(NULL, vram_map(self->fd, 0, PAGE, PROT_READ));
	EXPECT_EQ(ENODEV, errno);
}

TEST_F_TIMEOUT(device, unbind_while_mapped, 120)
{
	char *map;
	int fd;

	ASSERT_EQ(0, vt_driver_write(&self->driver, "unbind"));
	expect_removed(_metadata, self);
	EXPECT_EQ(-ENOENT, vram_open(O_RDWR));

	ASSERT_EQ(0, vt_driver_write(&self->driver, "bind"));
	fd = vram_open(O_RDWR);
	ASSERT_LE(0, fd);
	map = vram_map(fd, 0, LENGTH, RW);
	ASSERT_NE(NULL, map);
	EXPECT_EQ(-1, zero_check(map, LENGTH));
	pattern_fill(map, LENGTH, 2, 0);
	/* The old file and mapping stay unusable. */
	expect_removed(_metadata, self);
	EXPECT_EQ(-1, pattern_check(map, LENGTH, 2, 0));
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-1, pattern_check(map, LENGTH, 2, 0));
}

/* PEER_VRAM_IOC_BLOCKS reports where in the BAR the data is. */
TEST_F_TIMEOUT(device, blocks_in_bar, 120)
{
	struct peer_vram_block blocks[64];
	char path[PATH_MAX], *bar;
	int fd, n, i;

	if (strstr(self->driver.driver, "peer_vram_ram"))
		DOES_NOT_APPLY(return, "this memory is not in a BAR");
	n = vram_blocks(self->fd, self->handle, blocks, 64);
	ASSERT_LE(48, n);
	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/resource2",
		 self->driver.name);
	/* The resource file cannot be mapped while the driver is bound. */
	ASSERT_EQ(0, vt_driver_write(&self->driver, "unbind"));
	fd = open(path, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	bar = mmap(NULL, 256 * MIB, PROT_READ, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, bar);
	for (i = 0; i < n; i++)
		EXPECT_EQ(-1, pattern_check(bar + blocks[i].bar,
					    blocks[i].length, 1,
					    blocks[i].offset / 8));
	munmap(bar, 256 * MIB);
	close(fd);
}

struct worker {
	FIXTURE_DATA(device) *device;
	int rounds;
	int last_error;
	pthread_t thread;
};

static void *use_device(void *arg)
{
	struct worker *w = arg;
	int fd = w->device->fd, ret = 0;
	uint32_t handle;
	char *buf = malloc(MIB);

	while (!ret) {
		ret = vram_create(fd, 48 * MIB, 0, &handle);
		if (!ret)
			ret = vram_read(fd, handle, 0, buf, MIB);
		if (!ret)
			ret = vram_move(fd, handle, 0);
		if (!ret)
			ret = vram_close(fd, handle);
		if (touch_write(w->device->map) && !ret)
			ret = vram_move(fd, w->device->handle, 1);
		w->rounds++;
	}
	w->last_error = ret;
	free(buf);
	return NULL;
}

TEST_F_TIMEOUT(device, unbind_while_busy, 120)
{
	struct worker worker[8] = {};
	int i;

	for (i = 0; i < 8; i++) {
		worker[i].device = self;
		ASSERT_EQ(0, pthread_create(&worker[i].thread, NULL, use_device,
					    &worker[i]));
	}
	sleep(2);
	ASSERT_EQ(0, vt_driver_write(&self->driver, "unbind"));
	for (i = 0; i < 8; i++) {
		pthread_join(worker[i].thread, NULL);
		EXPECT_EQ(-ENODEV, worker[i].last_error);
	}
	expect_removed(_metadata, self);
}

static struct ibv_mr *reg_mr(void *addr, size_t length)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *context;
	struct ibv_pd *pd;

	if (!list || !list[0])
		return NULL;
	context = ibv_open_device(list[0]);
	pd = context ? ibv_alloc_pd(context) : NULL;
	return pd ? ibv_reg_mr(pd, addr, length, IBV_ACCESS_LOCAL_WRITE) : NULL;
}

TEST_F_TIMEOUT(device, unbind_while_registered, 120)
{
	struct ibv_mr *mr = reg_mr(self->map, LENGTH);

	if (!mr)
		SKIP(return, "no RDMA device");
	ASSERT_EQ(0, vt_driver_write(&self->driver, "unbind"));
	expect_removed(_metadata, self);
	ASSERT_EQ(0, vt_driver_write(&self->driver, "bind"));
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F_TIMEOUT(device, unload, 120)
{
	char *second = vram_map(self->fd, self->handle, LENGTH, PROT_READ);

	ASSERT_NE(NULL, second);
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, close(self->fd));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, munmap(second, LENGTH));
	EXPECT_EQ(0, unload());
	EXPECT_EQ(-ENOENT, vram_open(O_RDWR));
}

/* A dma-buf holds a reference to the module; an unbound device does not. */
TEST_F_TIMEOUT(device, unload_after_unbind, 120)
{
	int dmabuf = vram_share(self->fd, self->handle);

	ASSERT_LE(0, dmabuf);
	ASSERT_EQ(0, vt_driver_write(&self->driver, "unbind"));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	EXPECT_EQ(-EWOULDBLOCK, unload());
	ASSERT_EQ(0, close(dmabuf));
	EXPECT_EQ(0, unload());
}

TEST_F_TIMEOUT(device, unload_while_registered, 120)
{
	struct ibv_mr *mr = reg_mr(self->map, LENGTH);

	if (!mr)
		SKIP(return, "no RDMA device");
	EXPECT_EQ(-EWOULDBLOCK, unload());
	/* An MR without a mapping does not prevent unloading. */
	ASSERT_EQ(0, close(self->fd));
	ASSERT_EQ(0, munmap(self->map, LENGTH));
	EXPECT_EQ(0, unload());
	EXPECT_EQ(0, load());
	EXPECT_EQ(0, vram_wait_empty(10));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_HARNESS_MAIN
