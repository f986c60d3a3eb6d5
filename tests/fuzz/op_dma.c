// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory regions of devices that do DMA, over any part of the arena, by plain
 * registrations; and what their engine reads and writes by them.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fuzz.h"
#include "lib/proc.h"

/* The engine takes 200 ms for up to a page. */
#define MOST 64

/* ---- reg ---- */

/* Which it is depends on who is asked first. */
static void expect_failure(struct fz_want *want,
			   void (*expect)(struct fz_want *want, int err))
{
	static const int errors[] = {
		EINVAL, EOPNOTSUPP, EFAULT, EACCES, ENODEV,
	};
	size_t i;

	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		expect(want, errors[i]);
}

/* It is the kernel that finds out whose memory it is. */
static bool makes_sense(const struct fz_mr *mr)
{
	return mr->addr + mr->length >= mr->addr &&
	       (!mr->length || mr->iova + (mr->length - 1) >= mr->iova) &&
	       (mr->addr ^ mr->iova) % FZ_PAGE == 0;
}

static bool has_rights(struct fz_world *world, const struct fz_mr *mr)
{
	int changes = IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;

	return fz_accessible(world, mr->addr & -FZ_PAGE,
			     mr->length + mr->addr % FZ_PAGE,
			     mr->access & changes ? PROT_READ | PROT_WRITE :
						    PROT_READ);
}

/* Nobody follows host memory; who cannot stop does not get what may go. */
static bool is_served(struct fz_world *world, const struct fz_dma_mr *m)
{
	bool on_demand = m->mr.access & IBV_ACCESS_ON_DEMAND;

	if (m->mr.object == FZ_NO_OBJECT)
		return !on_demand;
	if (world->objects[m->mr.object].no_export)
		return false;
	return m->device == EDU_RDMA_DYNAMIC ||
	       (m->device == EDU_RDMA_REVOCABLE && !on_demand);
}

static void want_reg(struct fz_world *world, struct fz_dma_mr *m,
		     struct fz_want *want)
{
	int known = IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND | FZ_ACCESS_OPTIONAL;

	fz_want_access(m->mr.access, want);
	m->mr.object = FZ_NO_OBJECT;
	/* Drivers pin the page that it would begin in, if it does within one. */
	if (!m->mr.length)
		expect_failure(want, fz_may);
	if (m->mr.access & ~known || !makes_sense(&m->mr) ||
	    !fz_one_owner(world, &m->mr) || !has_rights(world, &m->mr) ||
	    !is_served(world, m))
		expect_failure(want, m->mr.length ? fz_must : fz_may);
	fz_may(want, ENOMEM);
	/* All that may be pinned is. */
	fz_may(want, ENOSPC);
}

static void draw_reg(struct fz_run *run, struct fz_dma_mr *m)
{
	m->mr.used = true;
	m->device = fz_below(&run->rng, EDU_RDMA_DEVICES);
	fz_draw_mr(run, &m->mr);
	if (fz_chance(&run->rng, 90))
		m->mr.access &= IM_ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	if (fz_chance(&run->rng, 70))
		m->mr.access &= ~IBV_ACCESS_ON_DEMAND;
}

/*
 * Drivers map host memory for DMA as often as it is registered, and a kernel that
 * looks at DMA complains of the second time.
 */
static bool would_be_blamed(struct fz_world *world, struct fz_dma_mr *m)
{
	return vt_slow_kernel() && fz_one_owner(world, &m->mr) &&
	       m->mr.object == FZ_NO_OBJECT;
}

static void go_reg(struct fz_run *run)
{
	struct fz_world *world = run->world;
	struct fz_dma_mr m = {};
	struct fz_want want = {};
	int slot, ret;

	fz_lock(run);
	draw_reg(run, &m);
	if (would_be_blamed(world, &m)) {
		fz_unlock(run);
		return;
	}
	want_reg(world, &m, &want);
	fz_begin(run, "dma reg", m.device, m.mr.addr, m.mr.length, m.mr.access,
		 m.mr.object);
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

/* A copy of one, which is left or taken out of the table. Return: slot, -1: none. */
static int pick(struct fz_run *run, struct fz_dma_mr *m, bool take)
{
	struct fz_dma_mr *mrs = run->world->dma_mrs;
	int slot;

	fz_lock(run);
	slot = fz_pick_dma_mr(run);
	if (slot >= 0)
		*m = mrs[slot];
	if (slot >= 0 && take) {
		mrs[slot].mr.used = false;
		mrs[slot].mr.object = FZ_NO_OBJECT;
	}
	fz_unlock(run);
	return slot;
}

static void go_dereg(struct fz_run *run)
{
	struct fz_dma_mr m;
	int slot = pick(run, &m, true), ret;

	if (slot < 0)
		return;
	fz_begin(run, "dma dereg", slot, 0, 0, 0, 0);
	ret = im_dereg_mr(&m.im);
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

/* ---- accesses ---- */

static void draw_access(struct fz_run *run, const struct fz_dma_mr *m,
			struct fz_access *a)
{
	uint64_t left;

	a->mr = m->mr;
	a->iova = m->mr.iova + fz_below(&run->rng, m->mr.length ?: 1);
	left = m->mr.length - (a->iova - m->mr.iova);
	a->length = 1 + fz_below(&run->rng, MOST);
	if (fz_chance(&run->rng, 90) && a->length > left)
		a->length = left;
	if (fz_chance(&run->rng, 4))
		a->iova = fz_boundary(&run->rng);
	/* Nobody knows where it would be written. */
	a->out = fz_chance(&run->rng, 50) || m->ending;
	a->remote = fz_chance(&run->rng, 75);
	a->bad_key = fz_chance(&run->rng, 5);
}

static int perform(struct fz_run *run, const struct fz_dma_mr *m,
		   const struct fz_access *a)
{
	uint32_t key = m->im.rkey ^ (a->bad_key ? 0x55 : 0);

	return en_access(run->world->engine, m->device, key, a->iova,
			 run->scratch, a->length,
			 (a->out ? 0 : EDU_RDMA_WRITE) |
			 (a->remote ? 0 : EDU_RDMA_LOCAL));
}

/* Unmapped, it ends by itself, soon. */
static int perform_until_over(struct fz_run *run, const struct fz_dma_mr *m,
			      const struct fz_access *a)
{
	int64_t until = vt_now_ms() + 30000;
	int ret;

	while (!(ret = perform(run, m, a)) && !run->world->racing &&
	       vt_now_ms() < until)
		usleep(1000);
	return ret;
}

/* The owner had no place to bring it to. */
static bool found_no_place(const struct fz_dma_mr *m, int ret)
{
	return m->mr.object != FZ_NO_OBJECT && m->device == EDU_RDMA_DYNAMIC &&
	       (ret == -ENOSPC || ret == -ENOMEM);
}

/* Its owner does not export it now; who has it pinned has it. */
static bool is_withheld(struct fz_world *world, const struct fz_dma_mr *m)
{
	return m->mr.object != FZ_NO_OBJECT && m->device == EDU_RDMA_DYNAMIC &&
	       world->objects[m->mr.object].no_export;
}

static void check(struct fz_run *run, const struct fz_dma_mr *m,
		  const struct fz_access *a, int ret)
{
	bool allowed = fz_is_allowed(a) && !m->ending &&
		       !is_withheld(run->world, m);

	if (run->world->racing)
		return;
	if (!allowed && !ret)
		fz_fail(run, "success, expected an error");
	if (allowed && ret && !found_no_place(m, ret))
		fz_fail(run, "%s, expected success", strerrorname_np(-ret));
	fz_settle(run, a, !ret);
}

static void go_access(struct fz_run *run)
{
	struct fz_access a = {};
	struct fz_dma_mr m;
	int slot = pick(run, &m, false), ret;

	if (slot < 0)
		return;
	draw_access(run, &m, &a);
	if (!a.out)
		fz_fill_scratch(run, a.length);
	fz_begin(run, "dma", slot, a.iova, a.length,
		 a.out | a.remote << 1 | a.bad_key << 2, m.ending);
	ret = m.ending ? perform_until_over(run, &m, &a) : perform(run, &m, &a);
	fz_end(run, ret ? 1 : 0);
	fz_lock(run);
	check(run, &m, &a, ret);
	fz_unlock(run);
}

const struct fz_op fz_ops_dma[] = {
	{ "dma reg", 60, go_reg },
	{ "dma dereg", 20, go_dereg },
	{ "dma", 8, go_access },
	{},
};
