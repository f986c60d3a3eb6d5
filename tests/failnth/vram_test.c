// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Ioctls of the peer_vram device while allocations fail. */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "vram_env.h"
#include "sweep.h"

/* The filler BO leaves no room for another BO of LENGTH. */
#define FILLER_ROOM LENGTH

FIXTURE(calls)
{
	struct vram_env w;
};

FIXTURE_SETUP(calls)
{
	ASSERT_EQ(0, vram_env_open(&self->w));
}

FIXTURE_TEARDOWN(calls)
{
	EXPECT_EQ(0, vram_env_close(&self->w));
}

/* ---- open, close ---- */

static int call_open(void *env)
{
	struct vram_env *n = env;

	n->other = vram_open(O_RDWR);
	return n->other < 0 ? n->other : 0;
}

static int verify_open(void *env, int ret)
{
	struct vram_env *n = env;

	if (ret)
		return 0;
	ret = vram_create(n->other, LENGTH, 0, &n->created);
	if (!ret)
		ret = check_zero(n->other, n->created);
	close(n->other);
	return ret;
}

SWEEP(calls, open, .call = call_open, .verify = verify_open, .min_failures = 2)

static int prepare_close(void *env)
{
	struct vram_env *n = env;
	int ret = call_open(n);

	return ret ? ret : vram_create(n->other, LENGTH, 0, &n->created);
}

static int call_close(void *env)
{
	struct vram_env *n = env;

	return close(n->other) ? -errno : 0;
}

SWEEP(calls, close, .prepare = prepare_close, .call = call_close,
      .verify = verify_unchanged)

/* ---- buffer objects ---- */

static int call_create(void *env)
{
	struct vram_env *n = env;

	return vram_create(n->fd, LENGTH, n->flags, &n->created);
}

static int verify_create(void *env, int ret)
{
	struct vram_env *n = env;
	bool system = n->flags & PEER_VRAM_CREATE_SYSTEM;

	if (ret)
		return 0;
	ret = check_domain(n, n->created, system ? PEER_VRAM_DOMAIN_SYSTEM :
						PEER_VRAM_DOMAIN_VRAM);
	if (!ret)
		ret = check_zero(n->fd, n->created);
	return ret ? ret : vram_close(n->fd, n->created);
}

SWEEP(calls, create, .call = call_create, .verify = verify_create,
      .min_failures = 5)

TEST_F_TIMEOUT(calls, create_in_system, 300)
{
	struct sweep sweep = {
		.name = "calls.create_in_system", .call = call_create,
		.verify = verify_create, .min_failures = 4,
	};

	self->w.flags = PEER_VRAM_CREATE_SYSTEM;
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));
}

/* Makes the permanent BO the least recently used: uses all parts of the filler. */
static int prepare_eviction(void *env)
{
	struct vram_env *n = env;
	int ret = vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);

	return ret ? ret : vram_move(n->fd, n->filler, PEER_VRAM_DOMAIN_VRAM);
}

/*
 * If the new BO exists, the permanent BO was evicted: there is no room for
 * both.
 */
static int verify_eviction(void *env, int ret)
{
	struct vram_env *n = env;
	bool created = !ret;

	if (created)
		ret = check_domain(n, n->handle, PEER_VRAM_DOMAIN_SYSTEM);
	else
		ret = 0;
	if (!ret)
		ret = check_bytes(n->fd, n->handle);
	if (!ret)
		ret = verify_create(n, created ? 0 : -ENOMEM);
	return ret ? ret : vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

TEST_F_TIMEOUT(calls, create_evicts, 300)
{
	struct sweep sweep = {
		.name = "calls.create_evicts", .prepare = prepare_eviction,
		.call = call_create, .verify = verify_eviction,
		.min_failures = 8,
	};
	struct peer_vram_info info;

	ASSERT_EQ(0, vram_info(self->w.fd, &info));
	ASSERT_EQ(0, vram_create(self->w.fd, info.vram_size - info.vram_used -
				 FILLER_ROOM / 2, 0, &self->w.filler));
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));
	EXPECT_EQ(0, vram_close(self->w.fd, self->w.filler));
}

static int prepare_made(void *env)
{
	struct vram_env *n = env;

	n->created_map = vram_make_filled(n->fd, LENGTH, 0, SEED, &n->created);
	return n->created_map ? 0 : -errno;
}

static int destroy_created(struct vram_env *n)
{
	if (munmap(n->created_map, LENGTH))
		return -errno;
	return vram_close(n->fd, n->created);
}

static int call_destroy(void *env)
{
	struct vram_env *n = env;

	return vram_destroy(n->fd, n->created);
}

static int verify_destroy(void *env, int ret)
{
	struct vram_env *n = env;
	int sig = touch_read(n->created_map + PAGE);

	if (sig != (ret ? 0 : SIGBUS))
		return -EPROTO;
	return destroy_created(n);
}

SWEEP(calls, destroy, .prepare = prepare_made, .call = call_destroy,
      .verify = verify_destroy)

static int call_close_handle(void *env)
{
	struct vram_env *n = env;

	return vram_close(n->fd, n->created);
}

static int verify_close_handle(void *env, int ret)
{
	struct vram_env *n = env;

	/* The mapping holds a reference to the BO. */
	if (pattern_check(n->created_map, LENGTH, SEED, 0) >= 0)
		return -EILSEQ;
	if (ret)
		return destroy_created(n);
	return munmap(n->created_map, LENGTH) ? -errno : 0;
}

SWEEP(calls, close_handle, .prepare = prepare_made, .call = call_close_handle,
      .verify = verify_close_handle)

static int call_move_out(void *env)
{
	struct vram_env *n = env;

	return vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_SYSTEM);
}

static int call_move_in(void *env)
{
	struct vram_env *n = env;

	return vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

/*
 * The BO has moved if the call succeeded, else not. Its content is unchanged.
 */
static int verify_move_out(void *env, int ret)
{
	struct vram_env *n = env;

	n->domain = ret ? PEER_VRAM_DOMAIN_VRAM : PEER_VRAM_DOMAIN_SYSTEM;
	ret = verify_unchanged(n, 0);
	return ret ? ret : call_move_in(n);
}

static int verify_move_in(void *env, int ret)
{
	struct vram_env *n = env;

	n->domain = ret ? PEER_VRAM_DOMAIN_SYSTEM : PEER_VRAM_DOMAIN_VRAM;
	return verify_unchanged(n, 0);
}

SWEEP(calls, move_out, .call = call_move_out, .verify = verify_move_out,
      .min_failures = 3)
SWEEP(calls, move_in, .prepare = call_move_out, .call = call_move_in,
      .verify = verify_move_in, .min_failures = 1)

/* ---- calls that report, or change little ---- */

static int call_info(void *env)
{
	struct vram_env *n = env;
	struct peer_vram_info info;
	int ret = vram_info(n->fd, &info);

	return !ret && info.objects != 1 ? -EPROTO : ret;
}

static int call_query(void *env)
{
	struct vram_env *n = env;

	return check_domain(n, n->handle, n->domain);
}

static int call_revoke(void *env)
{
	struct vram_env *n = env;

	return vram_revoke(n->fd, n->handle);
}

static int call_set_flags(void *env)
{
	struct vram_env *n = env;
	struct peer_vram_set_flags arg = {
		.size = sizeof(arg),
		.handle = n->handle,
	};

	return vram_ioctl(n->fd, PEER_VRAM_IOC_SET_FLAGS, &arg);
}

static int call_read(void *env)
{
	struct vram_env *n = env;

	return check_bytes(n->fd, n->handle);
}

static int call_write(void *env)
{
	struct vram_env *n = env;
	static char buf[LENGTH];

	pattern_fill(buf, LENGTH, SEED, 0);
	return vram_write(n->fd, n->handle, 0, buf, LENGTH);
}

static int call_blocks(void *env)
{
	struct vram_env *n = env;
	struct peer_vram_block blocks[4];
	int ret = vram_blocks(n->fd, n->handle, blocks, 4);

	return ret < 0 ? ret : ret != LENGTH / (64 * KIB) ? -EPROTO : 0;
}

SWEEP(calls, info, .call = call_info, .verify = verify_unchanged)
SWEEP(calls, query, .call = call_query, .verify = verify_unchanged)
SWEEP(calls, revoke, .call = call_revoke, .verify = verify_unchanged)
SWEEP(calls, set_flags, .call = call_set_flags, .verify = verify_unchanged)
SWEEP(calls, read, .call = call_read, .verify = verify_unchanged,
      .min_failures = 1)
SWEEP(calls, write, .call = call_write, .verify = verify_unchanged,
      .min_failures = 1)
SWEEP(calls, blocks, .call = call_blocks, .verify = verify_unchanged,
      .min_failures = 1)

/* ---- handles of BOs ---- */

static int call_lookup(void *env)
{
	struct vram_env *n = env;

	return vram_lookup(n->other, n->map + PAGE, &n->created, NULL);
}

static int verify_handle(void *env, int ret)
{
	struct vram_env *n = env;

	if (!ret)
		ret = check_bytes(n->other, n->created);
	else
		ret = 0;
	close(n->other);
	return ret;
}

SWEEP(calls, lookup, .prepare = call_open, .call = call_lookup,
      .verify = verify_handle, .min_failures = 2)

static int call_share(void *env)
{
	struct vram_env *n = env;

	n->other = vram_share(n->fd, n->handle);
	return n->other < 0 ? n->other : 0;
}

static int verify_share(void *env, int ret)
{
	struct vram_env *n = env;

	if (ret)
		return 0;
	ret = vram_import(n->fd, n->other, &n->created);
	if (!ret)
		ret = check_bytes(n->fd, n->created);
	if (!ret)
		ret = vram_close(n->fd, n->created);
	close(n->other);
	return ret;
}

/* ENFILE: returned for a new file if there is no memory for its name. */
SWEEP(calls, share, .call = call_share, .verify = verify_share,
      .errors = { ENFILE }, .min_failures = 2)

static int call_import(void *env)
{
	struct vram_env *n = env;
	int share = vram_share(n->fd, n->handle);
	int ret;

	if (share < 0)
		return share;
	ret = vram_import(n->other, share, &n->created);
	close(share);
	return ret;
}

SWEEP(calls, import, .prepare = call_open, .call = call_import,
      .verify = verify_handle, .errors = { ENFILE }, .min_failures = 3)

TEST_HARNESS_MAIN
