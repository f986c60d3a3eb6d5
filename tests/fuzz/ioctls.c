// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * For each ioctl of /dev/peer_vram0: valid arguments, the errors that the header
 * documents, and the effect on the model.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "ioctls.h"

static struct fz_bo *find_bo(struct fz_run *run, const struct fz_try *try)
{
	return try->bo < 0 ? NULL : &run->world->bos[try->bo];
}

/* An address in the arena, sometimes elsewhere. */
static uint64_t random_address(struct fz_run *run)
{
	if (fz_chance(&run->rng, 10))
		return fz_boundary(&run->rng);
	return FZ_ARENA + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
}

/* ---- new handles ---- */

static void add_handle(struct fz_run *run, struct fz_try *try, uint32_t handle,
		       int bo)
{
	struct peer_vram_handle close = { .size = sizeof(close),
					  .handle = handle };
	int slot = fz_free_handle(run->world);

	if (slot < 0 || bo < 0) {
		if (ioctl(try->fd, PEER_VRAM_IOC_CLOSE, &close) &&
		    !run->world->racing)
			fz_fail(run, "cannot close a new handle");
		return;
	}
	if (!run->world->racing &&
	    fz_find_handle(run->world, try->file, handle) >= 0)
		fz_fail(run, "handle %u was returned twice", handle);
	run->world->handles[slot] = (struct fz_handle){
		.handle = handle, .file = try->file, .bo = bo,
	};
}

/* ---- CREATE ---- */

static void fill_create(struct fz_run *run, struct fz_try *try)
{
	try->in.create.length = 1 + fz_below(&run->rng, FZ_BO_PAGES * FZ_PAGE);
	try->in.create.flags = fz_below(&run->rng, 8);
	if (fz_chance(&run->rng, 60))
		try->in.create.flags &= ~PEER_VRAM_CREATE_NO_EXPORT;
}

static void want_create(struct fz_run *run, struct fz_try *try)
{
	const struct peer_vram_create *arg = &try->in.create;

	if (arg->reserved || arg->flags > 7 || !arg->length)
		fz_must(&try->want, EINVAL);
	if (arg->length > run->world->vram_size)
		fz_must(&try->want, E2BIG);
	fz_may(&try->want, ENOMEM);
}

static void done_create(struct fz_run *run, struct fz_try *try,
			const union fz_arg *arg)
{
	uint64_t length = (try->in.create.length + FZ_PAGE - 1) & -FZ_PAGE;
	int bo = -1;

	if (!arg->create.handle || arg->create.length != length ||
	    !arg->create.mmap_offset)
		fz_fail(run, "CREATE returns handle %u, length %#llx, offset %#llx",
			arg->create.handle, arg->create.length,
			arg->create.mmap_offset);
	if (length <= FZ_BO_PAGES * FZ_PAGE &&
	    fz_free_handle(run->world) >= 0)
		bo = fz_free_bo(run->world);
	if (bo >= 0) {
		fz_new_bo(run, bo, length, arg->create.mmap_offset);
		run->world->bos[bo].no_export =
			arg->create.flags & PEER_VRAM_CREATE_NO_EXPORT;
	}
	add_handle(run, try, arg->create.handle, bo);
}

/* ---- CLOSE, DESTROY, REVOKE ---- */

static void done_close(struct fz_run *run, struct fz_try *try,
		       const union fz_arg *arg)
{
	int slot = fz_find_handle(run->world, try->file, arg->handle);

	if (slot >= 0)
		run->world->handles[slot].handle = 0;
}

static void done_destroy(struct fz_run *run, struct fz_try *try,
			 const union fz_arg *arg)
{
	(void)arg;
	if (try->bo >= 0)
		fz_kill_bo(run->world, try->bo);
}

static void done_revoke(struct fz_run *run, struct fz_try *try,
			const union fz_arg *arg)
{
	(void)arg;
	if (try->bo < 0)
		return;
	run->world->bos[try->bo].revoked = true;
	fz_revoke_bo(run->world, try->bo);
}

/* ---- LOOKUP ---- */

static void fill_lookup(struct fz_run *run, struct fz_try *try)
{
	try->in.lookup.addr = random_address(run);
}

static void want_lookup(struct fz_run *run, struct fz_try *try)
{
	struct fz_page *page = fz_page_at(run->world, try->in.lookup.addr);

	if (!page || page->kind != FZ_VRAM) {
		fz_must(&try->want, ENOENT);
		return;
	}
	try->bo = page->bo;
	if (run->world->files[try->file].writable && !page->may_write)
		fz_must(&try->want, EACCES);
}

static void done_lookup(struct fz_run *run, struct fz_try *try,
			const union fz_arg *arg)
{
	struct fz_page *page = fz_page_at(run->world, try->in.lookup.addr);

	if (!run->world->racing &&
	    arg->lookup.offset != page->index * FZ_PAGE +
				  try->in.lookup.addr % FZ_PAGE)
		fz_fail(run, "LOOKUP returns offset %#llx", arg->lookup.offset);
	add_handle(run, try, arg->handle, try->bo);
}

/* ---- MOVE, QUERY, SET_FLAGS, INFO ---- */

static void fill_move(struct fz_run *run, struct fz_try *try)
{
	const struct fz_bo *obj = find_bo(run, try);
	uint64_t size = obj ? obj->length : FZ_PAGE;

	try->in.move.domain = fz_below(&run->rng, 2);
	if (fz_chance(&run->rng, 50)) {
		try->in.move.offset = fz_below(&run->rng, size);
		try->in.move.length = fz_below(&run->rng,
					       size - try->in.move.offset + 1);
	}
}

/* What the kernel gets: the end of a shorter struct is zero. */
static struct peer_vram_move passed_move(const struct fz_try *try)
{
	struct peer_vram_move arg = {};

	memcpy(&arg, &try->in, try->in.size < sizeof(arg) ? try->in.size :
							    sizeof(arg));
	return arg;
}

static void want_move(struct fz_run *run, struct fz_try *try)
{
	const struct fz_bo *obj = find_bo(run, try);
	struct peer_vram_move arg = passed_move(try);

	if (try->in.move.reserved || try->in.move.domain > 1)
		fz_must(&try->want, EINVAL);
	if (obj && (arg.offset >= obj->length ||
		    arg.length > obj->length - arg.offset))
		fz_must(&try->want, ERANGE);
	/* Pinned BOs do not move; memory may be full. */
	fz_may(&try->want, EBUSY);
	fz_may(&try->want, ENOMEM);
}

static void done_query(struct fz_run *run, struct fz_try *try,
		       const union fz_arg *arg)
{
	struct fz_bo *obj = find_bo(run, try);

	if (run->world->racing || !obj)
		return;
	if (arg->query.length != obj->length ||
	    arg->query.mmap_offset != obj->offset || arg->query.domain > 2 ||
	    !(arg->query.flags & PEER_VRAM_QUERY_EXPORTABLE) != obj->no_export)
		fz_fail(run, "QUERY returns length %#llx, offset %#llx, flags %#x",
			arg->query.length, arg->query.mmap_offset,
			arg->query.flags);
}

static void fill_set_flags(struct fz_run *run, struct fz_try *try)
{
	try->in.set_flags.flags = fz_chance(&run->rng, 30) ?
		PEER_VRAM_CREATE_NO_EXPORT : 0;
	if (fz_chance(&run->rng, 50))
		try->in.set_flags.flags |= PEER_VRAM_CREATE_IN_PLACE;
}

static void want_set_flags(struct fz_run *run, struct fz_try *try)
{
	(void)run;
	if (try->in.set_flags.reserved ||
	    try->in.set_flags.flags & ~(PEER_VRAM_CREATE_NO_EXPORT |
					PEER_VRAM_CREATE_IN_PLACE))
		fz_must(&try->want, EINVAL);
}

static void done_set_flags(struct fz_run *run, struct fz_try *try,
			   const union fz_arg *arg)
{
	struct fz_bo *obj = find_bo(run, try);

	if (obj)
		obj->no_export = arg->set_flags.flags &
				 PEER_VRAM_CREATE_NO_EXPORT;
}

static void want_info(struct fz_run *run, struct fz_try *try)
{
	(void)run;
	if (try->in.info.reserved)
		fz_must(&try->want, EINVAL);
}

static void done_info(struct fz_run *run, struct fz_try *try,
		      const union fz_arg *arg)
{
	(void)try;
	if (arg->info.vram_size != run->world->vram_size ||
	    arg->info.vram_used > arg->info.vram_size ||
	    arg->info.vram_pinned > arg->info.vram_size)
		fz_fail(run, "INFO returns size %#llx, used %#llx, pinned %#llx",
			arg->info.vram_size, arg->info.vram_used,
			arg->info.vram_pinned);
}

/* ---- READ, WRITE ---- */

/* The address of a buffer, mostly a valid one. */
static uint64_t random_buffer(struct fz_run *run, uint64_t length)
{
	uint64_t room = length < FZ_SCRATCH ? FZ_SCRATCH - length : 0;

	if (fz_chance(&run->rng, 75))
		return (uintptr_t)run->scratch + fz_below(&run->rng, room + 1);
	return random_address(run);
}

static void fill_rw(struct fz_run *run, struct fz_try *try)
{
	const struct fz_bo *obj = find_bo(run, try);
	struct peer_vram_rw *arg = &try->in.rw;
	uint64_t size = obj ? obj->length : FZ_PAGE;

	arg->offset = fz_below(&run->rng, size);
	arg->length = fz_below(&run->rng, size - arg->offset + 1);
	if (arg->length > FZ_SCRATCH)
		arg->length = FZ_SCRATCH;
	if (fz_chance(&run->rng, 50))
		arg->length %= 100;
	arg->buffer = random_buffer(run, arg->length);
	fz_fill_scratch(run, FZ_SCRATCH);
}

/* Only the scratch buffer and accessible pages of the arena are valid buffers. */
static void want_buffer(struct fz_run *run, struct fz_try *try, int prot)
{
	const struct peer_vram_rw *arg = &try->in.rw;
	uint64_t from = (uintptr_t)run->scratch;

	if (!arg->length)
		return;
	if (arg->buffer >= from && arg->buffer < from + FZ_SCRATCH) {
		if (arg->length > from + FZ_SCRATCH - arg->buffer)
			fz_must(&try->want, EFAULT);
	} else if (!fz_accessible(run->world, arg->buffer, arg->length, prot)) {
		fz_must(&try->want, EFAULT);
	}
}

static void want_rw(struct fz_run *run, struct fz_try *try)
{
	const struct fz_bo *obj = find_bo(run, try);
	const struct peer_vram_rw *arg = &try->in.rw;

	if (obj && (arg->length > obj->length ||
		    arg->offset > obj->length - arg->length))
		fz_must(&try->want, ERANGE);
	want_buffer(run, try, try->ioctl->nr == PEER_VRAM_IOC_READ ?
		    PROT_WRITE : PROT_READ);
}

static bool in_scratch(struct fz_run *run, uint64_t addr)
{
	return addr >= (uintptr_t)run->scratch &&
	       addr < (uintptr_t)run->scratch + FZ_SCRATCH;
}

static void done_read(struct fz_run *run, struct fz_try *try,
		      const union fz_arg *arg)
{
	struct fz_bo *obj = find_bo(run, try);

	if (run->world->racing || !obj || !in_scratch(run, arg->rw.buffer) ||
	    !obj->known)
		return;
	if (memcmp((void *)(uintptr_t)arg->rw.buffer,
		   obj->shadow + arg->rw.offset, arg->rw.length))
		fz_fail(run, "READ of BO %d: wrong data", try->bo);
}

static void done_write(struct fz_run *run, struct fz_try *try,
		       const union fz_arg *arg)
{
	struct fz_bo *obj = find_bo(run, try);

	if (run->world->racing || !obj)
		return;
	if (in_scratch(run, arg->rw.buffer))
		memcpy(obj->shadow + arg->rw.offset,
		       (void *)(uintptr_t)arg->rw.buffer, arg->rw.length);
	else if (arg->rw.length)
		obj->known = false;
}

/* ---- BLOCKS, SHARE, IMPORT ---- */

static void fill_blocks(struct fz_run *run, struct fz_try *try)
{
	try->in.blocks.count = fz_below(&run->rng, 32);
	try->in.blocks.blocks = (uintptr_t)run->scratch;
}

static void want_blocks(struct fz_run *run, struct fz_try *try)
{
	const struct peer_vram_blocks *arg = &try->in.blocks;

	if (arg->reserved)
		fz_must(&try->want, EINVAL);
	if (!run->world->privileged)
		fz_must(&try->want, EPERM);
	/* A BO in system memory has no blocks, so the pointer is not used. */
	if (arg->blocks != (uintptr_t)run->scratch)
		fz_may(&try->want, EFAULT);
	if (arg->blocks >= FZ_ARENA)
		fz_mark_unknown(run->world, arg->blocks, FZ_PAGE);
}

static void want_share(struct fz_run *run, struct fz_try *try)
{
	(void)run;
	if (try->in.share.reserved)
		fz_must(&try->want, EINVAL);
}

static void done_share(struct fz_run *run, struct fz_try *try,
		       const union fz_arg *arg)
{
	int slot;

	for (slot = 0; slot < FZ_DMABUFS; slot++)
		if (run->world->dmabufs[slot].fd < 0)
			break;
	if (slot == FZ_DMABUFS || try->bo < 0) {
		if (close(arg->share.fd) && !run->world->racing)
			fz_fail(run, "SHARE returned no descriptor");
		return;
	}
	run->world->dmabufs[slot] = (struct fz_dmabuf){ arg->share.fd,
						      try->bo };
}

static void fill_import(struct fz_run *run, struct fz_try *try)
{
	int slot = fz_pick_dmabuf(run);

	try->in.share.fd = slot < 0 ? -1 : run->world->dmabufs[slot].fd;
}

static void want_import(struct fz_run *run, struct fz_try *try)
{
	int i;

	if (try->in.share.reserved)
		fz_must(&try->want, EINVAL);
	for (i = 0; i < FZ_DMABUFS; i++)
		if (run->world->dmabufs[i].fd >= 0 &&
		    run->world->dmabufs[i].fd == try->in.share.fd)
			try->bo = run->world->dmabufs[i].bo;
	if (try->bo < 0) {
		fz_must(&try->want, EBADF);
		fz_must(&try->want, EINVAL);
	}
}

static void done_import(struct fz_run *run, struct fz_try *try,
			const union fz_arg *arg)
{
	add_handle(run, try, arg->handle, try->bo);
}

/* ---- NEXT ---- */

/* Starts at 0, just before a known BO, or at any offset. */
static void fill_next(struct fz_run *run, struct fz_try *try)
{
	uint32_t bo = fz_below(&run->rng, FZ_BOS);

	if (fz_chance(&run->rng, 10))
		try->in.next.mmap_offset = fz_boundary(&run->rng);
	else if (run->world->bos[bo].offset)
		try->in.next.mmap_offset =
			run->world->bos[bo].offset - 1;
}

static void want_next(struct fz_run *run, struct fz_try *try)
{
	(void)run;
	fz_may(&try->want, ENOENT);
	fz_may(&try->want, EPERM);
}

/* The BO may also be one that the model does not record. */
static void done_next(struct fz_run *run, struct fz_try *try,
		      const union fz_arg *arg)
{
	if (arg->next.mmap_offset <= try->in.next.mmap_offset)
		fz_fail(run, "NEXT returns an earlier offset, %#llx",
			arg->next.mmap_offset);
	add_handle(run, try, arg->next.handle, -1);
}

/* ---- table; entries may be repeated to increase their weight ---- */

#define IOCTL(_name, _struct, ...)					\
	IOCTL_SINCE(_name, _struct, sizeof(struct peer_vram_##_struct),	\
		    __VA_ARGS__)
/* @_min: size of the first version */
#define IOCTL_SINCE(_name, _struct, _min, ...)				\
	{								\
		.name = #_name,						\
		.nr = PEER_VRAM_IOC_##_name,				\
		.size = sizeof(struct peer_vram_##_struct),		\
		.min_size = _min,					\
		__VA_ARGS__						\
	}
#define HAS_HANDLE .has_handle = true
#define LIVE_BO .has_handle = true, .needs_live_bo = true
#define NEEDS_WRITE .needs_write = true

const struct fz_ioctl fz_ioctls[FZ_IOCTLS] = {
	IOCTL(CREATE, create, .fill = fill_create, .want = want_create,
	      .done = done_create),
	IOCTL(CREATE, create, .fill = fill_create, .want = want_create,
	      .done = done_create),
	IOCTL(CLOSE, handle, HAS_HANDLE, .done = done_close),
	IOCTL(DESTROY, handle, LIVE_BO, NEEDS_WRITE, .done = done_destroy),
	IOCTL(REVOKE, handle, LIVE_BO, NEEDS_WRITE, .done = done_revoke),
	IOCTL(LOOKUP, lookup, .fill = fill_lookup, .want = want_lookup,
	      .done = done_lookup),
	IOCTL_SINCE(MOVE, move, offsetof(struct peer_vram_move, offset), LIVE_BO,
		    NEEDS_WRITE, .fill = fill_move, .want = want_move),
	IOCTL_SINCE(QUERY, query, offsetof(struct peer_vram_query, resident),
		    LIVE_BO, .done = done_query),
	IOCTL(READ, rw, LIVE_BO, .fill = fill_rw, .want = want_rw,
	      .done = done_read),
	IOCTL(READ, rw, LIVE_BO, .fill = fill_rw, .want = want_rw,
	      .done = done_read),
	IOCTL(WRITE, rw, LIVE_BO, NEEDS_WRITE, .fill = fill_rw, .want = want_rw,
	      .done = done_write),
	IOCTL(WRITE, rw, LIVE_BO, NEEDS_WRITE, .fill = fill_rw, .want = want_rw,
	      .done = done_write),
	IOCTL(BLOCKS, blocks, LIVE_BO, .fill = fill_blocks, .want = want_blocks),
	IOCTL(SHARE, share, HAS_HANDLE, NEEDS_WRITE, .want = want_share,
	      .done = done_share),
	IOCTL(IMPORT, share, .fill = fill_import, .want = want_import,
	      .done = done_import),
	IOCTL(SET_FLAGS, set_flags, LIVE_BO, NEEDS_WRITE, .fill = fill_set_flags,
	      .want = want_set_flags, .done = done_set_flags),
	IOCTL(NEXT, next, .fill = fill_next, .want = want_next,
	      .done = done_next),
	IOCTL_SINCE(INFO, info, offsetof(struct peer_vram_info, swapouts),
		    .want = want_info, .done = done_info),
};
