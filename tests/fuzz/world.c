// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* The tables, and what follows from what. See fuzz.h. */
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

/* The first used entry from a random one on. */
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

int fz_pick_share(struct fz_run *run)
{
	return PICK(run, run->world->shares, FZ_SHARES, fd >= 0);
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

/* Does anything refer to the object? */
static bool object_in_use(struct fz_world *world, int object)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].handle &&
		    world->handles[i].object == object)
			return true;
	for (i = 0; i < FZ_SHARES; i++)
		if (world->shares[i].fd >= 0 &&
		    world->shares[i].object == object)
			return true;
	for (i = 0; i < FZ_PAGES; i++)
		if (world->pages[i].kind == FZ_VRAM &&
		    world->pages[i].object == object)
			return true;
	for (i = 0; i < FZ_MRS; i++)
		if (world->mrs[i].used && world->mrs[i].object == object)
			return true;
	for (i = 0; i < FZ_DMA_MRS; i++)
		if (world->dma_mrs[i].mr.used &&
		    world->dma_mrs[i].mr.object == object)
			return true;
	return false;
}

int fz_free_object(struct fz_world *world)
{
	int i;

	for (i = 0; i < FZ_OBJECTS; i++)
		if (!world->objects[i].used || !object_in_use(world, i))
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

bool fz_file_has(struct fz_world *world, int file, int object)
{
	int i;

	for (i = 0; i < FZ_HANDLES; i++)
		if (world->handles[i].handle &&
		    world->handles[i].file == file &&
		    world->handles[i].object == object)
			return true;
	return false;
}

void fz_new_object(struct fz_run *run, int object, uint64_t length,
		   uint64_t offset)
{
	struct fz_object *obj = &run->world->objects[object];

	free(obj->shadow);
	*obj = (struct fz_object){
		.used = true,
		.known = true,
		.length = length,
		.offset = offset,
		.shadow = calloc(1, length),
	};
	if (!obj->shadow)
		fz_fail(run, "out of memory");
}

void fz_revoke_object(struct fz_world *world, int object)
{
	int i;

	for (i = 0; i < FZ_MRS; i++)
		if (world->mrs[i].object == object)
			world->mrs[i].dead = true;
	for (i = 0; i < FZ_DMA_MRS; i++)
		if (world->dma_mrs[i].mr.object == object)
			world->dma_mrs[i].mr.dead = true;
}

void fz_kill_object(struct fz_world *world, int object)
{
	world->objects[object].dead = true;
	fz_revoke_object(world, object);
}

static bool peer_mr_within(const struct fz_mr *mr, uint64_t start, uint64_t end)
{
	return mr->used && mr->object != FZ_NO_OBJECT &&
	       (mr->addr & -FZ_PAGE) < end && mr->addr + mr->length > start;
}

/* Pinned regions of peer memory end when any part of them is unmapped. */
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
		if (page->kind == FZ_VRAM && world->objects[page->object].dead)
			return false;
	}
	return true;
}

void fz_forget_bytes(struct fz_world *world, uint64_t addr, uint64_t length)
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
			world->objects[page->object].known = false;
	}
}
