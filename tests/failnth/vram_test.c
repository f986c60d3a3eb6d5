// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter's node while allocations fail: its calls.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "node.h"
#include "sweep.h"

/* What leaves no room for another object of LENGTH. */
#define HOARD_ROOM LENGTH

FIXTURE(calls)
{
	struct node w;
};

FIXTURE_SETUP(calls)
{
	ASSERT_EQ(0, node_open(&self->w));
}

FIXTURE_TEARDOWN(calls)
{
	EXPECT_EQ(0, node_close(&self->w));
}

/* ---- open, close ---- */

static int call_open(void *world)
{
	struct node *n = world;

	n->other = vram_open(O_RDWR);
	return n->other < 0 ? n->other : 0;
}

static int settle_open(void *world, int ret)
{
	struct node *n = world;

	if (ret)
		return 0;
	ret = vram_create(n->other, LENGTH, 0, &n->made);
	if (!ret)
		ret = check_zero(n->other, n->made);
	close(n->other);
	return ret;
}

SWEEP(calls, open, .call = call_open, .settle = settle_open, .at_least = 2)

static int arrange_close(void *world)
{
	struct node *n = world;
	int ret = call_open(n);

	return ret ? ret : vram_create(n->other, LENGTH, 0, &n->made);
}

static int call_close(void *world)
{
	struct node *n = world;

	return close(n->other) ? -errno : 0;
}

SWEEP(calls, close, .arrange = arrange_close, .call = call_close,
      .settle = settle_same)

/* ---- objects ---- */

static int call_create(void *world)
{
	struct node *n = world;

	return vram_create(n->fd, LENGTH, n->flags, &n->made);
}

static int settle_create(void *world, int ret)
{
	struct node *n = world;
	bool system = n->flags & PEER_VRAM_CREATE_SYSTEM;

	if (ret)
		return 0;
	ret = check_domain(n, n->made, system ? PEER_VRAM_DOMAIN_SYSTEM :
						PEER_VRAM_DOMAIN_VRAM);
	if (!ret)
		ret = check_zero(n->fd, n->made);
	return ret ? ret : vram_close(n->fd, n->made);
}

SWEEP(calls, create, .call = call_create, .settle = settle_create,
      .at_least = 5)

TEST_F_TIMEOUT(calls, create_in_system, 300)
{
	struct sweep sweep = {
		.name = "calls.create_in_system", .call = call_create,
		.settle = settle_create, .at_least = 4,
	};

	self->w.flags = PEER_VRAM_CREATE_SYSTEM;
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));
}

/* The object that stays is the one that was not used for longest. */
static int arrange_eviction(void *world)
{
	struct node *n = world;
	uint64_t word;
	int ret = vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);

	return ret ? ret : vram_read(n->fd, n->hoard, 0, &word, sizeof(word));
}

/* Evicted, if the other is there: then there is no room for both. */
static int settle_eviction(void *world, int ret)
{
	struct node *n = world;
	bool made = !ret;

	if (made)
		ret = check_domain(n, n->handle, PEER_VRAM_DOMAIN_SYSTEM);
	else
		ret = 0;
	if (!ret)
		ret = check_bytes(n->fd, n->handle);
	if (!ret)
		ret = settle_create(n, made ? 0 : -ENOMEM);
	return ret ? ret : vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

TEST_F_TIMEOUT(calls, create_evicts, 300)
{
	struct sweep sweep = {
		.name = "calls.create_evicts", .arrange = arrange_eviction,
		.call = call_create, .settle = settle_eviction,
		.at_least = 8,
	};
	struct peer_vram_info info;

	ASSERT_EQ(0, vram_info(self->w.fd, &info));
	ASSERT_EQ(0, vram_create(self->w.fd, info.vram_size - info.vram_used -
				 HOARD_ROOM / 2, 0, &self->w.hoard));
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));
	EXPECT_EQ(0, vram_close(self->w.fd, self->w.hoard));
}

static int arrange_made(void *world)
{
	struct node *n = world;

	n->made_map = vram_make_filled(n->fd, LENGTH, 0, SEED, &n->made);
	return n->made_map ? 0 : -errno;
}

static int unmake(struct node *n)
{
	if (munmap(n->made_map, LENGTH))
		return -errno;
	return vram_close(n->fd, n->made);
}

static int call_destroy(void *world)
{
	struct node *n = world;

	return vram_destroy(n->fd, n->made);
}

static int settle_destroy(void *world, int ret)
{
	struct node *n = world;
	int sig = touch_read(n->made_map + PAGE);

	if (sig != (ret ? 0 : SIGBUS))
		return -EPROTO;
	return unmake(n);
}

SWEEP(calls, destroy, .arrange = arrange_made, .call = call_destroy,
      .settle = settle_destroy)

static int call_close_handle(void *world)
{
	struct node *n = world;

	return vram_close(n->fd, n->made);
}

static int settle_close_handle(void *world, int ret)
{
	struct node *n = world;

	/* The mapping keeps the object. */
	if (pattern_check(n->made_map, LENGTH, SEED, 0) >= 0)
		return -EILSEQ;
	if (ret)
		return unmake(n);
	return munmap(n->made_map, LENGTH) ? -errno : 0;
}

SWEEP(calls, close_handle, .arrange = arrange_made, .call = call_close_handle,
      .settle = settle_close_handle)

static int call_move_out(void *world)
{
	struct node *n = world;

	return vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_SYSTEM);
}

static int call_move_in(void *world)
{
	struct node *n = world;

	return vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

/* There if it says so, else where it was, and whole. */
static int settle_move_out(void *world, int ret)
{
	struct node *n = world;

	n->domain = ret ? PEER_VRAM_DOMAIN_VRAM : PEER_VRAM_DOMAIN_SYSTEM;
	ret = settle_same(n, 0);
	return ret ? ret : call_move_in(n);
}

static int settle_move_in(void *world, int ret)
{
	struct node *n = world;

	n->domain = ret ? PEER_VRAM_DOMAIN_SYSTEM : PEER_VRAM_DOMAIN_VRAM;
	return settle_same(n, 0);
}

SWEEP(calls, move_out, .call = call_move_out, .settle = settle_move_out,
      .at_least = 3)
SWEEP(calls, move_in, .arrange = call_move_out, .call = call_move_in,
      .settle = settle_move_in, .at_least = 1)

/* ---- calls that only tell, or change little ---- */

static int call_info(void *world)
{
	struct node *n = world;
	struct peer_vram_info info;
	int ret = vram_info(n->fd, &info);

	return !ret && info.objects != 1 ? -EPROTO : ret;
}

static int call_query(void *world)
{
	struct node *n = world;

	return check_domain(n, n->handle, n->domain);
}

static int call_revoke(void *world)
{
	struct node *n = world;

	return vram_revoke(n->fd, n->handle);
}

static int call_set_flags(void *world)
{
	struct node *n = world;
	struct peer_vram_set_flags arg = {
		.size = sizeof(arg),
		.handle = n->handle,
	};

	return vram_ioctl(n->fd, PEER_VRAM_IOC_SET_FLAGS, &arg);
}

static int call_read(void *world)
{
	struct node *n = world;

	return check_bytes(n->fd, n->handle);
}

static int call_write(void *world)
{
	struct node *n = world;
	static char buf[LENGTH];

	pattern_fill(buf, LENGTH, SEED, 0);
	return vram_write(n->fd, n->handle, 0, buf, LENGTH);
}

static int call_blocks(void *world)
{
	struct node *n = world;
	struct peer_vram_block blocks[4];
	int ret = vram_blocks(n->fd, n->handle, blocks, 4);

	return ret < 0 ? ret : ret != LENGTH / (64 * KIB) ? -EPROTO : 0;
}

SWEEP(calls, info, .call = call_info, .settle = settle_same)
SWEEP(calls, query, .call = call_query, .settle = settle_same)
SWEEP(calls, revoke, .call = call_revoke, .settle = settle_same)
SWEEP(calls, set_flags, .call = call_set_flags, .settle = settle_same)
SWEEP(calls, read, .call = call_read, .settle = settle_same, .at_least = 1)
SWEEP(calls, write, .call = call_write, .settle = settle_same, .at_least = 1)
SWEEP(calls, blocks, .call = call_blocks, .settle = settle_same, .at_least = 1)

/* ---- names of objects ---- */

static int call_lookup(void *world)
{
	struct node *n = world;

	return vram_lookup(n->other, n->map + PAGE, &n->made, NULL);
}

static int settle_handle(void *world, int ret)
{
	struct node *n = world;

	if (!ret)
		ret = check_bytes(n->other, n->made);
	else
		ret = 0;
	close(n->other);
	return ret;
}

SWEEP(calls, lookup, .arrange = call_open, .call = call_lookup,
      .settle = settle_handle, .at_least = 2)

static int call_share(void *world)
{
	struct node *n = world;

	n->other = vram_share(n->fd, n->handle);
	return n->other < 0 ? n->other : 0;
}

static int settle_share(void *world, int ret)
{
	struct node *n = world;

	if (ret)
		return 0;
	ret = vram_import(n->fd, n->other, &n->made);
	if (!ret)
		ret = check_bytes(n->fd, n->made);
	if (!ret)
		ret = vram_close(n->fd, n->made);
	close(n->other);
	return ret;
}

/* ENFILE: what a new file gets when there is no memory for its name. */
SWEEP(calls, share, .call = call_share, .settle = settle_share,
      .errors = { ENFILE }, .at_least = 2)

static int call_import(void *world)
{
	struct node *n = world;
	int share = vram_share(n->fd, n->handle);
	int ret;

	if (share < 0)
		return share;
	ret = vram_import(n->other, share, &n->made);
	close(share);
	return ret;
}

SWEEP(calls, import, .arrange = call_open, .call = call_import,
      .settle = settle_handle, .errors = { ENFILE }, .at_least = 3)

TEST_HARNESS_MAIN
