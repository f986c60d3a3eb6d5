// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * MRs of any range of the arena, and of other addresses: ibv_reg_mr(),
 * ibv_rereg_mr(), ibv_advise_mr(), ibv_dereg_mr().
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include <rdma/ib_user_verbs.h>

#include "call.h"
#include "fuzz.h"
#include "lib/raw.h"

#define REMOTE_WRITE_ACCESS (IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)
#define WRITE_ACCESS (IBV_ACCESS_LOCAL_WRITE | REMOTE_WRITE_ACCESS | \
		      IBV_ACCESS_MW_BIND)
#define KNOWN_ACCESS (WRITE_ACCESS | IBV_ACCESS_REMOTE_READ | \
		      IBV_ACCESS_ON_DEMAND | \
		      VT_ACCESS_FLUSH_GLOBAL)

static int random_access_flags(struct fz_run *run)
{
	int access = fz_next(&run->rng) & KNOWN_ACCESS;

	if (fz_chance(&run->rng, 80))
		access |= IBV_ACCESS_LOCAL_WRITE;
	if (fz_chance(&run->rng, 50))
		access |= IBV_ACCESS_REMOTE_READ | REMOTE_WRITE_ACCESS;
	if (fz_chance(&run->rng, 4))
		access |= 1 << fz_below(&run->rng, 32);
	return access;
}

void fz_want_access(int access, struct fz_want *want)
{
	if (access & REMOTE_WRITE_ACCESS && !(access & IBV_ACCESS_LOCAL_WRITE))
		fz_must(want, EINVAL);
	if (access & ~(KNOWN_ACCESS | FZ_ACCESS_OPTIONAL)) {
		fz_may(want, EOPNOTSUPP);
		fz_may(want, EINVAL);
	}
	if (access & ~(KNOWN_ACCESS | FZ_ACCESS_OPTIONAL | IBV_ACCESS_ZERO_BASED |
		       IBV_ACCESS_HUGETLB)) {
		fz_must(want, EOPNOTSUPP);
		fz_must(want, EINVAL);
	}
	if (access & FZ_ACCESS_OPTIONAL)
		fz_may(want, EOPNOTSUPP);
}

/* ---- reg ---- */

void fz_random_mr(struct fz_run *run, struct fz_mr *mr)
{
	uint64_t room;

	mr->access = random_access_flags(run);
	mr->addr = FZ_ARENA + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	if (fz_chance(&run->rng, 70))
		mr->addr &= -FZ_PAGE;
	room = FZ_ARENA + FZ_PAGES * FZ_PAGE - mr->addr;
	mr->length = 1 + fz_below(&run->rng, room) /
			 (1 + fz_below(&run->rng, 1024));
	if (fz_chance(&run->rng, 4))
		mr->length = fz_boundary(&run->rng);
	if (fz_chance(&run->rng, 3))
		mr->addr = fz_boundary(&run->rng);
	/* An implicit MR of the whole address space. */
	if (fz_chance(&run->rng, 3)) {
		mr->addr = 0;
		mr->length = SIZE_MAX;
		mr->access |= IBV_ACCESS_ON_DEMAND;
	}
	mr->iova = mr->addr;
	if (fz_chance(&run->rng, 20))
		mr->iova = (fz_boundary(&run->rng) & -FZ_PAGE) |
			   mr->addr % FZ_PAGE;
	if (fz_chance(&run->rng, 3))
		mr->iova ^= 1 << fz_below(&run->rng, 12);
}

bool fz_has_one_exporter(struct fz_world *world, struct fz_mr *mr)
{
	const struct fz_page *first = fz_page_at(world, mr->addr), *page;
	uint64_t addr, n = 0;

	mr->bo = FZ_NO_BO;
	if (!first)
		return false;
	for (addr = mr->addr & -FZ_PAGE; addr < mr->addr + mr->length;
	     addr += FZ_PAGE, n++) {
		page = fz_page_at(world, addr);
		if (!page || page->kind != first->kind)
			return false;
		if (page->kind == FZ_VRAM &&
		    (page->bo != first->bo ||
		     page->index != first->index + n))
			return false;
	}
	if (first->kind == FZ_VRAM)
		mr->bo = first->bo;
	return true;
}

static void want_pinned(struct fz_run *run, struct fz_mr *mr,
			struct fz_want *want)
{
	int prot = PROT_READ | (mr->access & WRITE_ACCESS ? PROT_WRITE : 0);
	struct fz_world *world = run->world;

	fz_may(want, ENOMEM);
	if (mr->length >> 44)
		fz_must(want, EINVAL);
	/* The limit of pinned VRAM may be reached. */
	fz_may(want, ENOSPC);
	if (!fz_has_one_exporter(world, mr) ||
	    !fz_accessible(world, mr->addr & -FZ_PAGE,
			   mr->length + mr->addr % FZ_PAGE, prot) ||
	    (mr->bo >= 0 && world->bos[mr->bo].no_export)) {
		fz_must(want, EFAULT);
		fz_must(want, EACCES);
		fz_must(want, ENODEV);
	}
}

static void want_reg(struct fz_run *run, struct fz_mr *mr, struct fz_want *want)
{
	bool all = !mr->addr && mr->length == SIZE_MAX &&
		   mr->access & IBV_ACCESS_ON_DEMAND;

	mr->bo = FZ_NO_BO;
	fz_want_access(mr->access, want);
	if ((mr->addr ^ mr->iova) % FZ_PAGE)
		fz_must(want, EINVAL);
	if (!mr->length)
		fz_may(want, EINVAL);
	if (!all && (mr->addr + mr->length < mr->addr ||
		     mr->addr + mr->length + FZ_PAGE - 1 < mr->addr))
		fz_must(want, EINVAL);
	else if (mr->access & IBV_ACCESS_ON_DEMAND)
		fz_may(want, ENOMEM);
	else if (mr->length)
		want_pinned(run, mr, want);
	else
		fz_may(want, EFAULT);
}

static int reg(struct ibv_pd *pd, struct fz_mr *mr)
{
	struct ib_uverbs_reg_mr_resp resp = {};
	struct ib_uverbs_reg_mr cmd = {
		.start = mr->addr,
		.length = mr->length,
		.hca_va = mr->iova,
		.pd_handle = pd->handle,
		.access_flags = mr->access,
	};
	int ret = fz_verbs(pd->context, IB_USER_VERBS_CMD_REG_MR, &cmd,
			   sizeof(cmd), &resp, sizeof(resp));

	mr->handle = resp.mr_handle;
	mr->lkey = resp.lkey;
	mr->rkey = resp.rkey;
	return ret;
}

static int dereg(struct fz_run *run, uint32_t handle)
{
	struct ib_uverbs_dereg_mr cmd = { .mr_handle = handle };

	return fz_verbs(run->world->dev.ctx, IB_USER_VERBS_CMD_DEREG_MR, &cmd,
			sizeof(cmd), NULL, 0);
}

static void op_reg(struct fz_run *run)
{
	struct fz_mr mr = { .used = true };
	struct fz_want want = {};
	int slot, ret;

	fz_lock(run);
	fz_random_mr(run, &mr);
	want_reg(run, &mr, &want);
	fz_begin(run, "reg", mr.addr, mr.length, mr.iova, mr.access, mr.bo);
	fz_unlock(run);
	ret = reg(run->world->dev.pd, &mr);
	fz_lock(run);
	fz_end(run, ret);
	fz_check(run, &want, ret);
	for (slot = 0; slot < FZ_MRS; slot++)
		if (!run->world->mrs[slot].used)
			break;
	if (!ret && slot < FZ_MRS)
		run->world->mrs[slot] = mr;
	fz_unlock(run);
	if (!ret && slot == FZ_MRS)
		fz_check(run, &(struct fz_want){}, dereg(run, mr.handle));
}

static void op_dereg(struct fz_run *run)
{
	uint32_t handle = 0;
	int slot, ret;

	fz_lock(run);
	slot = fz_pick_mr(run);
	if (slot >= 0) {
		handle = run->world->mrs[slot].handle;
		run->world->mrs[slot].used = false;
		run->world->mrs[slot].bo = FZ_NO_BO;
	}
	fz_unlock(run);
	if (slot < 0)
		return;
	fz_begin(run, "dereg", slot, 0, 0, 0, 0);
	ret = dereg(run, handle);
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

/* ---- rereg ---- */

static void want_rereg(const struct fz_mr *mr, uint32_t flags, int access,
		       struct fz_want *want)
{
	if (flags != IBV_REREG_MR_CHANGE_ACCESS) {
		fz_must(want, EINVAL);
		fz_must(want, EOPNOTSUPP);
		/* The PD handle is invalid. */
		fz_must(want, ENOENT);
	}
	/* rxe does not check this flag for pinned MRs of system memory. */
	if (mr->bo == FZ_NO_BO && !(mr->access & IBV_ACCESS_ON_DEMAND))
		access &= ~VT_ACCESS_FLUSH_PERSISTENT;
	fz_want_access(access, want);
	/* Memory that was pinned for reading cannot become writable. */
	if (access & WRITE_ACCESS && !(mr->access & WRITE_ACCESS)) {
		fz_may(want, EACCES);
		fz_may(want, EOPNOTSUPP);
	}
	if ((access ^ mr->access) & IBV_ACCESS_ON_DEMAND)
		fz_must(want, EOPNOTSUPP);
	fz_may(want, ENOMEM);
}

static void op_rereg(struct fz_run *run)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct ib_uverbs_rereg_mr cmd = { .flags = IBV_REREG_MR_CHANGE_ACCESS };
	struct fz_want want = {};
	struct fz_mr mr;
	int slot, ret;

	fz_lock(run);
	slot = fz_pick_mr(run);
	if (slot < 0)
		goto out;
	mr = run->world->mrs[slot];
	cmd.mr_handle = mr.handle;
	cmd.pd_handle = UINT32_MAX;
	cmd.access_flags = random_access_flags(run);
	if (fz_chance(&run->rng, 80))
		cmd.access_flags = (cmd.access_flags & ~IBV_ACCESS_ON_DEMAND) |
				   (mr.access & IBV_ACCESS_ON_DEMAND);
	if (fz_chance(&run->rng, 5))
		cmd.flags = fz_boundary(&run->rng);
	want_rereg(&mr, cmd.flags, cmd.access_flags, &want);
	fz_begin(run, "rereg", slot, cmd.flags, cmd.access_flags, 0, 0);
	fz_unlock(run);
	ret = fz_verbs(run->world->dev.ctx, IB_USER_VERBS_CMD_REREG_MR, &cmd,
		       sizeof(cmd), &resp, sizeof(resp));
	fz_lock(run);
	fz_end(run, ret);
	fz_check(run, &want, ret);
	if (!ret && run->world->mrs[slot].handle == mr.handle)
		run->world->mrs[slot].access = cmd.access_flags;
out:
	fz_unlock(run);
}

/* ---- advise ---- */

static bool range_is_accessible(struct fz_world *world, uint64_t addr,
				uint64_t length, bool write)
{
	uint64_t end = addr + length;
	struct fz_page *page;

	if (!fz_accessible(world, addr, length,
			   PROT_READ | (write ? PROT_WRITE : 0)))
		return false;
	for (; addr < end; addr += FZ_PAGE) {
		page = fz_page_at(world, addr);
		if (page && page->kind == FZ_VRAM &&
		    (world->bos[page->bo].no_export ||
		     world->bos[page->bo].revoked))
			return false;
	}
	return true;
}

static void want_advice(struct fz_run *run, const struct fz_mr *mr,
			const struct ibv_sge *sge, int advice, uint32_t flags,
			struct fz_want *want)
{
	uint64_t offset = sge->addr - mr->iova;

	if (advice < 0 || advice > 2) {
		fz_must(want, EOPNOTSUPP);
		fz_must(want, EINVAL);
	}
	if (flags & ~1U)
		fz_must(want, EINVAL);
	if (!(mr->access & IBV_ACCESS_ON_DEMAND))
		fz_must(want, EINVAL);
	if (sge->lkey != mr->lkey)
		fz_must(want, ENOENT);
	if (sge->addr < mr->iova || sge->length > mr->length ||
	    offset > mr->length - sge->length)
		fz_must(want, EFAULT);
	if (advice == 1 && !(mr->access & WRITE_ACCESS))
		fz_must(want, EPERM);
	fz_may(want, ENOMEM);
	/* A synchronous prefetch returns the errors of an access. */
	if (flags & 1 && !range_is_accessible(run->world, mr->addr + offset,
					      sge->length, advice == 1)) {
		fz_may(want, EFAULT);
		fz_may(want, EACCES);
		fz_may(want, ENODEV);
	}
}

static void op_advise(struct fz_run *run)
{
	struct fz_want want = {};
	struct ibv_sge sge;
	struct fz_mr mr;
	uint32_t flags;
	int slot, advice, ret;

	fz_lock(run);
	slot = fz_pick_mr(run);
	if (slot < 0)
		goto out;
	mr = run->world->mrs[slot];
	sge.addr = mr.iova + fz_below(&run->rng, mr.length ?: 1);
	sge.length = fz_below(&run->rng, 1ULL << fz_below(&run->rng, 21));
	sge.lkey = mr.lkey ^ (fz_chance(&run->rng, 3) ? 1 : 0);
	if (fz_chance(&run->rng, 5))
		sge.addr = fz_boundary(&run->rng);
	if (fz_chance(&run->rng, 5))
		sge.length = fz_boundary(&run->rng);
	advice = fz_chance(&run->rng, 95) ? fz_below(&run->rng, 3) :
		 (uint32_t)fz_boundary(&run->rng);
	flags = fz_chance(&run->rng, 95) ? fz_below(&run->rng, 2) :
		fz_boundary(&run->rng);
	want_advice(run, &mr, &sge, advice, flags, &want);
	fz_begin(run, "advise", slot, sge.addr, sge.length, advice, flags);
	fz_unlock(run);
	ret = vt_advise_mr(run->world->dev.pd, advice, flags, &sge, 1);
	fz_lock(run);
	/* Only synchronous results are reproducible. */
	fz_end(run, ret);
	fz_check(run, &want, ret);
out:
	fz_unlock(run);
}

const struct fz_op fz_ops_mr[] = {
	{ "reg", 80, op_reg },
	{ "dereg", 35, op_dereg },
	{ "rereg", 20, op_rereg },
	{ "advise", 30, op_advise },
	{},
};
