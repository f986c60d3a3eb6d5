// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tables of the world, and the effects of operations on them. See fuzz.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "fuzz.h"
#include "lib/pattern.h"

void fz_lock(struct fz_run *run)
{
	pthread_mutex_lock(&run->world->lock);
}

void fz_unlock(struct fz_run *run)
{
	pthread_mutex_unlock(&run->world->lock);
}

/* Evaluates to the first used entry, starting at a random one, or -1. */
#define PICK(run, table, count, used)					\
	({								\
		size_t _at = fz_below(&(run)->rng, count), _n;		\
		int _found = -1;					\
									\
		for (_n = 0; _n < (count) && _found < 0; _n++) {	\
			size_t i = (_at + _n) % (count);		\
									\
			if ((table)[i].used)				\
				_found = i;				\
		}							\
		_found;							\
	})

int fz_pick_file(struct fz_run *run)
{
	return PICK(run, run->world->files, FZ_FILES, fd >= 0);
}

int fz_pick_handle(struct fz_run *run)
{
	return PICK(run, run->world->handles, FZ_HANDLES, handle);
}

int fz_pick_dmabuf(struct fz_run *run)
{
	return PICK(run, run->world->dmabufs, FZ_DMABUFS, fd >= 0);
}

int fz_pick_mr(struct fz_run *run)
{
	return PICK(run, run->world->mrs, FZ_MRS, used);
}

int fz_pick_dma_mr(struct fz_run *run)
{
	return PICK(run, run->world->dma_mrs, FZ_DMA_MRS, mr.used);
}

int fz_free_handle(struct fz_world *world)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (!world->handles[i].handle)
			return i;
	return -1;
}

/* Does anything in the tables refer to the BO? */
static bool bo_in_use(struct fz_world *world, int bo)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].handle &&
		    world->handles[i].bo == bo)
			return true;
	for (i = 0; i < FZ_DMABUFS; i++)
		if (world->dmabufs[i].fd >= 0 &&
		    world->dmabufs[i].bo == bo)
			return true;
	for (i = 0; i < FZ_PAGES; i++)
		if (world->pages[i].kind == FZ_VRAM &&
		    world->pages[i].bo == bo)
			return true;
	for (i = 0; i < FZ_MRS; i++)
		if (world->mrs[i].used && world->mrs[i].bo == bo)
			return true;
	for (i = 0; i < FZ_DMA_MRS; i++)
		if (world->dma_mrs[i].mr.used &&
		    world->dma_mrs[i].mr.bo == bo)
			return true;
	return false;
}

int fz_free_bo(struct fz_world *world)
{
	int i;

	for (i = 0; i < FZ_BOS; i++)
		if (!world->bos[i].used || !bo_in_use(world, i))
			return i;
	return -1;
}

int fz_find_handle(struct fz_world *world, int file, uint32_t handle)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (handle && world->handles[i].handle == handle &&
		    world->handles[i].file == file)
			return i;
	return -1;
}

bool fz_file_has(struct fz_world *world, int file, int bo)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].handle &&
		    world->handles[i].file == file &&
		    world->handles[i].bo == bo)
			return true;
	return false;
}

void fz_new_bo(struct fz_run *run, int bo, uint64_t length,
	       uint64_t offset)
{
	struct fz_bo *obj = &run->world->bos[bo];

	free(obj->shadow);
	*obj = (struct fz_bo){
		.used = true,
		.known = true,
		.length = length,
		.offset = offset,
		.shadow = calloc(1, length),
	};
	if (!obj->shadow)
		fz_fail(run, "out of memory");
}

void fz_revoke_bo(struct fz_world *world, int bo)
{
	int i;

	for (i = 0; i < FZ_MRS; i++)
		if (world->mrs[i].bo == bo)
			world->mrs[i].dead = true;
	for (i = 0; i < FZ_DMA_MRS; i++)
		if (world->dma_mrs[i].mr.bo == bo)
			world->dma_mrs[i].mr.dead = true;
}

void fz_kill_bo(struct fz_world *world, int bo)
{
	world->bos[bo].dead = true;
	fz_revoke_bo(world, bo);
}

static bool peer_mr_within(const struct fz_mr *mr, uint64_t start, uint64_t end)
{
	return mr->used && mr->bo != FZ_NO_BO &&
	       (mr->addr & -FZ_PAGE) < end && mr->addr + mr->length > start;
}

/* Unmapping any part of a pinned MR of peer memory ends the MR. */
void fz_unmapped(struct fz_world *world, size_t first, size_t pages)
{
	uint64_t start = FZ_ARENA + first * FZ_PAGE;
	uint64_t end = start + pages * FZ_PAGE;
	size_t i;

	for (i = 0; i < FZ_MRS; i++)
		if (peer_mr_within(&world->mrs[i], start, end))
			world->mrs[i].dead = true;
	for (i = 0; i < FZ_DMA_MRS; i++)
		if (peer_mr_within(&world->dma_mrs[i].mr, start, end))
			world->dma_mrs[i].ending = true;
	for (i = first; i < first + pages; i++)
		world->pages[i] = (struct fz_page){ .kind = FZ_HOLE };
}

void fz_fill_scratch(struct fz_run *run, size_t length)
{
	vt_pattern_fill(run->scratch, fz_next(&run->rng), 0, length);
}

struct fz_page *fz_page_at(struct fz_world *world, uint64_t addr)
{
	if (addr < FZ_ARENA || addr >= FZ_ARENA + FZ_PAGES * FZ_PAGE)
		return NULL;
	return &world->pages[(addr - FZ_ARENA) / FZ_PAGE];
}

bool fz_accessible(struct fz_world *world, uint64_t addr, uint64_t length,
		   int prot)
{
	uint64_t end = addr + length;
	struct fz_page *page;

	if (end < addr)
		return false;
	for (; addr < end; addr = (addr & -FZ_PAGE) + FZ_PAGE) {
		page = fz_page_at(world, addr);
		if (!page || page->kind == FZ_HOLE ||
		    (page->prot & prot) != prot)
			return false;
		if (page->kind == FZ_VRAM && world->bos[page->bo].dead)
			return false;
	}
	return true;
}

void fz_mark_unknown(struct fz_world *world, uint64_t addr, uint64_t length)
{
	uint64_t end = addr + length < addr ? UINT64_MAX : addr + length;
	struct fz_page *page;

	if (addr < FZ_ARENA)
		addr = FZ_ARENA;
	for (; addr < end; addr = (addr & -FZ_PAGE) + FZ_PAGE) {
		page = fz_page_at(world, addr);
		if (!page)
			break;
		if (page->kind == FZ_VRAM)
			world->bos[page->bo].known = false;
	}
}
