// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA accesses to MRs. Valid accesses must transfer the data of the model. Accesses
 * beyond the MR, with bad keys, or after a revocation must fail.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"

enum expected_result { MUST_WORK, MUST_FAIL, UNKNOWN };

static int required_access(const struct fz_access *a)
{
	if (a->atomic)
		return IBV_ACCESS_REMOTE_ATOMIC;
	if (a->remote)
		return a->out ? IBV_ACCESS_REMOTE_READ : IBV_ACCESS_REMOTE_WRITE;
	return a->out ? 0 : IBV_ACCESS_LOCAL_WRITE;
}

static uint64_t address(const struct fz_access *a)
{
	return a->mr.addr + (a->iova - a->mr.iova);
}

static bool inside(const struct fz_access *a)
{
	return a->iova >= a->mr.iova && a->length <= a->mr.length &&
	       a->iova - a->mr.iova <= a->mr.length - a->length;
}

bool fz_is_allowed(const struct fz_access *a)
{
	int required = required_access(a);

	return !a->bad_key && !a->mr.dead && inside(a) &&
	       (a->mr.access & required) == required;
}

/* iova + length overflows. Soft-RoCE can access only a part of such an MR. */
static bool iova_wraps(const struct fz_mr *mr)
{
	return mr->iova + mr->length <= mr->iova;
}

/* The result depends on the present mapping. */
static enum expected_result expect_on_demand_result(struct fz_world *world,
						    const struct fz_access *a)
{
	uint64_t addr = address(a), end = addr + a->length;
	int prot = PROT_READ | (a->out ? 0 : PROT_WRITE);

	if (!fz_accessible(world, addr, a->length, prot))
		return fz_page_at(world, addr) ? MUST_FAIL : UNKNOWN;
	for (; addr < end; addr = (addr & -FZ_PAGE) + FZ_PAGE) {
		struct fz_page *page = fz_page_at(world, addr);

		if (page->kind != FZ_VRAM)
			continue;
		if (world->bos[page->bo].no_export)
			return MUST_FAIL;
		/* A new mapping makes a revoked BO accessible again. */
		if (world->bos[page->bo].revoked)
			return UNKNOWN;
	}
	return MUST_WORK;
}

static enum expected_result expect_result(struct fz_world *world,
					  const struct fz_access *a)
{
	if (!a->length)
		return UNKNOWN;
	if (!fz_is_allowed(a))
		return MUST_FAIL;
	if (iova_wraps(&a->mr))
		return UNKNOWN;
	if (a->atomic && (address(a) % 8 || a->iova % 8))
		return a->iova % 8 ? MUST_FAIL : UNKNOWN;
	if (a->mr.access & IBV_ACCESS_ON_DEMAND)
		return expect_on_demand_result(world, a);
	return MUST_WORK;
}

/*
 * A READ into a range that exceeds the local MR stores data up to the end of the MR.
 * A remote WRITE beyond the end of an MR stores nothing.
 */
static void mark_partial_read(struct fz_run *run, const struct fz_access *a)
{
	uint64_t offset = a->iova - a->mr.iova;

	if (!a->out && !a->remote && offset < a->mr.length)
		fz_mark_unknown(run->world, address(a), a->mr.length - offset);
}

void fz_update_model(struct fz_run *run, const struct fz_access *a, bool worked)
{
	uint64_t addr = address(a), left = a->length, part;
	uint8_t *data = run->scratch;
	const struct fz_page *page;
	struct fz_bo *obj;

	if (a->mr.bo < 0 && !(a->mr.access & IBV_ACCESS_ON_DEMAND))
		return;
	if (!inside(a)) {
		mark_partial_read(run, a);
		return;
	}
	if (a->atomic || (!worked && !a->out)) {
		fz_mark_unknown(run->world, addr, left);
		return;
	}
	for (; worked && left; addr += part, data += part, left -= part) {
		part = FZ_PAGE - addr % FZ_PAGE;
		if (part > left)
			part = left;
		page = fz_page_at(run->world, addr);
		if (!page || page->kind != FZ_VRAM)
			continue;
		obj = &run->world->bos[page->bo];
		if (!a->out)
			memcpy(obj->shadow + page->index * FZ_PAGE +
			       addr % FZ_PAGE, data, part);
		else if (obj->known &&
			 memcmp(obj->shadow + page->index * FZ_PAGE +
				addr % FZ_PAGE, data, part))
			fz_fail(run, "BO %d, page %u: wrong data",
				page->bo, page->index);
	}
}

static bool random_access(struct fz_run *run, struct fz_access *a)
{
	int slot = fz_pick_mr(run);
	uint64_t span;

	if (slot < 0)
		return false;
	a->mr = run->world->mrs[slot];
	span = a->mr.length ?: 1;
	a->iova = a->mr.iova + fz_below(&run->rng, span);
	/* For an implicit MR, select an address in the arena. */
	if (span > FZ_PAGES * FZ_PAGE && fz_chance(&run->rng, 95))
		a->iova = a->mr.iova - a->mr.addr + FZ_ARENA +
			  fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	span -= a->iova - a->mr.iova;
	a->length = fz_below(&run->rng, 1 << fz_below(&run->rng, 15));
	if (fz_chance(&run->rng, 90) && a->length > span)
		a->length = span;
	if (fz_chance(&run->rng, 4))
		a->iova = fz_boundary(&run->rng);
	a->out = fz_chance(&run->rng, 50);
	a->remote = fz_chance(&run->rng, 75);
	a->bad_key = fz_chance(&run->rng, 3);
	a->atomic = a->remote && fz_chance(&run->rng, 10);
	if (a->atomic) {
		a->length = 8;
		a->out = false;
		if (fz_chance(&run->rng, 90))
			a->iova &= -8UL;
	}
	return true;
}

static int do_access(struct fz_run *run, const struct fz_access *a)
{
	struct vt_end *end = &run->pair.end[0];
	uint32_t wrong = a->bad_key ? 0x55 : 0;
	uint64_t scratch = (uintptr_t)run->scratch;
	struct vt_remote to = { scratch, run->scratch_mr->rkey };
	struct ibv_sge sge = { scratch, a->length, run->scratch_mr->lkey };

	if (a->remote)
		to = (struct vt_remote){ a->iova, a->mr.rkey ^ wrong };
	else
		sge = (struct ibv_sge){ a->iova, a->length,
					a->mr.lkey ^ wrong };
	if (a->atomic)
		return vt_fetch_add(end, &sge, to, 1);
	/* Data flows to the requester: a READ. */
	if (a->out == a->remote)
		return vt_rdma_read(end, &sge, 1, to);
	return vt_rdma_write(end, &sge, 1, to);
}

static void check(struct fz_run *run, const struct fz_access *a,
		  enum expected_result expectation, int ret)
{
	if (ret < 0)
		fz_fail(run, "no completion: %s", strerrorname_np(-ret));
	if (run->world->racing)
		return;
	if (expectation == MUST_WORK && ret)
		fz_fail(run, "status %d, expected success", ret);
	if (expectation == MUST_FAIL && !ret)
		fz_fail(run, "success, expected an error");
	fz_update_model(run, a, !ret);
}

static void op_rdma(struct fz_run *run)
{
	enum expected_result expectation = UNKNOWN;
	struct fz_access a = {};
	bool have_mr;
	int ret;

	fz_lock(run);
	have_mr = random_access(run, &a);
	if (have_mr)
		expectation = expect_result(run->world, &a);
	fz_unlock(run);
	if (!have_mr)
		return;
	if (!a.out)
		fz_fill_scratch(run, a.length);
	fz_begin(run, "rdma", a.mr.addr, a.iova, a.length,
		 a.out | a.remote << 1 | a.bad_key << 2 | a.atomic << 3,
		 expectation);
	ret = do_access(run, &a);
	if (expectation == UNKNOWN)
		fz_end_unhashed(run, ret);
	else
		fz_end(run, ret ? 1 : 0);
	fz_lock(run);
	check(run, &a, expectation, ret);
	fz_unlock(run);
	if (ret && vt_pair_renew(&run->pair))
		fz_fail(run, "cannot reconnect the queue pairs");
}

const struct fz_op fz_ops_rdma[] = {
	{ "rdma", 120, op_rdma },
	{},
};
