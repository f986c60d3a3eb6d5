// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registering, changing, advising and deregistering memory regions while
 * allocations fail.
 */
#include <fcntl.h>

#include <rdma/peer_mem.h>

#include "../maps/device.h"
#include "lib/raw.h"
#include "mr.h"
#include "state.h"

/* ---- injection itself ---- */

/* What is made to fail does, and nothing else. */
TEST(injection_works)
{
	struct inject in;
	int fd[2], ret;

	ASSERT_EQ(0, inject_open(&in));
	EXPECT_EQ(0, inject_arm(&in, 1));
	ret = pipe(fd);
	EXPECT_EQ(1, inject_disarm(&in));
	EXPECT_EQ(-1, ret);
	EXPECT_EQ(0, inject_arm(&in, 100000));
	ret = pipe(fd);
	EXPECT_EQ(0, inject_disarm(&in));
	EXPECT_EQ(0, ret);
	close(fd[0]);
	close(fd[1]);
	inject_close(&in);
}

static int just_say_so(void *world)
{
	char *buf = malloc(1 << 20);
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)world;
	free(buf);
	if (fd >= 0)
		close(fd);
	return -EIO;
}

static int ignore(void *world, int ret)
{
	(void)world;
	(void)ret;
	return 0;
}

/* A wrong errno, too few failures, and what is left behind are noticed. */
TEST(sweep_notices)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = just_say_so, .settle = ignore,
	};

	EXPECT_EQ(-EIO, sweep_run(&sweep, NULL));
}

static int do_nothing(void *world)
{
	(void)world;
	return 0;
}

TEST(sweep_notices_that_nothing_failed)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = do_nothing, .settle = ignore,
		.at_least = 1,
	};

	EXPECT_EQ(-ENODATA, sweep_run(&sweep, NULL));
}

static int lose_descriptor(void *world)
{
	int fd = open("/", O_RDONLY | O_CLOEXEC);

	(void)world;
	return fd < 0 ? -errno : 0;
}

TEST(sweep_notices_what_is_left)
{
	struct sweep sweep = {
		.name = "(must fail)", .call = lose_descriptor,
		.settle = ignore,
	};

	EXPECT_EQ(-EBUSY, sweep_run(&sweep, NULL));
}

/* ---- regions ---- */

MR_VARIANT(vram, vram, VT_ACCESS_ALL);
MR_VARIANT(vram_system, vram_system, VT_ACCESS_ALL);
MR_VARIANT(vram_large, vram, VT_ACCESS_ALL, .length = 5 << 20);
MR_VARIANT(host, host, VT_ACCESS_ALL);
MR_VARIANT(peerdirect, peerdirect, VT_ACCESS_ALL);
MR_VARIANT(vram_on_demand, vram, ON_DEMAND);
MR_VARIANT(vram_system_on_demand, vram_system, ON_DEMAND);
MR_VARIANT(host_on_demand, host, ON_DEMAND);
MR_VARIANT(cmb, cmb, VT_ACCESS_ALL);
MR_VARIANT(cmb_on_demand, cmb, ON_DEMAND);
MR_VARIANT(peerdirect_on_demand, peerdirect, ON_DEMAND);
MR_VARIANT(vram_implicit, vram, ON_DEMAND, .implicit = true);
MR_VARIANT(vram_dmabuf, vram_dmabuf, VT_ACCESS_DMABUF);
MR_VARIANT(moving_dmabuf, moving, VT_ACCESS_DMABUF);
MR_VARIANT(vram_range, vram_range, VT_ACCESS_DMABUF);
MR_VARIANT(peerdirect_range, peerdirect_range, VT_ACCESS_DMABUF);
/* These take the device from peer_vram, for good: see CMakeLists.txt. */
MR_VARIANT(mapped, allowed, VT_ACCESS_ALL);
MR_VARIANT(mapped_on_demand, allowed, ON_DEMAND);

/* Memory of its own each time: nothing may keep it when it is over. */
static int arrange_memory(void *world)
{
	return world_alloc(world);
}

static int call_register(void *world)
{
	return world_register(world);
}

static int settle_register(void *world, int ret)
{
	ret = ret ? 0 : world_use(world);
	return ret ? ret : world_unmake(world);
}

SWEEP(mr, reg_mr, .arrange = arrange_memory, .call = call_register,
      .settle = settle_register, .at_least = on_demand(&self->w) ? 3 : 5)

/* With its pages in the page table. */
static int arrange_used(void *world)
{
	int ret = world_make(world);

	return ret ? ret : world_use(world);
}

static int call_deregister(void *world)
{
	return world_deregister(world);
}

/* Where it could not be deregistered, it is there, and works. */
static int settle_deregister(void *world, int ret)
{
	if (ret)
		ret = world_use(world);
	return ret ? ret : world_unmake(world);
}

SWEEP(mr, dereg_mr, .arrange = arrange_used, .call = call_deregister,
      .settle = settle_deregister)

static int call_reregister(void *world)
{
	struct world *w = world;

	return vt_rereg_mr(w->mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, w->access);
}

static int settle_used(void *world, int ret)
{
	ret = world_use(world);
	return ret ? ret : world_unmake(world);
}

SWEEP(mr, rereg_mr, .arrange = arrange_used, .call = call_reregister,
      .settle = settle_used)

/* ---- ranges as dma-bufs ---- */

static bool is_range(const struct world *w)
{
	return w->kind == &vt_mem_vram_range ||
	       w->kind == &vt_mem_peerdirect_range;
}

static int arrange_without_dmabuf(void *world)
{
	struct world *w = world;
	int ret = world_alloc(w);

	if (!ret)
		close(w->mem.dmabuf);
	w->mem.dmabuf = -1;
	return ret;
}

static int call_export(void *world)
{
	struct world *w = world;
	int fd = vt_export(w->mem.addr, w->length, PEER_MEM_EXPORT_WRITE);

	w->mem.dmabuf = fd < 0 ? -1 : fd;
	return fd < 0 ? fd : 0;
}

static int settle_export(void *world, int ret)
{
	if (ret) {
		world_free(world);
		return 0;
	}
	ret = world_register(world);
	if (!ret)
		ret = world_use(world);
	return ret ? ret : world_unmake(world);
}

SWEEP_IF(mr, export, is_range(&self->w), "not a range",
	 .arrange = arrange_without_dmabuf, .call = call_export,
	 .settle = settle_export, .at_least = 5)

/* ---- advice ---- */

static int arrange_fresh(void *world)
{
	return world_make(world);
}

static int advise(struct world *w, int advice, uint32_t flags)
{
	struct ibv_sge sge = world_sge(w, 0, w->length);

	return vt_advise_mr(w->dev.pd, advice, flags, &sge, 1);
}

static int call_prefetch_write(void *world)
{
	return advise(world, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int call_prefetch(void *world)
{
	return advise(world, IBV_ADVISE_MR_ADVICE_PREFETCH,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int call_prefetch_later(void *world)
{
	return advise(world, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0);
}

static int call_prefetch_no_fault(void *world)
{
	return advise(world, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
		      IBV_ADVISE_MR_FLAG_FLUSH);
}

static int read_faults(uint64_t *faults)
{
	FILE *file = fopen("/sys/kernel/mm/memory_peers/peer_vram/num_faults",
			   "re");
	int n;

	if (!file)
		return -errno;
	n = fscanf(file, "%lu", faults);
	fclose(file);
	return n == 1 ? 0 : -EIO;
}

/* When it says that the pages are there, nobody asks for them again. */
static int settle_prefetch_write(void *world, int ret)
{
	uint64_t before, after;
	int err = read_faults(&before);

	if (!err)
		err = world_use(world);
	if (!err)
		err = read_faults(&after);
	if (!err && !ret && before != after)
		err = -ESTALE;
	return err ? err : world_unmake(world);
}

/* EFAULT: what hmm_range_fault() makes of VM_FAULT_OOM. */
#define SWEEP_ADVICE(_name, _call, _settle, _whom)			\
	SWEEP_IF(mr, _name, on_demand(&self->w), "not on demand",	\
		 .arrange = arrange_fresh, .call = call_##_call,	\
		 .settle = _settle, .whom = _whom, .at_least = 1,	\
		 .errors = { self->w.kind == &vt_mem_host ? EFAULT : 0 })

SWEEP_ADVICE(prefetch_write, prefetch_write, settle_prefetch_write,
	     INJECT_SELF)
SWEEP_ADVICE(prefetch, prefetch, settle_used, INJECT_SELF)
SWEEP_ADVICE(prefetch_later, prefetch_later, settle_used, INJECT_SELF)
SWEEP_ADVICE(prefetch_no_fault, prefetch_no_fault, settle_used, INJECT_SELF)
/* A worker does the fault. */
SWEEP_ADVICE(fault_of_prefetch_write, prefetch_write, settle_prefetch_write,
	     INJECT_WORKERS_IN_CORE)
SWEEP_ADVICE(fault_of_prefetch, prefetch, settle_used, INJECT_WORKERS_IN_CORE)

TEST_HARNESS_MAIN
