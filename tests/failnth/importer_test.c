// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Devices that do DMA (kernel/core/bridge.c) while allocations fail: regions of
 * theirs over peer memory, and accesses after it moved.
 */
#include <kselftest_harness.h>

#include "../importers/engine.h"
#include "sweep.h"
#include "world.h"

/* The engine is slow: no more than one line of a page at a time. */
#define LENGTH 64
#define AT (PAGE + 100)

struct importing {
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
	struct en_buf b;
	uint64_t seed;
};

FIXTURE(region)
{
	struct importing w;
};

FIXTURE_VARIANT(region)
{
	struct importing w;
};

#define REGION_VARIANT(_name, _kind, _device)				\
	FIXTURE_VARIANT_ADD(region, _name)				\
	{								\
		.w = {							\
			.kind = &vt_mem_##_kind,			\
			.device = EDU_RDMA_##_device,			\
		},							\
	}

REGION_VARIANT(vram_dynamic, vram, DYNAMIC);
REGION_VARIANT(vram_revocable, vram, REVOCABLE);
REGION_VARIANT(cmb_dynamic, cmb, DYNAMIC);
REGION_VARIANT(peerdirect_revocable, peerdirect, REVOCABLE);

FIXTURE_SETUP(region)
{
	self->w = variant->w;
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(self->w.kind));
}

FIXTURE_TEARDOWN(region)
{
}

static int arrange_memory(void *world)
{
	struct importing *w = world;

	return en_buf_prepare(&w->b, w->device, IM_WRITE, w->kind, SIZE);
}

static int arrange_region(void *world)
{
	struct importing *w = world;

	return en_buf_open(&w->b, w->device, IM_WRITE, w->kind, SIZE);
}

/* Both ways; no byte elsewhere has changed. */
static int use(struct importing *w)
{
	int ret = en_put(&w->b, AT, LENGTH, ++w->seed);

	if (!ret)
		ret = en_get(&w->b, AT - 10, LENGTH);
	return ret ? ret : vt_buf_check_all(&w->b.buf);
}

static int finish(struct importing *w, int ret)
{
	int end = en_buf_close(&w->b);

	return ret ? ret : end;
}

static int call_register(void *world)
{
	return en_buf_register(&((struct importing *)world)->b);
}

static int settle_register(void *world, int ret)
{
	return finish(world, ret ? 0 : use(world));
}

SWEEP(region, reg_mr, .arrange = arrange_memory, .call = call_register,
      .settle = settle_register, .at_least = 10)

static int call_deregister(void *world)
{
	return en_buf_deregister(&((struct importing *)world)->b);
}

/* Where it could not be deregistered, it is there, and works. */
static int settle_deregister(void *world, int ret)
{
	return finish(world, ret ? use(world) : 0);
}

SWEEP(region, dereg_mr, .arrange = arrange_region, .call = call_deregister,
      .settle = settle_deregister)

/* ---- the first access after a move ---- */

static int arrange_moved(void *world)
{
	struct importing *w = world;
	int ret = arrange_region(w);

	return ret ? ret : vt_mem_move(&w->b.buf.mem, false);
}

static int call_access(void *world)
{
	struct importing *w = world;

	return en_put(&w->b, AT, LENGTH, ++w->seed);
}

static int settle_access(void *world, int ret)
{
	struct importing *w = world;

	ret = vt_buf_check_all(&w->b.buf);
	return finish(w, ret ? ret : use(w));
}

#define SWEEP_ACCESS(_name, _whom, _at_least)				\
	SWEEP_IF(region, _name, self->w.device == EDU_RDMA_DYNAMIC &&	\
		 self->w.kind->move, "it does not move",		\
		 .arrange = arrange_moved, .call = call_access,		\
		 .settle = settle_access, .whom = _whom,		\
		 .at_least = _at_least)

SWEEP_ACCESS(access, INJECT_SELF, 1)
/* The worker that asks the owner. */
SWEEP_ACCESS(access_asked, INJECT_WORKERS_IN_CORE, 3)

TEST_HARNESS_MAIN
