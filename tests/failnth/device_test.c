// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter's device, and a client, that go while allocations fail and there
 * are regions: want of memory keeps neither from going. (A device that comes is
 * no test of ours: drm_dev_init() oopses if its node has no memory.)
 */
#include <kselftest_harness.h>

#include <limits.h>

#include "../vram/vram.h"
#include "lib/proc.h"
#include "client.h"
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

/* The region ended with its owner, whose file is gone. */
static int settle_gone(struct world *w, const char *owner, int ret)
{
	if (ret)
		return ret;
	if (!access(owner, F_OK))
		return -EEXIST;
	ret = world_refused(w, 0, false);
	return ret ? ret : world_unmake(w);
}

static int settle_unbind(void *world, int ret)
{
	device_t *self = world;

	ret = settle_gone(&self->w, VRAM_NODE, ret);
	return ret ? ret : bind_device(world);
}

TEST_F_TIMEOUT(device, goes, 300)
{
	struct sweep sweep = {
		.name = "device.goes", .arrange = arrange_used,
		.call = unbind_device, .settle = settle_unbind,
		.whom = INJECT_SELF_IN_VRAM,
	};

	EXPECT_EQ(0, sweep_run(&sweep, self));
}

/* ---- clients ---- */

FIXTURE(client)
{
	struct world w;
};

FIXTURE_VARIANT(client)
{
	int access;
};

FIXTURE_VARIANT_ADD(client, pinned) { .access = VT_ACCESS_ALL };
FIXTURE_VARIANT_ADD(client, on_demand) { .access = ON_DEMAND };

FIXTURE_SETUP(client)
{
	self->w.kind = &vt_mem_peerdirect;
	self->w.access = variant->access;
	ASSERT_EQ(0, world_open(&self->w));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, world_close(&self->w));
}

static int call_unload(void *world)
{
	(void)world;
	return client_unload();
}

static int arrange_region(void *world)
{
	int ret = access(CLIENT, F_OK) ? client_load() : 0;

	if (!ret)
		ret = world_make(world);
	return ret ? ret : world_use(world);
}

static int settle_unload(void *world, int ret)
{
	ret = settle_gone(world, CLIENT, ret);
	return ret ? ret : client_load();
}

SWEEP(client, goes, .arrange = arrange_region, .call = call_unload,
      .settle = settle_unload, .whom = INJECT_SELF_IN_CORE)

TEST_HARNESS_MAIN
