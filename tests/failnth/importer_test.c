// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * DMA importers (kernel/core/importers/dma_attachment.c) while allocations fail:
 * MRs of peer memory, and accesses after the memory has moved.
 */
#include <kselftest_harness.h>

#include "../importers/engine.h"
#include "../page_size.h"
#include "sweep.h"
#include "env.h"

/* The engine is slow: it transfers only one cache line of a page. */
#define LENGTH 64
#define AT (page_size() + 100)

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
/* The device attaches to a dma-buf by itself. */
REGION_VARIANT(vram_dmabuf, vram_dmabuf, DYNAMIC);
REGION_VARIANT(vram_range, vram_range, DYNAMIC);

FIXTURE_SETUP(region)
{
	self->w = variant->w;
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, vt_mem_prepare(self->w.kind));
}

FIXTURE_TEARDOWN(region)
{
}

static int prepare_memory(void *env)
{
	struct importing *w = env;

	return en_buf_prepare(&w->b, w->device, IM_WRITE, w->kind, SIZE);
}

static int prepare_region(void *env)
{
	struct importing *w = env;

	return en_buf_open(&w->b, w->device, IM_WRITE, w->kind, SIZE);
}

/* Writes and reads. No other byte may change. */
static int check_access(struct importing *w)
{
	int ret = en_buf_write(&w->b, AT, LENGTH, ++w->seed);

	if (!ret)
		ret = en_buf_read(&w->b, AT - 10, LENGTH);
	return ret ? ret : vt_buf_check_all(&w->b.buf);
}

static int finish(struct importing *w, int ret)
{
	int end = en_buf_close(&w->b);

	return ret ? ret : end;
}

static int call_register(void *env)
{
	return en_buf_register(&((struct importing *)env)->b);
}

static int verify_register(void *env, int ret)
{
	return finish(env, ret ? 0 : check_access(env));
}

SWEEP(region, reg_mr, .prepare = prepare_memory, .call = call_register,
      .verify = verify_register, .min_failures = 10)

static int call_deregister(void *env)
{
	return en_buf_deregister(&((struct importing *)env)->b);
}

/* If deregistration failed, the MR exists and works. */
static int verify_deregister(void *env, int ret)
{
	return finish(env, ret ? check_access(env) : 0);
}

SWEEP(region, dereg_mr, .prepare = prepare_region, .call = call_deregister,
      .verify = verify_deregister)

/* ---- the first access after a move ---- */

static int prepare_moved(void *env)
{
	struct importing *w = env;
	int ret = prepare_region(w);

	return ret ? ret : vt_mem_move(&w->b.buf.mem, false);
}

static int call_access(void *env)
{
	struct importing *w = env;

	return en_buf_write(&w->b, AT, LENGTH, ++w->seed);
}

static int verify_access(void *env, int ret)
{
	struct importing *w = env;

	ret = vt_buf_check_all(&w->b.buf);
	return finish(w, ret ? ret : check_access(w));
}

#define SWEEP_ACCESS(_name, _whom, _at_least)				\
	SWEEP_IF(region, _name, self->w.device == EDU_RDMA_DYNAMIC &&	\
		 self->w.kind->move, "memory cannot move",		\
		 .prepare = prepare_moved, .call = call_access,		\
		 .verify = verify_access, .target = _whom,		\
		 .min_failures = _at_least)

SWEEP_ACCESS(access, INJECT_SELF, 1)
/* The kworker that resolves. */
SWEEP_ACCESS(access_resolve, INJECT_WORKERS_IN_CORE, 3)

TEST_HARNESS_MAIN
