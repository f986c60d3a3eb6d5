// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of DMA importers of any range of the arena, registered by address, and reads
 * and writes of their engine.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/proc.h"

/* Bytes of an access. The engine needs 200 ms for a page or less. */
#define MAX_LENGTH 64

/* ---- reg ---- */

/* The errno depends on the order of checks in the kernel. */
static void expect_any_error(struct fz_want *want,
			     void (*expect)(struct fz_want *want, int err))
{
	static const int errors[] = {
		EINVAL, EOPNOTSUPP, EFAULT, EACCES, ENODEV,
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		expect(want, errors[i]);
}

/* Checks that do not depend on the memory. */
static bool args_are_valid(const struct fz_mr *mr)
{
	return mr->addr + mr->length >= mr->addr &&
	       (!mr->length || mr->iova + (mr->length - 1) >= mr->iova) &&
	       (mr->addr ^ mr->iova) % FZ_PAGE == 0;
}

static bool has_permissions(struct fz_world *world, const struct fz_mr *mr)
{
	int write_access = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

	return fz_accessible(world, mr->addr & -FZ_PAGE,
			     mr->length + mr->addr % FZ_PAGE,
			     mr->access & write_access ? PROT_READ | PROT_WRITE :
						    PROT_READ);
}

/*
 * On-demand MRs need peer memory and a dynamic importer. A non-revocable importer
 * cannot register VRAM.
 */
static bool can_register(struct fz_world *world, const struct fz_dma_mr *m)
{
	bool on_demand = m->mr.access & IBV_ACCESS_ON_DEMAND;

	if (m->mr.bo == FZ_NO_BO)
		return !on_demand;
	if (world->bos[m->mr.bo].no_export)
		return false;
	return m->device == EDU_RDMA_DYNAMIC ||
	       (m->device == EDU_RDMA_REVOCABLE && !on_demand);
}

static void want_reg(struct fz_world *world, struct fz_dma_mr *m,
		     struct fz_want *want)
{
	int known_access = IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND |
			   FZ_ACCESS_OPTIONAL;

	fz_want_access(m->mr.access, want);
	m->mr.bo = FZ_NO_BO;
	/* With length 0, a driver pins a page if the address is within one. */
	if (!m->mr.length)
		expect_any_error(want, fz_may);
	if (m->mr.access & ~known_access || !args_are_valid(&m->mr) ||
	    !fz_has_one_exporter(world, &m->mr) ||
	    !has_permissions(world, &m->mr) ||
	    !can_register(world, m))
		expect_any_error(want, m->mr.length ? fz_must : fz_may);
	fz_may(want, ENOMEM);
	/* The limit of pinned VRAM may be reached. */
	fz_may(want, ENOSPC);
}

static void random_reg(struct fz_run *run, struct fz_dma_mr *m)
{
	m->mr.used = true;
	m->device = fz_below(&run->rng, EDU_RDMA_DEVICES);
	fz_random_mr(run, &m->mr);
	if (fz_chance(&run->rng, 90))
		m->mr.access &= IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	if (fz_chance(&run->rng, 70))
		m->mr.access &= ~IBV_ACCESS_ON_DEMAND;
}

/*
 * Each registration of system memory maps it for DMA. DMA debugging of the kernel
 * warns about overlapping mappings.
 */
static bool would_warn(struct fz_world *world, struct fz_dma_mr *m)
{
	return vt_slow_kernel() && fz_has_one_exporter(world, &m->mr) &&
	       m->mr.bo == FZ_NO_BO;
}

static void op_reg(struct fz_run *run)
{
	struct fz_world *world = run->world;
	struct fz_dma_mr m = {};
	struct fz_want want = {};
	int slot, ret;

	fz_lock(run);
	random_reg(run, &m);
	if (would_warn(world, &m)) {
		fz_unlock(run);
		return;
	}
	want_reg(world, &m, &want);
	fz_begin(run, "dma reg", m.device, m.mr.addr, m.mr.length, m.mr.access,
		 m.mr.bo);
	fz_unlock(run);
	ret = im_reg_mr(&world->dma_devs[m.device], &m.im, (void *)m.mr.addr,
			m.mr.length, m.mr.iova, m.mr.access);
	fz_lock(run);
	fz_end(run, ret);
	fz_check(run, &want, ret);
	for (slot = 0; slot < FZ_DMA_MRS; slot++)
		if (!world->dma_mrs[slot].mr.used)
			break;
	if (!ret && slot < FZ_DMA_MRS)
		world->dma_mrs[slot] = m;
	fz_unlock(run);
	if (!ret && slot == FZ_DMA_MRS)
		fz_check(run, &(struct fz_want){}, im_dereg_mr(&m.im));
}

/* Copies a random MR, and removes it if @take. Return: its index, or -1. */
static int pick_mr(struct fz_run *run, struct fz_dma_mr *m, bool take)
{
	struct fz_dma_mr *mrs = run->world->dma_mrs;
	int slot;

	fz_lock(run);
	slot = fz_pick_dma_mr(run);
	if (slot >= 0)
		*m = mrs[slot];
	if (slot >= 0 && take) {
		mrs[slot].mr.used = false;
		mrs[slot].mr.bo = FZ_NO_BO;
	}
	fz_unlock(run);
	return slot;
}

static void op_dereg(struct fz_run *run)
{
	struct fz_dma_mr m;
	int slot = pick_mr(run, &m, true), ret;

	if (slot < 0)
		return;
	fz_begin(run, "dma dereg", slot, 0, 0, 0, 0);
	ret = im_dereg_mr(&m.im);
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

/* ---- accesses ---- */

static void random_access(struct fz_run *run, const struct fz_dma_mr *m,
			  struct fz_access *a)
{
	uint64_t left;

	a->mr = m->mr;
	a->iova = m->mr.iova + fz_below(&run->rng, m->mr.length ?: 1);
	left = m->mr.length - (a->iova - m->mr.iova);
	a->length = 1 + fz_below(&run->rng, MAX_LENGTH);
	if (fz_chance(&run->rng, 90) && a->length > left)
		a->length = left;
	if (fz_chance(&run->rng, 4))
		a->iova = fz_boundary(&run->rng);
	/* A write to an ending MR may reach memory that it no longer shows. */
	a->out = fz_chance(&run->rng, 50) || m->ending;
	a->remote = fz_chance(&run->rng, 75);
	a->bad_key = fz_chance(&run->rng, 5);
}

static int do_access(struct fz_run *run, const struct fz_dma_mr *m,
		     const struct fz_access *a)
{
	uint32_t key = m->im.rkey ^ (a->bad_key ? 0x55 : 0);

	return en_access(run->world->engine, m->device, key, a->iova,
			 run->scratch, a->length,
			 (a->out ? 0 : EDU_RDMA_WRITE) |
			 (a->remote ? 0 : EDU_RDMA_LOCAL));
}

/* An unmapped MR ends asynchronously: retry until an access fails. */
static int access_until_revoked(struct fz_run *run, const struct fz_dma_mr *m,
				const struct fz_access *a)
{
	int64_t until = vt_now_ms() + 30000;
	int ret;

	while (!(ret = do_access(run, m, a)) && !run->world->racing &&
	       vt_now_ms() < until)
		usleep(1000);
	return ret;
}

/* The exporter could not move the BO, because VRAM was full. */
static bool no_room_to_move(const struct fz_dma_mr *m, int ret)
{
	return m->mr.bo != FZ_NO_BO && m->device == EDU_RDMA_DYNAMIC &&
	       (ret == -ENOSPC || ret == -ENOMEM);
}

/* The BO is not exportable at the moment. This does not affect pinned MRs. */
static bool is_not_exportable(struct fz_world *world, const struct fz_dma_mr *m)
{
	return m->mr.bo != FZ_NO_BO && m->device == EDU_RDMA_DYNAMIC &&
	       world->bos[m->mr.bo].no_export;
}

static void check(struct fz_run *run, const struct fz_dma_mr *m,
		  const struct fz_access *a, int ret)
{
	bool allowed = fz_is_allowed(a) && !m->ending &&
		       !is_not_exportable(run->world, m);

	if (run->world->racing)
		return;
	if (!allowed && !ret)
		fz_fail(run, "success, expected an error");
	if (allowed && ret && !no_room_to_move(m, ret))
		fz_fail(run, "%s, expected success", strerrorname_np(-ret));
	fz_update_model(run, a, !ret);
}

static void op_access(struct fz_run *run)
{
	struct fz_access a = {};
	struct fz_dma_mr m;
	int slot = pick_mr(run, &m, false), ret;

	if (slot < 0)
		return;
	random_access(run, &m, &a);
	if (!a.out)
		fz_fill_scratch(run, a.length);
	fz_begin(run, "dma", slot, a.iova, a.length,
		 a.out | a.remote << 1 | a.bad_key << 2, m.ending);
	ret = m.ending ? access_until_revoked(run, &m, &a) : do_access(run, &m, &a);
	fz_end(run, ret ? 1 : 0);
	fz_lock(run);
	check(run, &m, &a, ret);
	fz_unlock(run);
}

const struct fz_op fz_ops_dma[] = {
	{ "dma reg", 60, op_reg },
	{ "dma dereg", 20, op_dereg },
	{ "dma", 8, op_access },
	{},
};
