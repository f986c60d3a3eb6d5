// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter's device, and a client, that go while allocations fail and there
 * are regions: want of memory keeps neither from going. (A device that comes is
 * no test of ours: drm_dev_init() oopses if its node has no memory.)
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <limits.h>
#include <sys/syscall.h>

#include "../vram/vram.h"
#include "lib/proc.h"
#include "sweep.h"
#include "world.h"

#define DRIVER "/sys/bus/pci/drivers/peer_vram"

/* ---- the device ---- */

FIXTURE(device)
{
	struct world w;
	char id[64];
};

FIXTURE_SETUP(device)
{
	char path[PATH_MAX] = "";

	ASSERT_LT(0, readlink("/sys/class/misc/peer_vram0/device", path,
			      sizeof(path) - 1));
	snprintf(self->id, sizeof(self->id), "%s", strrchr(path, '/') + 1);
	self->w.kind = &vt_mem_vram;
	self->w.access = VT_ACCESS_ALL;
	ASSERT_EQ(0, world_open(&self->w));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, world_close(&self->w));
}

typedef FIXTURE_DATA(device) device_t;

static int unbind_device(void *world)
{
	return vt_write_file(DRIVER "/unbind", ((device_t *)world)->id);
}

static int bind_device(void *world)
{
	return vt_write_file(DRIVER "/bind", ((device_t *)world)->id);
}

static int arrange_used(void *world)
{
	device_t *self = world;
	int ret = world_make(&self->w);

	return ret ? ret : world_use(&self->w);
}

/* The region ended with the device. */
static int settle_unbind(void *world, int ret)
{
	device_t *self = world;

	if (ret)
		return ret;
	if (!access(VRAM_NODE, F_OK))
		return -EEXIST;
	ret = world_refused(&self->w, 0, false);
	if (!ret)
		ret = world_unmake(&self->w);
	return ret ? ret : bind_device(world);
}

TEST_F_TIMEOUT(device, goes, 300)
{
	struct sweep sweep = {
		.name = "device_goes", .arrange = arrange_used,
		.call = unbind_device, .settle = settle_unbind,
		.whom = INJECT_SELF_IN_VRAM,
	};

	EXPECT_EQ(0, sweep_run(&sweep, self));
}

/* ---- clients ---- */

#define MODULE "peerdirect_test"
#define CLIENT "/sys/kernel/mm/memory_peers/" MODULE

FIXTURE(client)
{
	struct world w;
	char module[PATH_MAX + 64];
};

FIXTURE_VARIANT(client)
{
	int access;
};

FIXTURE_VARIANT_ADD(client, pinned) { .access = VT_ACCESS_ALL };
FIXTURE_VARIANT_ADD(client, on_demand) { .access = ON_DEMAND };

FIXTURE_SETUP(client)
{
	ASSERT_LT(0, readlink("/proc/self/exe", self->module, PATH_MAX));
	strcpy(strrchr(self->module, '/'), "/../kmod/" MODULE ".ko");
	self->w.kind = &vt_mem_peerdirect;
	self->w.access = variant->access;
	ASSERT_EQ(0, world_open(&self->w));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, world_close(&self->w));
}

typedef FIXTURE_DATA(client) client_t;

static int load(const char *module)
{
	int fd = open(module, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, "flavour=1", 0) ? -errno : 0;
	close(fd);
	return ret;
}

static int call_unload(void *world)
{
	(void)world;
	return syscall(SYS_delete_module, MODULE, O_NONBLOCK) ? -errno : 0;
}

static int arrange_region(void *world)
{
	client_t *self = world;
	int ret = 0;

	if (access(CLIENT, F_OK))
		ret = load(self->module);
	if (!ret)
		ret = world_make(&self->w);
	return ret ? ret : world_use(&self->w);
}

static int settle_unload(void *world, int ret)
{
	client_t *self = world;

	if (ret)
		return ret;
	if (!access(CLIENT, F_OK))
		return -EEXIST;
	ret = world_refused(&self->w, 0, false);
	if (!ret)
		ret = world_unmake(&self->w);
	return ret ? ret : load(self->module);
}

TEST_F_TIMEOUT(client, goes, 300)
{
	struct sweep sweep = {
		.name = "client_goes", .arrange = arrange_region,
		.call = call_unload, .settle = settle_unload,
		.whom = INJECT_SELF_IN_CORE,
	};

	EXPECT_EQ(0, sweep_run(&sweep, self));
}

TEST_HARNESS_MAIN
