// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The device file of a controller memory buffer while allocations fail: ioctls,
 * and data that the controller transfers.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "../cmb/cmb.h"
#include "lib/pattern.h"
#include "sweep.h"
#include "env.h"

#define LENGTH 4096

/**
 * struct cmb_env - state of a sweep
 * @w:     memory, with an MR of it if the sweep needs one
 * @disk:  the controller's disk, through the kernel's driver
 * @bytes: expected content of the memory
 */
struct cmb_env {
	struct env w;
	int disk;
	uint8_t bytes[LENGTH];
};

FIXTURE(memory)
{
	struct cmb_env w;
};

FIXTURE_SETUP(memory)
{
	self->w.w.kind = &vt_mem_cmb;
	self->w.w.access = VT_ACCESS_ALL;
	ASSERT_EQ(0, env_open(&self->w.w));
	self->w.disk = cmb_open_disk(CMB_LARGE, O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->w.disk);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->w.disk);
	EXPECT_EQ(0, env_close(&self->w.w));
}

static int put(struct cmb_env *p)
{
	return vt_mem_write(&p->w.mem, 0, p->bytes, LENGTH);
}

static int check(struct cmb_env *p)
{
	uint8_t have[LENGTH];
	int ret = vt_mem_read(&p->w.mem, 0, have, LENGTH);

	if (ret)
		return ret;
	return memcmp(have, p->bytes, LENGTH) ? -EILSEQ : 0;
}

/* ---- ioctls of the device file ---- */

static int call_alloc(void *env)
{
	struct cmb_env *p = env;

	return vt_mem_alloc(&p->w.mem, p->w.kind, p->w.length, 0);
}

/* The memory is cleared, whatever the previous owner has stored there. */
static int verify_alloc(void *env, int ret)
{
	struct cmb_env *p = env;

	if (ret)
		return 0;
	memset(p->bytes, 0, LENGTH);
	ret = check(p);
	memset(p->bytes, 0xa5, LENGTH);
	if (!ret)
		ret = put(p);
	env_free(&p->w);
	return ret;
}

SWEEP(memory, alloc, .call = call_alloc, .verify = verify_alloc,
      .min_failures = 3)

static int prepare_region(void *env)
{
	int ret = env_create(env);

	return ret ? ret : env_check_access(env);
}

static int call_info(void *env)
{
	struct cmb_env *p = env;
	struct peer_bar_info info;
	int ret = cmb_info(p->w.mem.fd, &info);

	return !ret && info.allocations != 1 ? -EPROTO : ret;
}

static int verify_used(void *env, int ret)
{
	ret = env_check_access(env);
	return ret ? ret : env_destroy(env);
}

SWEEP(memory, info, .prepare = prepare_region, .call = call_info,
      .verify = verify_used)

static int call_revoke(void *env)
{
	return vt_mem_revoke(&((struct cmb_env *)env)->w.mem);
}

static int verify_revoke(void *env, int ret)
{
	ret = ret ? env_check_access(env) : env_check_denied(env, 0, true);
	return ret ? ret : env_destroy(env);
}

SWEEP(memory, revoke, .prepare = prepare_region, .call = call_revoke,
      .verify = verify_revoke)

static int call_destroy(void *env)
{
	return vt_mem_destroy(&((struct cmb_env *)env)->w.mem);
}

SWEEP(memory, destroy, .prepare = prepare_region, .call = call_destroy,
      .verify = verify_revoke)

/* ---- the disk of the controller ---- */

static int prepare_filled(void *env)
{
	struct cmb_env *p = env;
	int ret = call_alloc(p);

	vt_pattern_fill(p->bytes, ++p->w.seed, 0, LENGTH);
	return ret ? ret : put(p);
}

static int call_write_disk(void *env)
{
	struct cmb_env *p = env;

	return cmb_write_to(p->w.mem.fd, p->disk, p->w.mem.addr, LENGTH, 0);
}

static int call_read_disk(void *env)
{
	struct cmb_env *p = env;

	return cmb_read_from(p->w.mem.fd, p->disk, p->w.mem.addr, LENGTH, 0);
}

static int clear(struct cmb_env *p)
{
	static const uint8_t zeroes[LENGTH];

	return vt_mem_write(&p->w.mem, 0, zeroes, LENGTH);
}

/* If the call succeeded, the data is on the disk. */
static int verify_write_disk(void *env, int ret)
{
	struct cmb_env *p = env;

	if (ret)
		ret = 0;
	else
		ret = clear(p) ?: call_read_disk(p) ?: check(p);
	env_free(&p->w);
	return ret;
}

static int prepare_written(void *env)
{
	return prepare_filled(env) ?: call_write_disk(env) ?: clear(env);
}

static int verify_read_disk(void *env, int ret)
{
	struct cmb_env *p = env;

	ret = ret ? 0 : check(p);
	env_free(&p->w);
	return ret;
}

/* On Linux 7.x no allocation fails here: the block layer has a cache of bios. */
SWEEP(memory, write_disk, .prepare = prepare_filled, .call = call_write_disk,
      .verify = verify_write_disk)
SWEEP(memory, read_disk, .prepare = prepare_written, .call = call_read_disk,
      .verify = verify_read_disk)

TEST_HARNESS_MAIN
