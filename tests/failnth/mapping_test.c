// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Mappings of BOs while allocations fail: mmap() and CPU page faults. */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "vram_env.h"
#include "sweep.h"

FIXTURE(mapping)
{
	struct vram_env w;
};

FIXTURE_SETUP(mapping)
{
	ASSERT_EQ(0, vram_env_open(&self->w));
}

FIXTURE_TEARDOWN(mapping)
{
	EXPECT_EQ(0, vram_env_close(&self->w));
}

static int call_mmap(void *env)
{
	struct vram_env *n = env;

	n->created_map = vram_map(n->fd, n->handle, LENGTH, RW);
	return n->created_map ? 0 : -errno;
}

static int verify_mmap(void *env, int ret)
{
	struct vram_env *n = env;

	if (ret)
		return 0;
	if (pattern_check(n->created_map, LENGTH, SEED, 0) >= 0)
		return -EILSEQ;
	return munmap(n->created_map, LENGTH) ? -errno : 0;
}

SWEEP(mapping, mmap, .call = call_mmap, .verify = verify_mmap,
      .min_failures = 1)

static int call_mmap_new(void *env)
{
	struct vram_env *n = env;

	n->created_map = vram_map(n->fd, 0, LENGTH, RW);
	return n->created_map ? 0 : -errno;
}

static int verify_mmap_new(void *env, int ret)
{
	struct vram_env *n = env;

	if (ret)
		return 0;
	if (zero_check(n->created_map, LENGTH) >= 0)
		return -EILSEQ;
	return munmap(n->created_map, LENGTH) ? -errno : 0;
}

SWEEP(mapping, mmap_new, .call = call_mmap_new, .verify = verify_mmap_new,
      .min_failures = 5)

/*
 * Maps far from all other mappings, so that the mapping needs its own page
 * tables.
 */
static int map_alone(struct vram_env *n, uint32_t handle)
{
	struct peer_vram_query query;
	int ret = vram_query(n->fd, handle, &query);

	if (ret)
		return ret;
	n->created_map = mmap((void *)0x300000000000, LENGTH, RW,
			      MAP_SHARED | MAP_FIXED_NOREPLACE, n->fd,
			      query.mmap_offset);
	return n->created_map == MAP_FAILED ? -errno : 0;
}

static int prepare_touch(void *env)
{
	struct vram_env *n = env;

	return map_alone(n, n->handle);
}

/* A new mapping has no pages. */
static int call_touch(void *env)
{
	struct vram_env *n = env;

	return touch_write(n->created_map + LENGTH - 1) ? -EFAULT : 0;
}

/* A second access succeeds after SIGBUS. */
static int verify_touch(void *env, int ret)
{
	struct vram_env *n = env;

	(void)ret;
	if (touch_write(n->created_map + LENGTH - 1))
		return -EFAULT;
	pattern_fill(n->created_map, LENGTH, SEED, 0);
	return verify_mmap(n, 0);
}

SWEEP(mapping, touch, .prepare = prepare_touch, .call = call_touch,
      .verify = verify_touch, .errors = { EFAULT }, .min_failures = 1)

static int prepare_touch_system(void *env)
{
	struct vram_env *n = env;
	int ret = vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_SYSTEM);

	return ret ? ret : prepare_touch(n);
}

static int verify_touch_system(void *env, int ret)
{
	struct vram_env *n = env;

	ret = verify_touch(n, ret);
	return ret ? ret :
	       vram_move(n->fd, n->handle, PEER_VRAM_DOMAIN_VRAM);
}

SWEEP(mapping, touch_system, .prepare = prepare_touch_system,
      .call = call_touch, .verify = verify_touch_system,
      .errors = { EFAULT }, .min_failures = 1)

/* A BO without pages. */
static int prepare_touch_new(void *env)
{
	struct vram_env *n = env;
	int ret = vram_create(n->fd, LENGTH, PEER_VRAM_CREATE_SYSTEM,
			      &n->created);

	return ret ? ret : map_alone(n, n->created);
}

static int verify_touch_new(void *env, int ret)
{
	struct vram_env *n = env;

	ret = verify_touch(n, ret);
	return ret ? ret : vram_close(n->fd, n->created);
}

SWEEP(mapping, touch_new, .prepare = prepare_touch_new, .call = call_touch,
      .verify = verify_touch_new, .errors = { EFAULT }, .min_failures = 1)

/* Reads through /proc/self/mem, as a debugger does. */
static int call_peek(void *env)
{
	static uint64_t buf[LENGTH / 8];
	struct vram_env *n = env;
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

SWEEP(mapping, peek, .call = call_peek, .verify = verify_unchanged,
      .min_failures = 1)

TEST_HARNESS_MAIN
