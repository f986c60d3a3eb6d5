// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The address space of the arena: BOs, system memory and holes, page by page.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "fuzz.h"

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#define MADV_POPULATE_WRITE 23
#endif

/* Pages of the arena. */
struct range {
	size_t first, pages;
};

static void *range_addr(struct range range)
{
	return (void *)(FZ_ARENA + range.first * FZ_PAGE);
}

static struct range random_range(struct fz_run *run, size_t max_pages)
{
	struct range range = { .first = fz_below(&run->rng, FZ_PAGES) };

	if (max_pages > FZ_PAGES - range.first)
		max_pages = FZ_PAGES - range.first;
	range.pages = 1 + fz_below(&run->rng, max_pages);
	return range;
}

/* A range whose first page is mapped, if one is found in a few tries. */
static struct range random_mapped(struct fz_run *run, size_t max_pages)
{
	struct range range;
	int tries;

	for (tries = 0; tries < 8; tries++) {
		range = random_range(run, max_pages);
		if (run->world->pages[range.first].kind != FZ_HOLE)
			break;
	}
	return range;
}

static int random_prot(struct fz_run *run)
{
	static const int prots[] = {
		PROT_READ | PROT_WRITE, PROT_READ | PROT_WRITE,
		PROT_READ | PROT_WRITE, PROT_READ, PROT_NONE,
	};

	return prots[fz_below(&run->rng, 5)];
}

static void unmap_range(struct fz_run *run, struct range range)
{
	munmap(range_addr(range), range.pages * FZ_PAGE);
	fz_unmapped(run->world, range.first, range.pages);
}

static void record_mapped(struct fz_run *run, struct range range,
			  struct fz_page page)
{
	size_t i;

	for (i = 0; i < range.pages; i++, page.index++)
		run->world->pages[range.first + i] = page;
}

/* ---- mmap ---- */

/* Return: the BO at this mmap() offset that the file has a handle of. */
static int bo_at_offset(struct fz_world *world, int file, uint64_t at,
			uint64_t length)
{
	int i;

	for (i = 0; i < FZ_BOS; i++) {
		const struct fz_bo *obj = &world->bos[i];

		if (obj->used && at >= obj->offset &&
		    at - obj->offset < obj->length &&
		    length <= obj->length - (at - obj->offset) &&
		    fz_file_has(world, file, i))
			return i;
	}
	return FZ_NO_BO;
}

struct mapping {
	struct range range;
	int file, fd;
	int prot, flags;
	uint64_t at;
};

static void want_mmap(struct fz_run *run, const struct mapping *m, int bo,
		      struct fz_want *want)
{
	fz_may(want, ENOMEM);
	if (m->flags & MAP_PRIVATE)
		fz_must(want, EINVAL);
	if (m->flags & MAP_SHARED && m->prot & PROT_WRITE &&
	    !run->world->files[m->file].writable)
		fz_must(want, EACCES);
	if (m->at && bo < 0) {
		fz_must(want, EINVAL);
		fz_may(want, EOVERFLOW);
	}
}

/* Return: the mmap() offset of a BO that mmap() has created. */
static uint64_t offset_of(struct fz_run *run, int fd, uint64_t addr)
{
	struct peer_vram_lookup lookup = { .size = sizeof(lookup),
					   .addr = addr };
	struct peer_vram_query query = { .size = sizeof(query) };
	struct peer_vram_handle close = { .size = sizeof(close) };

	if (ioctl(fd, PEER_VRAM_IOC_LOOKUP, &lookup))
		fz_fail(run, "LOOKUP does not find a mapping");
	query.handle = close.handle = lookup.handle;
	if (ioctl(fd, PEER_VRAM_IOC_QUERY, &query) ||
	    ioctl(fd, PEER_VRAM_IOC_CLOSE, &close))
		fz_fail(run, "cannot query a new BO");
	return query.mmap_offset;
}

static void record_mmap(struct fz_run *run, const struct mapping *m, int bo)
{
	struct fz_page page = {
		.kind = FZ_VRAM,
		.bo = bo,
		.prot = m->prot,
		.may_write = run->world->files[m->file].writable,
	};

	if (run->world->racing && (bo < 0 || !m->at))
		return;
	if (!m->at)
		fz_new_bo(run, bo, m->range.pages * FZ_PAGE,
			  offset_of(run, m->fd, (uintptr_t)range_addr(m->range)));
	else
		page.index = (m->at - run->world->bos[bo].offset) /
			     FZ_PAGE;
	record_mapped(run, m->range, page);
}

static void do_mmap(struct fz_run *run, const struct mapping *m, int bo)
{
	struct fz_want want = {};
	void *got;
	long ret;

	want_mmap(run, m, bo, &want);
	unmap_range(run, m->range);
	/* Offsets of BOs are not reproducible: record an offset in the BO. */
	fz_begin(run, "mmap", m->file, m->range.first, m->range.pages, m->prot,
		 bo < 0 || !m->at ? 0 :
		 m->at - run->world->bos[bo].offset);
	fz_unlock(run);
	got = mmap(range_addr(m->range), m->range.pages * FZ_PAGE, m->prot,
		   m->flags | MAP_FIXED, m->fd, m->at);
	ret = got == MAP_FAILED ? -errno : 0;
	fz_lock(run);
	fz_end(run, ret);
	fz_check(run, &want, ret);
	if (!ret)
		record_mmap(run, m, bo);
}

static void op_mmap_bo(struct fz_run *run)
{
	struct mapping m = { .flags = MAP_SHARED };
	const struct fz_bo *obj;
	uint64_t room, page;
	int slot;

	fz_lock(run);
	slot = fz_pick_handle(run);
	if (slot < 0)
		goto out;
	m.file = run->world->handles[slot].file;
	if (fz_chance(&run->rng, 5))
		m.file = fz_pick_file(run);
	m.fd = run->world->files[m.file].fd;
	obj = &run->world->bos[run->world->handles[slot].bo];
	room = obj->length / FZ_PAGE;
	page = room ? fz_below(&run->rng, room) / (1 + fz_below(&run->rng, 4)) : 0;
	m.at = obj->offset + page * FZ_PAGE;
	m.range = random_range(run, room > page ? room - page : 1);
	if (fz_chance(&run->rng, 5))
		m.range = random_range(run, FZ_PAGES);
	if (fz_chance(&run->rng, 5))
		m.at = fz_boundary(&run->rng) & -FZ_PAGE & INT64_MAX;
	if (fz_chance(&run->rng, 3))
		m.flags = MAP_PRIVATE;
	m.prot = random_prot(run);
	if (!m.at)
		goto out;
	do_mmap(run, &m, bo_at_offset(run->world, m.file, m.at,
				      m.range.pages * FZ_PAGE));
out:
	fz_unlock(run);
}

static void op_mmap_new(struct fz_run *run)
{
	struct mapping m = { .flags = MAP_SHARED };
	int bo;

	fz_lock(run);
	m.file = fz_pick_file(run);
	if (m.file < 0 || !run->world->files[m.file].writable)
		goto out;
	m.fd = run->world->files[m.file].fd;
	m.range = random_range(run, 64);
	m.prot = PROT_READ | PROT_WRITE;
	bo = fz_free_bo(run->world);
	if (bo >= 0)
		do_mmap(run, &m, bo);
out:
	fz_unlock(run);
}

static void op_mmap_host(struct fz_run *run)
{
	struct fz_page page = { .kind = FZ_HOST, .may_write = true };
	int sharing = fz_chance(&run->rng, 30) ? MAP_SHARED : MAP_PRIVATE;
	struct range range;
	void *got;

	fz_lock(run);
	range = random_range(run, 128);
	page.prot = random_prot(run);
	unmap_range(run, range);
	fz_begin(run, "mmap host", range.first, range.pages, page.prot, sharing, 0);
	got = mmap(range_addr(range), range.pages * FZ_PAGE, page.prot,
		   sharing | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	fz_end(run, got == MAP_FAILED ? -errno : 0);
	if (got != MAP_FAILED)
		record_mapped(run, range, page);
	fz_unlock(run);
}

/* ---- munmap, mremap, mprotect, madvise ---- */

static void op_munmap(struct fz_run *run)
{
	struct range range;
	long ret;

	fz_lock(run);
	range = random_mapped(run, 64);
	fz_unmapped(run->world, range.first, range.pages);
	fz_begin(run, "munmap", range.first, range.pages, 0, 0, 0);
	fz_unlock(run);
	ret = munmap(range_addr(range), range.pages * FZ_PAGE) ? -errno : 0;
	fz_end(run, ret);
	fz_check(run, &(struct fz_want){}, ret);
}

static bool overlap(struct range a, struct range b)
{
	return a.first < b.first + b.pages && b.first < a.first + a.pages;
}

static void record_moved(struct fz_run *run, struct range from, size_t to)
{
	struct fz_page pages[64];
	size_t size = from.pages * sizeof(pages[0]);

	memcpy(pages, &run->world->pages[from.first], size);
	fz_unmapped(run->world, from.first, from.pages);
	memcpy(&run->world->pages[to], pages, size);
}

static void op_mremap(struct fz_run *run)
{
	struct range from, to;
	struct fz_want want = {};
	void *got;
	long ret;

	fz_lock(run);
	from = random_mapped(run, 64);
	to = random_range(run, 1);
	to.pages = from.pages;
	if (to.first + to.pages > FZ_PAGES || overlap(from, to))
		goto out;
	unmap_range(run, to);
	/*
	 * Before Linux 6.17, mremap() cannot move several mappings. Later kernels can, and
	 * if one of them fails, those before it have moved.
	 */
	fz_may(&want, EFAULT);
	fz_may(&want, ENOMEM);
	fz_begin(run, "mremap", from.first, to.first, from.pages, 0, 0);
	got = mremap(range_addr(from), from.pages * FZ_PAGE,
		     from.pages * FZ_PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     range_addr(to));
	ret = got == MAP_FAILED ? -errno : 0;
	fz_end(run, ret);
	fz_check(run, &want, ret);
	if (!ret) {
		record_moved(run, from, to.first);
	} else {
		unmap_range(run, from);
		unmap_range(run, to);
	}
out:
	fz_unlock(run);
}

static void op_mprotect(struct fz_run *run)
{
	struct fz_want want = {};
	struct range range;
	size_t i;
	long ret;
	int prot;

	fz_lock(run);
	range = random_mapped(run, 64);
	prot = random_prot(run);
	fz_begin(run, "mprotect", range.first, range.pages, prot, 0, 0);
	ret = mprotect(range_addr(range), range.pages * FZ_PAGE, prot) ?
		-errno : 0;
	fz_end(run, ret);
	/* mprotect() changes pages up to the first failure. */
	for (i = range.first; i < range.first + range.pages; i++) {
		struct fz_page *page = &run->world->pages[i];

		if (page->kind == FZ_HOLE)
			fz_must(&want, ENOMEM);
		else if (prot & PROT_WRITE && !page->may_write)
			fz_must(&want, EACCES);
		else
			page->prot = prot;
		if (want.must[0])
			break;
	}
	fz_check(run, &want, ret);
	fz_unlock(run);
}

static void op_madvise(struct fz_run *run)
{
	static const int advices[] = {
		MADV_DONTNEED, MADV_WILLNEED, MADV_FREE, MADV_COLD,
		MADV_PAGEOUT, MADV_HUGEPAGE, MADV_DONTFORK, MADV_DOFORK,
		MADV_REMOVE, MADV_POPULATE_READ, MADV_POPULATE_WRITE,
	};
	struct range range;
	int advice;
	long ret;

	fz_lock(run);
	range = random_mapped(run, 64);
	advice = advices[fz_below(&run->rng,
				  sizeof(advices) / sizeof(advices[0]))];
	fz_begin(run, "madvise", range.first, range.pages, advice, 0, 0);
	fz_unlock(run);
	ret = madvise(range_addr(range), range.pages * FZ_PAGE, advice) ?
		-errno : 0;
	/* Not checked: much advice is invalid for device mappings. */
	fz_end(run, ret);
}

/* ---- CPU accesses ---- */

static _Thread_local sigjmp_buf touch_env;

static void touch_handler(int sig)
{
	siglongjmp(touch_env, sig);
}

int fz_touch(uint64_t addr, uint64_t *value, bool write)
{
	struct sigaction action = { .sa_handler = touch_handler };
	volatile uint64_t *at = (volatile uint64_t *)(uintptr_t)addr;
	int sig;

	sigaction(SIGBUS, &action, NULL);
	sigaction(SIGSEGV, &action, NULL);
	sig = sigsetjmp(touch_env, 1);
	if (sig)
		return sig;
	if (write)
		*at = *value;
	else
		*value = *at;
	return 0;
}

static void check_touch(struct fz_run *run, const struct fz_page *page,
			size_t in_page, int sig, uint64_t value, bool write)
{
	bool may = page->prot & (write ? PROT_WRITE : PROT_READ);
	struct fz_bo *obj = NULL;
	int want = 0;

	if (page->kind == FZ_VRAM)
		obj = &run->world->bos[page->bo];
	if (page->kind == FZ_HOLE || !may)
		want = SIGSEGV;
	else if (obj && obj->dead)
		want = SIGBUS;
	if (sig != want)
		fz_fail(run, "CPU access: signal %d, expected %d", sig, want);
	if (sig || !obj)
		return;
	in_page += page->index * FZ_PAGE;
	if (write)
		memcpy(obj->shadow + in_page, &value, sizeof(value));
	else if (obj->known && memcmp(obj->shadow + in_page, &value, sizeof(value)))
		fz_fail(run, "CPU read of BO %d at %#zx: wrong data",
			page->bo, in_page);
}

static void op_touch(struct fz_run *run)
{
	bool write = fz_chance(&run->rng, 50);
	uint64_t value = fz_next(&run->rng);
	size_t at, first;
	int sig;

	fz_lock(run);
	first = random_mapped(run, 1).first;
	at = fz_below(&run->rng, FZ_PAGE / 8) * 8;
	fz_begin(run, "touch", first, at, write, 0, 0);
	fz_unlock(run);
	sig = fz_touch(FZ_ARENA + first * FZ_PAGE + at, &value, write);
	fz_lock(run);
	fz_end(run, sig);
	if (!run->world->racing)
		check_touch(run, &run->world->pages[first], at, sig, value,
			    write);
	fz_unlock(run);
}

const struct fz_op fz_ops_map[] = {
	{ "mmap BO", 60, op_mmap_bo },
	{ "mmap new", 10, op_mmap_new },
	{ "mmap host", 15, op_mmap_host },
	{ "munmap", 12, op_munmap },
	{ "mremap", 12, op_mremap },
	{ "mprotect", 20, op_mprotect },
	{ "madvise", 20, op_madvise },
	{ "touch", 120, op_touch },
	{},
};
