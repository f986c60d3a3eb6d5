// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations on memory that is not there yet, while the faults that bring it
 * lack memory. Soft-RoCE's and the core's workers do them, so it is their
 * allocations that fail.
 */
#include <kselftest_harness.h>

#include "lib/pattern.h"
#include "sweep.h"
#include "world.h"

#define LENGTH 6000UL

/* Where the operation meets the region, and where the other side's bytes are. */
#define AT (3 * PAGE + 100)

FIXTURE(access)
{
	struct world w;
};

/* @brief: not all operations: they differ only in who faults */
FIXTURE_VARIANT(access)
{
	struct world w;
	bool brief;
};

#define ACCESS_VARIANT(_name, _kind, _brief, ...)			\
	FIXTURE_VARIANT_ADD(access, _name)				\
	{								\
		.w = {							\
			.kind = &vt_mem_##_kind,			\
			.access = ON_DEMAND,				\
			__VA_ARGS__					\
		},							\
		.brief = _brief,					\
	}

ACCESS_VARIANT(vram_system, vram_system, false);
ACCESS_VARIANT(host, host, false);
ACCESS_VARIANT(peerdirect, peerdirect, true);
ACCESS_VARIANT(vram_implicit, vram_system, true, .implicit = true);

FIXTURE_SETUP(access)
{
	self->w = variant->w;
	ASSERT_EQ(0, world_open(&self->w));
}

FIXTURE_TEARDOWN(access)
{
	EXPECT_EQ(0, world_close(&self->w));
}

/* The bytes that are to arrive, on the side that they come from. */
static int arrange(struct world *w, bool from_region)
{
	int ret = world_make(w);

	if (ret)
		return ret;
	vt_pattern_fill(w->other.shadow, ++w->seed, 0, LENGTH);
	if (from_region)
		return vt_mem_write(&w->mem, AT, w->other.shadow, LENGTH);
	memcpy(w->other.mem.addr, w->other.shadow, LENGTH);
	return 0;
}

static int arrange_into(void *world)
{
	return arrange(world, false);
}

static int arrange_from(void *world)
{
	return arrange(world, true);
}

/* An error of the memory on this side or the other is what may come of it. */
static int result(int status)
{
	switch (status) {
	case IBV_WC_REM_ACCESS_ERR:
	case IBV_WC_REM_OP_ERR:
	case IBV_WC_LOC_PROT_ERR:
	case IBV_WC_LOC_QP_OP_ERR:
	/* In the place of LOC_PROT_ERR, as Soft-RoCE reports it. */
	case IBV_WC_WR_FLUSH_ERR:
		return -EIO;
	}
	return status > 0 ? -EPROTO : status;
}

/* ---- the operations ---- */

static int call_write(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = vt_sge(&w->other, 0, LENGTH);

	return result(vt_rdma_write(&w->pair.end[0], &sge, 1,
				    world_at(w, AT)));
}

static int call_read(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = vt_sge(&w->other, 0, LENGTH);

	return result(vt_rdma_read(&w->pair.end[0], &sge, 1, world_at(w, AT)));
}

static int call_local_write(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = world_sge(w, AT, LENGTH);

	return result(vt_rdma_write(&w->pair.end[0], &sge, 1,
				    vt_remote(&w->other, 0)));
}

static int call_local_read(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = world_sge(w, AT, LENGTH);

	return result(vt_rdma_read(&w->pair.end[0], &sge, 1,
				   vt_remote(&w->other, 0)));
}

static int call_receive(void *world)
{
	struct world *w = world;
	struct ibv_sge from = vt_sge(&w->other, 0, LENGTH);
	struct ibv_sge to = world_sge(w, AT, LENGTH);
	struct ibv_wc wc = {};

	return result(vt_send_recv(&w->pair, &from, 1, &to, 1, &wc));
}

static int compare(struct world *w, const uint8_t *have, size_t length)
{
	ssize_t at = vt_first_diff(have, w->other.shadow, length);

	if (at < 0)
		return 0;
	fprintf(stderr, "# byte %zd is %02x, not %02x\n", at, have[at],
		w->other.shadow[at]);
	return -EILSEQ;
}

/* Afterwards all works, by new queue pairs if an error has ended these. */
static int finish(struct world *w, int ret, bool renew)
{
	if (!ret && renew)
		ret = vt_pair_renew(&w->pair);
	if (!ret)
		ret = world_use(w);
	return ret ? ret : world_unmake(w);
}

static int settle_into(void *world, int ret)
{
	struct world *w = world;
	uint8_t have[LENGTH];
	bool failed = ret;

	ret = vt_mem_read(&w->mem, AT, have, LENGTH);
	if (!ret && !failed)
		ret = compare(w, have, LENGTH);
	return finish(w, ret, failed);
}

static int settle_from(void *world, int ret)
{
	struct world *w = world;
	bool failed = ret;

	ret = failed ? 0 : compare(w, w->other.mem.addr, LENGTH);
	return finish(w, ret, failed);
}

/* Adds to a word that is known, and gets it. */
static int call_fetch_add(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);

	return result(vt_fetch_add(&w->pair.end[0], &sge,
				   world_at(w, AT + 4), 1));
}

static int settle_fetch_add(void *world, int ret)
{
	struct world *w = world;
	uint64_t have, want;
	bool failed = ret;

	memcpy(&want, w->other.shadow + 4, 8);
	ret = vt_mem_read(&w->mem, AT + 4, &have, 8);
	/* Done once, or not at all. */
	if (!ret && have != want + !failed)
		ret = -EILSEQ;
	if (!ret && !failed && memcmp(w->other.mem.addr, &want, 8))
		ret = -EILSEQ;
	return finish(w, ret, failed);
}

#define SWEEP_ACCESS(_name, _arrange, _settle, _always)			\
	SWEEP_IF(access, _name, _always || !variant->brief,		\
		 "done with other memory",				\
		 .arrange = _arrange, .call = call_##_name,		\
		 .settle = _settle, .errors = { EIO },			\
		 .whom = INJECT_WORKERS_IN_CORE, .at_least = 2)

SWEEP_ACCESS(write, arrange_into, settle_into, true)
SWEEP_ACCESS(read, arrange_from, settle_from, false)
SWEEP_ACCESS(local_write, arrange_from, settle_from, true)
SWEEP_ACCESS(local_read, arrange_into, settle_into, false)
SWEEP_ACCESS(receive, arrange_into, settle_into, false)
SWEEP_ACCESS(fetch_add, arrange_from, settle_fetch_add, false)

TEST_HARNESS_MAIN
