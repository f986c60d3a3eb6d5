// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that is taken away from below a memory region while allocations fail:
 * what failed has taken nothing away, what did not is gone for the region.
 */
#include <sys/mman.h>

#include "../vram/vram.h"
#include "client.h"
#include "mr.h"

/* A page in the middle, which world_use() does not touch. */
#define AT (6 * PAGE)

MR_VARIANT(vram, vram, VT_ACCESS_ALL);
MR_VARIANT(vram_on_demand, vram, ON_DEMAND);
MR_VARIANT(host_on_demand, host, ON_DEMAND);
MR_VARIANT(peerdirect, peerdirect, VT_ACCESS_ALL);
MR_VARIANT(peerdirect_on_demand, peerdirect, ON_DEMAND);

/* With its pages in the page table. */
static int arrange(void *world)
{
	struct world *w = world;
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret = world_make(w);

	if (!ret)
		ret = world_use(w);
	return ret ? ret :
		vt_rdma_read(&w->pair.end[0], &sge, 1, world_at(w, AT));
}

/* All of it is as it was. */
static int finish_used(struct world *w)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret = vt_rdma_read(&w->pair.end[0], &sge, 1, world_at(w, AT));

	if (ret)
		return ret < 0 ? ret : -EPROTO;
	ret = world_use(w);
	return ret ? ret : world_unmake(w);
}

/* That page is gone; the others only if the region was a pinned one. */
static int finish_gone(struct world *w, bool write)
{
	int ret = world_refused(w, AT, write);

	if (!ret && on_demand(w))
		ret = world_use(w);
	else if (!ret)
		ret = world_refused(w, 0, false);
	return ret ? ret : world_unmake(w);
}

/* ---- by the process ---- */

static int call_munmap(void *world)
{
	struct world *w = world;

	return munmap(w->mem.addr + AT, PAGE) ? -errno : 0;
}

static int settle_munmap(void *world, int ret)
{
	return ret ? finish_used(world) : finish_gone(world, false);
}

SWEEP(mr, munmap, .arrange = arrange, .call = call_munmap,
      .settle = settle_munmap, .at_least = 1)

static int call_mprotect(void *world)
{
	struct world *w = world;

	return mprotect(w->mem.addr + AT, PAGE, PROT_READ) ? -errno : 0;
}

static int settle_mprotect(void *world, int ret)
{
	return ret ? finish_used(world) : finish_gone(world, true);
}

SWEEP_IF(mr, mprotect, on_demand(&self->w), "does not concern pinned pages",
	 .arrange = arrange, .call = call_mprotect, .settle = settle_mprotect,
	 .at_least = 1)

static int call_mremap(void *world)
{
	struct world *w = world;
	void *to = (void *)0x300000000000;

	to = mremap(w->mem.addr, w->length, w->length,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return to == MAP_FAILED ? -errno : 0;
}

/*
 * mremap() says to mmu notifiers that the old place is unmapped, and only then
 * finds that it has no memory for page tables of the new one, and turns back: a
 * pinned region cannot know, and ends. If so, all of it.
 */
static int finish_failed_mremap(struct world *w)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret;

	if (!vt_rdma_read(&w->pair.end[0], &sge, 1, world_at(w, AT)))
		return finish_used(w);
	ret = vt_pair_renew(&w->pair);
	return ret ? ret : finish_gone(w, false);
}

static int settle_mremap(void *world, int ret)
{
	struct world *w = world;

	if (ret)
		return on_demand(w) ? finish_used(w) : finish_failed_mremap(w);
	ret = world_refused(w, AT, false);
	if (ret)
		return ret;
	w->mem.addr = (void *)0x300000000000;
	return world_unmake(w);
}

SWEEP(mr, mremap, .arrange = arrange, .call = call_mremap,
      .settle = settle_mremap, .at_least = 1)

/* Shared memory keeps its bytes, wherever they are. */
static int call_dontneed(void *world)
{
	struct world *w = world;

	return madvise(w->mem.addr, w->length, MADV_DONTNEED) ? -errno : 0;
}

static int settle_used(void *world, int ret)
{
	(void)ret;
	return finish_used(world);
}

SWEEP_IF(mr, dontneed, self->w.kind == &vt_mem_host,
	 "not for mappings of devices",
	 .arrange = arrange, .call = call_dontneed, .settle = settle_used)

/* ---- by the owner ---- */

static int call_revoke(void *world)
{
	struct world *w = world;

	return vt_mem_revoke(&w->mem);
}

/* A PeerDirect client that invalidates may be asked again. */
static int settle_revoke(void *world, int ret)
{
	struct world *w = world;

	if (ret || (w->kind == &vt_mem_peerdirect && on_demand(w)))
		return finish_used(w);
	ret = world_refused(w, AT, false);
	return ret ? ret : world_unmake(w);
}

SWEEP_IF(mr, revoke, self->w.kind->revoke, "host memory has no owner to do so",
	 .arrange = arrange, .call = call_revoke, .settle = settle_revoke)

static int call_destroy(void *world)
{
	struct world *w = world;

	return vt_mem_destroy(&w->mem);
}

static int settle_destroy(void *world, int ret)
{
	struct world *w = world;

	if (ret)
		return finish_used(w);
	ret = world_refused(w, AT, false);
	return ret ? ret : world_unmake(w);
}

SWEEP_IF(mr, destroy, self->w.kind->destroy, "nothing to destroy",
	 .arrange = arrange, .call = call_destroy, .settle = settle_destroy)

static int call_move_out(void *world)
{
	struct world *w = world;

	return vram_move(w->mem.fd, w->mem.handle, PEER_VRAM_DOMAIN_SYSTEM);
}

SWEEP_IF(mr, move_out, self->w.kind == &vt_mem_vram && on_demand(&self->w),
	 "does not move",
	 .arrange = arrange, .call = call_move_out, .settle = settle_used,
	 .at_least = 3)

/* ---- clients that come ---- */

FIXTURE(client)
{
};

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_peerdirect));
	ASSERT_EQ(0, client_unload());
}

FIXTURE_TEARDOWN(client)
{
}

static int call_client(void *world)
{
	(void)world;
	return client_load();
}

static int settle_client(void *world, int ret)
{
	(void)world;
	if (ret)
		return access(CLIENT, F_OK) ? 0 : -EEXIST;
	if (access(CLIENT "/num_alloc_mrs", R_OK))
		return -errno;
	return client_unload();
}

/* EINVAL: the module's word for "not registered", whatever the reason. */
TEST_F_TIMEOUT(client, comes, 300)
{
	struct sweep sweep = {
		.name = "client.comes", .call = call_client,
		.settle = settle_client, .errors = { EINVAL },
		.whom = INJECT_SELF_IN_CORE, .at_least = 5,
	};

	EXPECT_EQ(0, sweep_run(&sweep, NULL));
}

TEST_HARNESS_MAIN
