// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Unbinds the device of an exporter and unloads a PeerDirect client while
 * allocations fail and regions exist. Both must succeed without memory.
 * (Binding is not tested: drm_dev_init() oopses if it cannot allocate its
 * minor.)
 */
#include <kselftest_harness.h>

#include <limits.h>

#include "../vram/vram.h"
#include "lib/proc.h"
#include "client.h"
#include "sweep.h"
#include "env.h"

#define DRIVER "/sys/bus/pci/drivers/peer_vram"

/* ---- the device ---- */

FIXTURE(device)
{
	struct env w;
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
	ASSERT_EQ(0, env_open(&self->w));
}

FIXTURE_TEARDOWN(device)
{
	EXPECT_EQ(0, env_close(&self->w));
}

typedef FIXTURE_DATA(device) device_t;

static int unbind_device(void *env)
{
	return vt_write_file(DRIVER "/unbind", ((device_t *)env)->id);
}

static int bind_device(void *env)
{
	return vt_write_file(DRIVER "/bind", ((device_t *)env)->id);
}

static int prepare_used(void *env)
{
	device_t *self = env;
	int ret = env_create(&self->w);

	return ret ? ret : env_check_access(&self->w);
}

/*
 * The region was revoked with its exporter, whose device file no longer exists.
 */
static int verify_revoked(struct env *w, const char *owner, int ret)
{
	if (ret)
		return ret;
	if (!access(owner, F_OK))
		return -EEXIST;
	ret = env_check_denied(w, 0, false);
	return ret ? ret : env_destroy(w);
}

static int verify_unbind(void *env, int ret)
{
	device_t *self = env;

	ret = verify_revoked(&self->w, VRAM_NODE, ret);
	return ret ? ret : bind_device(env);
}

TEST_F_TIMEOUT(device, unbind, 300)
{
	struct sweep sweep = {
		.name = "device.unbind", .prepare = prepare_used,
		.call = unbind_device, .verify = verify_unbind,
		.target = INJECT_SELF_IN_VRAM,
	};

	EXPECT_EQ(0, sweep_run(&sweep, self));
}

/* ---- PeerDirect clients ---- */

FIXTURE(client)
{
	struct env w;
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
	ASSERT_EQ(0, env_open(&self->w));
}

FIXTURE_TEARDOWN(client)
{
	EXPECT_EQ(0, env_close(&self->w));
}

static int call_unload(void *env)
{
	(void)env;
	return unload_client();
}

static int prepare_region(void *env)
{
	int ret = access(CLIENT, F_OK) ? load_client() : 0;

	if (!ret)
		ret = env_create(env);
	return ret ? ret : env_check_access(env);
}

static int verify_unload(void *env, int ret)
{
	ret = verify_revoked(env, CLIENT, ret);
	return ret ? ret : load_client();
}

SWEEP(client, unload, .prepare = prepare_region, .call = call_unload,
      .verify = verify_unload, .target = INJECT_SELF_IN_CORE)

TEST_HARNESS_MAIN
