// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * RDMA through the regions: bytes that must be those of the model, inside;
 * errors, outside, with bad keys, and after the memory was taken away.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"

enum verdict { MUST_WORK, MUST_FAIL, UNKNOWN };

static int right_needed(const struct fz_access *a)
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
	int right = right_needed(a);

	return !a->bad_key && !a->mr.dead && inside(a) &&
	       (a->mr.access & right) == right;
}

/* Its last addresses are small ones again. Soft-RoCE reaches little of it. */
static bool wraps_around(const struct fz_mr *mr)
{
	return mr->iova + mr->length <= mr->iova;
}

/* On demand, it depends on what is there now. */
static enum verdict judge_on_demand(struct fz_world *world,
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
		if (world->objects[page->object].no_export)
			return MUST_FAIL;
		/* What was revoked comes back when it is mapped anew. */
		if (world->objects[page->object].revoked)
			return UNKNOWN;
	}
	return MUST_WORK;
}

static enum verdict judge(struct fz_world *world, const struct fz_access *a)
{
	if (!a->length)
		return UNKNOWN;
	if (!fz_is_allowed(a))
		return MUST_FAIL;
	if (wraps_around(&a->mr))
		return UNKNOWN;
	if (a->atomic && (address(a) % 8 || a->iova % 8))
		return a->iova % 8 ? MUST_FAIL : UNKNOWN;
	if (a->mr.access & IBV_ACCESS_ON_DEMAND)
		return judge_on_demand(world, a);
	return MUST_WORK;
}

/*
 * A READ into more than the region comes as far as its end; what the peer writes
 * is refused as a whole.
 */
static void forget_what_fits(struct fz_run *run, const struct fz_access *a)
{
	uint64_t offset = a->iova - a->mr.iova;

	if (!a->out && !a->remote && offset < a->mr.length)
		fz_forget_bytes(run->world, address(a), a->mr.length - offset);
}

void fz_settle(struct fz_run *run, const struct fz_access *a, bool worked)
{
	uint64_t addr = address(a), left = a->length, part;
	uint8_t *data = run->scratch;
	const struct fz_page *page;
	struct fz_object *obj;

	if (a->mr.object < 0 && !(a->mr.access & IBV_ACCESS_ON_DEMAND))
		return;
	if (!inside(a)) {
		forget_what_fits(run, a);
		return;
	}
	if (a->atomic || (!worked && !a->out)) {
		fz_forget_bytes(run->world, addr, left);
		return;
	}
	for (; worked && left; addr += part, data += part, left -= part) {
		part = FZ_PAGE - addr % FZ_PAGE;
		if (part > left)
			part = left;
		page = fz_page_at(run->world, addr);
		if (!page || page->kind != FZ_VRAM)
			continue;
		obj = &run->world->objects[page->object];
		if (!a->out)
			memcpy(obj->shadow + page->index * FZ_PAGE +
			       addr % FZ_PAGE, data, part);
		else if (obj->known &&
			 memcmp(obj->shadow + page->index * FZ_PAGE +
				addr % FZ_PAGE, data, part))
			fz_fail(run, "object %d, page %u: wrong bytes",
				page->object, page->index);
	}
}

static bool draw(struct fz_run *run, struct fz_access *a)
{
	int slot = fz_pick_mr(run);
	uint64_t span;

	if (slot < 0)
		return false;
	a->mr = run->world->mrs[slot];
	span = a->mr.length ?: 1;
	a->iova = a->mr.iova + fz_below(&run->rng, span);
	/* All of the address space is a region: where something may be. */
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

static int perform(struct fz_run *run, const struct fz_access *a)
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
	/* Towards the requester: a READ. */
	if (a->out == a->remote)
		return vt_rdma_read(end, &sge, 1, to);
	return vt_rdma_write(end, &sge, 1, to);
}

static void check(struct fz_run *run, const struct fz_access *a,
		  enum verdict verdict, int ret)
{
	if (ret < 0)
		fz_fail(run, "no completion: %s", strerrorname_np(-ret));
	if (run->world->racing)
		return;
	if (verdict == MUST_WORK && ret)
		fz_fail(run, "status %d, expected success", ret);
	if (verdict == MUST_FAIL && !ret)
		fz_fail(run, "success, expected an error");
	fz_settle(run, a, !ret);
}

static void go_rdma(struct fz_run *run)
{
	enum verdict verdict = UNKNOWN;
	struct fz_access a = {};
	bool go;
	int ret;

	fz_lock(run);
	go = draw(run, &a);
	if (go)
		verdict = judge(run->world, &a);
	fz_unlock(run);
	if (!go)
		return;
	if (!a.out)
		fz_fill_scratch(run, a.length);
	fz_begin(run, "rdma", a.mr.addr, a.iova, a.length,
		 a.out | a.remote << 1 | a.bad_key << 2 | a.atomic << 3,
		 verdict);
	ret = perform(run, &a);
	if (verdict == UNKNOWN)
		fz_end_either_way(run, ret);
	else
		fz_end(run, ret ? 1 : 0);
	fz_lock(run);
	check(run, &a, verdict, ret);
	fz_unlock(run);
	if (ret && vt_pair_renew(&run->pair))
		fz_fail(run, "no new queue pairs");
}

const struct fz_op fz_ops_rdma[] = {
	{ "rdma", 120, go_rdma },
	{},
};
