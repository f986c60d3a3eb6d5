// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Invalidation of memory below an MR while allocations fail. A call that failed
 * must not have invalidated pages. A call that succeeded must have ended access
 * to them.
 */
#include <sys/mman.h>

#include "../vram/vram.h"
#include "../page_size.h"
#include "client.h"
#include "mr.h"

/* A page in the middle, which env_check_access() does not access. */
#define AT (6 * page_size())

MR_VARIANT(vram, vram, VT_ACCESS_ALL);
MR_VARIANT(vram_on_demand, vram, ON_DEMAND);
MR_VARIANT(host_on_demand, host, ON_DEMAND);
MR_VARIANT(peerdirect, peerdirect, VT_ACCESS_ALL);
MR_VARIANT(peerdirect_on_demand, peerdirect, ON_DEMAND);

/* Makes the pages present in the page table. */
static int prepare(void *env)
{
	struct env *w = env;
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret = env_create(w);

	if (!ret)
		ret = env_check_access(w);
	return ret ? ret :
		vt_rdma_read(&w->pair.end[0], &sge, 1, env_remote(w, AT));
}

/* Everything is as before. */
static int finish_unchanged(struct env *w)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret = vt_rdma_read(&w->pair.end[0], &sge, 1, env_remote(w, AT));

	if (ret)
		return ret < 0 ? ret : -EPROTO;
	ret = env_check_access(w);
	return ret ? ret : env_destroy(w);
}

/* The page is inaccessible. A pinned MR is revoked as a whole. */
static int finish_revoked(struct env *w, bool write)
{
	int ret = env_check_denied(w, AT, write);

	if (!ret && on_demand(w))
		ret = env_check_access(w);
	else if (!ret)
		ret = env_check_denied(w, 0, false);
	return ret ? ret : env_destroy(w);
}

/* ---- calls of the process ---- */

static int call_munmap(void *env)
{
	struct env *w = env;

	return munmap(w->mem.addr + AT, page_size()) ? -errno : 0;
}

static int verify_munmap(void *env, int ret)
{
	return ret ? finish_unchanged(env) : finish_revoked(env, false);
}

SWEEP(mr, munmap, .prepare = prepare, .call = call_munmap,
      .verify = verify_munmap, .min_failures = 1)

static int call_mprotect(void *env)
{
	struct env *w = env;

	return mprotect(w->mem.addr + AT, page_size(), PROT_READ) ? -errno : 0;
}

static int verify_mprotect(void *env, int ret)
{
	return ret ? finish_unchanged(env) : finish_revoked(env, true);
}

SWEEP_IF(mr, mprotect, on_demand(&self->w), "no effect on pinned pages",
	 .prepare = prepare, .call = call_mprotect, .verify = verify_mprotect,
	 .min_failures = 1)

static int call_mremap(void *env)
{
	struct env *w = env;
	void *to = (void *)0x300000000000;

	to = mremap(w->mem.addr, w->length, w->length,
		    MREMAP_MAYMOVE | MREMAP_FIXED, to);
	return to == MAP_FAILED ? -errno : 0;
}

/*
 * mremap() first reports an unmap of the old address to mmu notifiers. If it
 * then has no memory for the new page tables, it moves the mapping back. A
 * pinned MR cannot detect that, and is revoked. It must be revoked as a whole.
 */
static int finish_failed_mremap(struct env *w)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int ret;

	if (!vt_rdma_read(&w->pair.end[0], &sge, 1, env_remote(w, AT)))
		return finish_unchanged(w);
	ret = vt_pair_renew(&w->pair);
	return ret ? ret : finish_revoked(w, false);
}

static int verify_mremap(void *env, int ret)
{
	struct env *w = env;

	if (ret)
		return on_demand(w) ? finish_unchanged(w) :
				      finish_failed_mremap(w);
	ret = env_check_denied(w, AT, false);
	if (ret)
		return ret;
	w->mem.addr = (void *)0x300000000000;
	return env_destroy(w);
}

SWEEP(mr, mremap, .prepare = prepare, .call = call_mremap,
      .verify = verify_mremap, .min_failures = 1)

/* Shared memory keeps its data when pages move. */
static int call_dontneed(void *env)
{
	struct env *w = env;

	return madvise(w->mem.addr, w->length, MADV_DONTNEED) ? -errno : 0;
}

static int verify_used(void *env, int ret)
{
	(void)ret;
	return finish_unchanged(env);
}

SWEEP_IF(mr, dontneed, self->w.kind == &vt_mem_host,
	 "only for system memory",
	 .prepare = prepare, .call = call_dontneed, .verify = verify_used)

/* ---- calls of the exporter ---- */

static int call_revoke(void *env)
{
	struct env *w = env;

	return vt_mem_revoke(&w->mem);
}

/* A PeerDirect client that has invalidated memory can be asked for it again. */
static int verify_revoke(void *env, int ret)
{
	struct env *w = env;

	if (ret || (w->kind == &vt_mem_peerdirect && on_demand(w)))
		return finish_unchanged(w);
	ret = env_check_denied(w, AT, false);
	return ret ? ret : env_destroy(w);
}

SWEEP_IF(mr, revoke, self->w.kind->revoke, "system memory cannot be revoked",
	 .prepare = prepare, .call = call_revoke, .verify = verify_revoke)

static int call_destroy(void *env)
{
	struct env *w = env;

	return vt_mem_destroy(&w->mem);
}

static int verify_destroy(void *env, int ret)
{
	struct env *w = env;

	if (ret)
		return finish_unchanged(w);
	ret = env_check_denied(w, AT, false);
	return ret ? ret : env_destroy(w);
}

SWEEP_IF(mr, destroy, self->w.kind->destroy,
	 "system memory cannot be destroyed",
	 .prepare = prepare, .call = call_destroy, .verify = verify_destroy)

static int call_move_out(void *env)
{
	struct env *w = env;

	return vram_move(w->mem.fd, w->mem.handle, PEER_VRAM_DOMAIN_SYSTEM);
}

SWEEP_IF(mr, move_out, self->w.kind == &vt_mem_vram && on_demand(&self->w),
	 "memory cannot move",
	 .prepare = prepare, .call = call_move_out, .verify = verify_used,
	 .min_failures = 3)

/* ---- loading a PeerDirect client ---- */

FIXTURE(client)
{
};

FIXTURE_SETUP(client)
{
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_peerdirect));
	ASSERT_EQ(0, unload_client());
}

FIXTURE_TEARDOWN(client)
{
}

static int call_client(void *env)
{
	(void)env;
	return load_client();
}

static int verify_client(void *env, int ret)
{
	(void)env;
	if (ret)
		return access(CLIENT, F_OK) ? 0 : -EEXIST;
	if (access(CLIENT "/num_alloc_mrs", R_OK))
		return -errno;
	return unload_client();
}

/* EINVAL: the module returns it if registration failed, for any reason. */
TEST_F_TIMEOUT(client, load, 300)
{
	struct sweep sweep = {
		.name = "client.load", .call = call_client,
		.verify = verify_client, .errors = { EINVAL },
		.target = INJECT_SELF_IN_CORE, .min_failures = 5,
	};

	EXPECT_EQ(0, sweep_run(&sweep, NULL));
}

TEST_HARNESS_MAIN
