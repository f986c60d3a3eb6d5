// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * All ioctls of /dev/peer_vram0: a valid struct, random changes of it, and the
 * results that the header documents.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ioctls.h"
#include "lib/pattern.h"

/* ---- random changes of the struct ---- */

static void mutate_once(struct fz_run *run, struct fz_try *try)
{
	size_t words = try->ioctl->size / 4;
	uint64_t edge = fz_boundary(&run->rng);
	size_t at;

	switch (fz_below(&run->rng, 6)) {
	case 0:
		at = fz_below(&run->rng, try->ioctl->size);
		try->in.bytes[at] ^= 1 << fz_below(&run->rng, 8);
		break;
	case 1:
		try->in.words[fz_below(&run->rng, words)] = edge;
		break;
	case 2:
		at = fz_below(&run->rng, words / 2) * 8;
		memcpy(try->in.bytes + at, &edge, sizeof(edge));
		break;
	case 3:
		try->in.size = fz_below(&run->rng, try->ioctl->size + 16);
		break;
	case 4:
		try->in.size = fz_below(&run->rng, FZ_PAGE + 8);
		try->in.bytes[fz_below(&run->rng, FZ_PAGE)] = 1;
		break;
	case 5:
		try->in.handle = fz_below(&run->rng, FZ_HANDLES);
		break;
	}
}

/* Checks that all ioctls have in common. */
static void want_struct(struct fz_run *run, struct fz_try *try)
{
	const struct fz_ioctl *ioctl = try->ioctl;
	uint32_t size = try->in.size, at;

	if (ioctl->needs_write && !run->world->files[try->file].writable)
		fz_must(&try->want, EACCES);
	if (size < ioctl->min_size)
		fz_must(&try->want, EINVAL);
	if (size > try->readable)
		fz_must(&try->want, size > FZ_PAGE ? E2BIG : EFAULT);
	for (at = ioctl->size; at < size && at < try->readable; at++)
		if (try->in.bytes[at])
			fz_must(&try->want, E2BIG);
}

static void want_handle(struct fz_run *run, struct fz_try *try)
{
	int slot = fz_find_handle(run->world, try->file, try->in.handle);

	if (slot < 0) {
		fz_must(&try->want, ENOENT);
		return;
	}
	try->bo = run->world->handles[slot].bo;
	if (try->ioctl->needs_live_bo && run->world->bos[try->bo].dead)
		fz_must(&try->want, ENODEV);
}

static void want_all(struct fz_run *run, struct fz_try *try)
{
	try->bo = FZ_NO_BO;
	want_struct(run, try);
	if (try->ioctl->has_handle)
		want_handle(run, try);
	if (try->ioctl->want)
		try->ioctl->want(run, try);
	fz_may(&try->want, ENOMEM);
}

/* A failed transfer may have changed a part of the data. */
static void failed(struct fz_run *run, const struct fz_try *try)
{
	const struct peer_vram_rw *arg = &try->in.rw;

	if (try->bo >= 0 && try->ioctl->nr == PEER_VRAM_IOC_WRITE)
		run->world->bos[try->bo].known = false;
	if (try->ioctl->nr == PEER_VRAM_IOC_READ)
		fz_mark_unknown(run->world, arg->buffer, arg->length);
}

/* Unmapped regions are released asynchronously and hold their BOs until then. */
static bool depends_on_regions(const struct fz_try *try)
{
	return try->ioctl->nr == PEER_VRAM_IOC_MOVE ||
	       try->ioctl->nr == PEER_VRAM_IOC_NEXT ||
	       try->ioctl->nr == PEER_VRAM_IOC_BLOCKS;
}

static void call(struct fz_run *run, struct fz_try *try)
{
	/* The struct ends at the end of a page; unmapped memory follows. */
	union fz_arg *arg = (void *)(run->args + FZ_PAGE - try->readable);
	long ret;

	memcpy(arg, &try->in, try->readable);
	fz_begin(run, try->ioctl->name, try->file, try->in.size,
		 try->in.words[1], try->in.words[2], try->in.words[4]);
	fz_unlock(run);
	ret = ioctl(try->fd, try->ioctl->nr, arg) ? -errno : 0;
	fz_lock(run);
	if (depends_on_regions(try))
		fz_end_unhashed(run, ret);
	else
		fz_end(run, ret);
	fz_check(run, &try->want, ret);
	if (ret || try->ioctl->nr == PEER_VRAM_IOC_READ)
		failed(run, try);
	if (!ret && try->ioctl->done)
		try->ioctl->done(run, try, arg);
}

static void op_ioctl(struct fz_run *run)
{
	struct fz_try try = {};
	int n, slot;

	/* Destroy rarely, otherwise most BOs would be dead. */
	do {
		try.ioctl = &fz_ioctls[fz_below(&run->rng, FZ_IOCTLS)];
	} while (try.ioctl->nr == PEER_VRAM_IOC_DESTROY &&
		 fz_chance(&run->rng, 85));
	fz_lock(run);
	try.file = fz_pick_file(run);
	if (try.file < 0)
		goto out;
	slot = fz_pick_handle(run);
	if (slot >= 0 && fz_chance(&run->rng, 95))
		try.file = run->world->handles[slot].file;
	try.fd = run->world->files[try.file].fd;
	try.in.size = try.ioctl->size;
	try.bo = FZ_NO_BO;
	if (try.ioctl->has_handle && slot >= 0) {
		try.in.handle = run->world->handles[slot].handle;
		try.bo = run->world->handles[slot].bo;
	}
	if (try.ioctl->fill)
		try.ioctl->fill(run, &try);
	for (n = fz_chance(&run->rng, 40); n && n < 4;
	     n = fz_chance(&run->rng, 50) ? n + 1 : 0)
		mutate_once(run, &try);
	try.readable = fz_chance(&run->rng, 80) ? FZ_PAGE : try.ioctl->size;
	want_all(run, &try);
	call(run, &try);
out:
	fz_unlock(run);
}

/* Invalid ioctl numbers, and invalid pointers. */
static void op_bad_ioctl(struct fz_run *run)
{
	unsigned long nr = fz_next(&run->rng), arg = fz_boundary(&run->rng);
	struct fz_want want = {};
	int file;
	long ret;

	if (fz_chance(&run->rng, 50))
		nr = fz_ioctls[fz_below(&run->rng, FZ_IOCTLS)].nr |
		     (fz_chance(&run->rng, 50) ? 0 : fz_next(&run->rng) << 16);
	fz_lock(run);
	file = fz_pick_file(run);
	if (file >= 0) {
		int fd = run->world->files[file].fd;

		fz_begin(run, "bad", file, nr, arg, 0, 0);
		fz_unlock(run);
		ret = ioctl(fd, nr, arg) ? -errno : 0;
		fz_lock(run);
		fz_end(run, ret);
		fz_must(&want, ENOTTY);
		fz_must(&want, EFAULT);
		fz_must(&want, EACCES);
		fz_check(run, &want, ret);
	}
	fz_unlock(run);
}

/* Reads a whole BO. Compares it with the model, if the content is known. */
static void check_content(struct fz_run *run, const struct fz_handle *handle)
{
	static uint8_t bytes[FZ_BO_PAGES * FZ_MAX_PAGE];
	struct fz_bo *obj = &run->world->bos[handle->bo];
	struct peer_vram_rw rw = {
		.size = sizeof(rw),
		.handle = handle->handle,
		.length = obj->length,
		.buffer = (uintptr_t)bytes,
	};

	ssize_t at;

	if (obj->dead)
		return;
	if (ioctl(run->world->files[handle->file].fd, PEER_VRAM_IOC_READ, &rw))
		fz_fail(run, "cannot read BO %d", handle->bo);
	at = obj->known ? vt_first_diff(bytes, obj->shadow, obj->length) : -1;
	if (at >= 0)
		fz_fail(run, "BO %d: byte %#zx is %02x, want %02x",
			handle->bo, at, bytes[at], obj->shadow[at]);
	memcpy(obj->shadow, bytes, obj->length);
	obj->known = true;
}

static void op_check(struct fz_run *run)
{
	int slot;

	fz_lock(run);
	slot = fz_pick_handle(run);
	if (slot >= 0 && !run->world->racing)
		check_content(run, &run->world->handles[slot]);
	fz_unlock(run);
}

const struct fz_op fz_ops_ioctl[] = {
	{ "ioctl", 400, op_ioctl },
	{ "bad ioctl", 10, op_bad_ioctl },
	{ "check", 60, op_check },
	{},
};
