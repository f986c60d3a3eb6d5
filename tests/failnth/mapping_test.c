// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Mappings of the exporter's objects while allocations fail: mmap(), page faults
 * of the CPU.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "node.h"
#include "sweep.h"

FIXTURE(mapping)
{
	struct node w;
};

FIXTURE_SETUP(mapping)
{
	ASSERT_EQ(0, node_open(&self->w));
}

FIXTURE_TEARDOWN(mapping)
{
	EXPECT_EQ(0, node_close(&self->w));
}

static int call_mmap(void *world)
{
	struct node *n = world;

	n->made_map = vram_map(n->fd, n->handle, LENGTH, RW);
	return n->made_map ? 0 : -errno;
}

static int settle_mmap(void *world, int ret)
{
	struct node *n = world;

	if (ret)
		return 0;
	if (pattern_check(n->made_map, LENGTH, SEED, 0) >= 0)
		return -EILSEQ;
	return munmap(n->made_map, LENGTH) ? -errno : 0;
}

SWEEP(mapping, mmap, .call = call_mmap, .settle = settle_mmap, .at_least = 1)

static int call_mmap_new(void *world)
{
	struct node *n = world;

	n->made_map = vram_map(n->fd, 0, LENGTH, RW);
	return n->made_map ? 0 : -errno;
}

static int settle_mmap_new(void *world, int ret)
{
	struct node *n = world;

	if (ret)
		return 0;
	if (zero_check(n->made_map, LENGTH) >= 0)
		return -EILSEQ;
	return munmap(n->made_map, LENGTH) ? -errno : 0;
}

SWEEP(mapping, mmap_new, .call = call_mmap_new, .settle = settle_mmap_new,
      .at_least = 5)

/* A mapping far from all others, so that it needs page tables of its own. */
static int map_alone(struct node *n, uint32_t handle)
{
	struct peer_vram_query query;
	int ret = vram_query(n->fd, handle, &query);

	if (ret)
		return ret;
	n->made_map = mmap((void *)0x300000000000, LENGTH, RW,
			   MAP_SHARED | MAP_FIXED_NOREPLACE, n->fd,
			   query.mmap_offset);
	return n->made_map == MAP_FAILED ? -errno : 0;
}

static int arrange_touch(void *world)
{
	struct node *n = world;

	return map_alone(n, n->handle);
}

/* A new mapping has no pages yet. */
static int call_touch(void *world)
{
	struct node *n = world;

	return touch_write(n->made_map + LENGTH - 1) ? -EFAULT : 0;
}

/* SIGBUS was for once. */
static int settle_touch(void *world, int ret)
{
	struct node *n = world;

	(void)ret;
	if (touch_write(n->made_map + LENGTH - 1))
		return -EFAULT;
	pattern_fill(n->made_map, LENGTH, SEED, 0);
	return settle_mmap(n, 0);
}

SWEEP(mapping, touch, .arrange = arrange_touch, .call = call_touch,
      .settle = settle_touch, .errors = { EFAULT }, .at_least = 1)

static int arrange_touch_system(void *world)
{
	struct node *n = world;
	int ret = vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_SYSTEM);

	return ret ? ret : arrange_touch(n);
}

static int settle_touch_system(void *world, int ret)
{
	struct node *n = world;

	ret = settle_touch(n, ret);
	return ret ? ret :
	       vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

SWEEP(mapping, touch_system, .arrange = arrange_touch_system,
      .call = call_touch, .settle = settle_touch_system,
      .errors = { EFAULT }, .at_least = 1)

/* An object that has no pages yet at all. */
static int arrange_touch_new(void *world)
{
	struct node *n = world;
	int ret = vram_create(n->fd, LENGTH, PEER_VRAM_CREATE_SYSTEM, &n->made);

	return ret ? ret : map_alone(n, n->made);
}

static int settle_touch_new(void *world, int ret)
{
	struct node *n = world;

	ret = settle_touch(n, ret);
	return ret ? ret : vram_close(n->fd, n->made);
}

SWEEP(mapping, touch_new, .arrange = arrange_touch_new, .call = call_touch,
      .settle = settle_touch_new, .errors = { EFAULT }, .at_least = 1)

/* As a debugger reads it. */
static int call_peek(void *world)
{
	static uint64_t buf[LENGTH / 8];
	struct node *n = world;
	int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, buf, LENGTH, (uintptr_t)n->map) != LENGTH)
		ret = -errno;
	else if (pattern_check(buf, LENGTH, SEED, 0) >= 0)
		ret = -EILSEQ;
	close(fd);
	return ret;
}

SWEEP(mapping, peek, .call = call_peek, .settle = settle_same, .at_least = 1)

TEST_HARNESS_MAIN
