// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The node of a controller's memory while allocations fail: its calls, and bytes
 * that the controller moves.
 */
#include <kselftest_harness.h>

#include <fcntl.h>

#include "../cmb/cmb.h"
#include "lib/pattern.h"
#include "sweep.h"
#include "world.h"

/**
 * struct place - what the calls are about
 * @w:     with a region over the memory, where a sweep wants one
 * @disk:  of the controller, by the kernel's driver
 * @bytes: that the memory has, or has to have
 */
struct place {
	struct world w;
	int disk;
	uint8_t bytes[PAGE];
};

FIXTURE(memory)
{
	struct place w;
};

FIXTURE_SETUP(memory)
{
	self->w.w.kind = &vt_mem_cmb;
	self->w.w.access = VT_ACCESS_ALL;
	ASSERT_EQ(0, world_open(&self->w.w));
	self->w.disk = cmb_open_disk(CMB_LARGE, O_RDWR | O_DIRECT);
	ASSERT_LE(0, self->w.disk);
}

FIXTURE_TEARDOWN(memory)
{
	close(self->w.disk);
	EXPECT_EQ(0, world_close(&self->w.w));
}

static int put(struct place *p)
{
	return vt_mem_write(&p->w.mem, 0, p->bytes, PAGE);
}

static int check(struct place *p)
{
	uint8_t have[PAGE];
	int ret = vt_mem_read(&p->w.mem, 0, have, PAGE);

	if (ret)
		return ret;
	return memcmp(have, p->bytes, PAGE) ? -EILSEQ : 0;
}

/* ---- the node's calls ---- */

static int call_alloc(void *place)
{
	struct place *p = place;

	return vt_mem_alloc(&p->w.mem, p->w.kind, p->w.length, 0);
}

/* Cleared, whatever the one before has left there. */
static int settle_alloc(void *place, int ret)
{
	struct place *p = place;

	if (ret)
		return 0;
	memset(p->bytes, 0, PAGE);
	ret = check(p);
	memset(p->bytes, 0xa5, PAGE);
	if (!ret)
		ret = put(p);
	world_free(&p->w);
	return ret;
}

SWEEP(memory, alloc, .call = call_alloc, .settle = settle_alloc, .at_least = 3)

static int arrange_region(void *place)
{
	int ret = world_make(place);

	return ret ? ret : world_use(place);
}

static int call_info(void *place)
{
	struct place *p = place;
	struct peer_bar_info info;
	int ret = cmb_info(p->w.mem.fd, &info);

	return !ret && info.allocations != 1 ? -EPROTO : ret;
}

static int settle_used(void *place, int ret)
{
	ret = world_use(place);
	return ret ? ret : world_unmake(place);
}

SWEEP(memory, info, .arrange = arrange_region, .call = call_info,
      .settle = settle_used)

static int call_revoke(void *place)
{
	return vt_mem_revoke(&((struct place *)place)->w.mem);
}

static int settle_revoke(void *place, int ret)
{
	ret = ret ? world_use(place) : world_refused(place, 0, true);
	return ret ? ret : world_unmake(place);
}

SWEEP(memory, revoke, .arrange = arrange_region, .call = call_revoke,
      .settle = settle_revoke)

static int call_destroy(void *place)
{
	return vt_mem_destroy(&((struct place *)place)->w.mem);
}

SWEEP(memory, destroy, .arrange = arrange_region, .call = call_destroy,
      .settle = settle_revoke)

/* ---- its disk ---- */

static int arrange_filled(void *place)
{
	struct place *p = place;
	int ret = call_alloc(p);

	vt_pattern_fill(p->bytes, ++p->w.seed, 0, PAGE);
	return ret ? ret : put(p);
}

static int call_write_disk(void *place)
{
	struct place *p = place;

	return cmb_write_to(p->w.mem.fd, p->disk, p->w.mem.addr, PAGE, 0);
}

static int call_read_disk(void *place)
{
	struct place *p = place;

	return cmb_read_from(p->w.mem.fd, p->disk, p->w.mem.addr, PAGE, 0);
}

static int clear(struct place *p)
{
	static const uint8_t zeroes[PAGE];

	return vt_mem_write(&p->w.mem, 0, zeroes, PAGE);
}

/* What is said to be on the disk is there. */
static int settle_write_disk(void *place, int ret)
{
	struct place *p = place;

	if (ret)
		ret = 0;
	else
		ret = clear(p) ?: call_read_disk(p) ?: check(p);
	world_free(&p->w);
	return ret;
}

static int arrange_written(void *place)
{
	return arrange_filled(place) ?: call_write_disk(place) ?: clear(place);
}

static int settle_read_disk(void *place, int ret)
{
	struct place *p = place;

	ret = ret ? 0 : check(p);
	world_free(&p->w);
	return ret;
}

SWEEP(memory, write_disk, .arrange = arrange_filled, .call = call_write_disk,
      .settle = settle_write_disk)
SWEEP(memory, read_disk, .arrange = arrange_written, .call = call_read_disk,
      .settle = settle_read_disk, .at_least = 1)

TEST_HARNESS_MAIN
