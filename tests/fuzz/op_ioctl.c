// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Every ioctl of the node: a struct that works, in which a few things may then
 * be changed, and what the header says must come of it.
 */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "ioctls.h"
#include "lib/pattern.h"

/* ---- changing the struct ---- */

static void mutate_once(struct fz_run *run, struct fz_try *try)
{
	size_t words = try->ioctl->size / 4;
	uint64_t edge = fz_boundary(&run->rng);
	size_t at;

	switch (fz_below(&run->rng, 6)) {
	case 0:
		at = fz_below(&run->rng, try->ioctl->size);
		try->as.bytes[at] ^= 1 << fz_below(&run->rng, 8);
		break;
	case 1:
		try->as.words[fz_below(&run->rng, words)] = edge;
		break;
	case 2:
		at = fz_below(&run->rng, words / 2) * 8;
		memcpy(try->as.bytes + at, &edge, sizeof(edge));
		break;
	case 3:
		try->as.size = fz_below(&run->rng, try->ioctl->size + 16);
		break;
	case 4:
		try->as.size = fz_below(&run->rng, FZ_PAGE + 8);
		try->as.bytes[fz_below(&run->rng, FZ_PAGE)] = 1;
		break;
	case 5:
		try->as.handle = fz_below(&run->rng, FZ_HANDLES);
		break;
	}
}

/* What goes for all of them. */
static void want_struct(struct fz_run *run, struct fz_try *try)
{
	const struct fz_ioctl *ioctl = try->ioctl;
	uint32_t size = try->as.size, at;

	if (ioctl->write && !run->world->files[try->file].writable)
		fz_must(&try->want, EACCES);
	if (size < ioctl->first)
		fz_must(&try->want, EINVAL);
	if (size > try->room)
		fz_must(&try->want, size > FZ_PAGE ? E2BIG : EFAULT);
	for (at = ioctl->size; at < size && at < try->room; at++)
		if (try->as.bytes[at])
			fz_must(&try->want, E2BIG);
}

static void want_handle(struct fz_run *run, struct fz_try *try)
{
	int slot = fz_find_handle(run->world, try->file, try->as.handle);

	if (slot < 0) {
		fz_must(&try->want, ENOENT);
		return;
	}
	try->object = run->world->handles[slot].object;
	if (try->ioctl->alive && run->world->objects[try->object].dead)
		fz_must(&try->want, ENODEV);
}

static void want_all(struct fz_run *run, struct fz_try *try)
{
	try->object = FZ_NO_OBJECT;
	want_struct(run, try);
	if (try->ioctl->named)
		want_handle(run, try);
	if (try->ioctl->want)
		try->ioctl->want(run, try);
	fz_may(&try->want, ENOMEM);
}

/* A struct that fails in the middle may have changed bytes. */
static void failed(struct fz_run *run, const struct fz_try *try)
{
	const struct peer_vram_rw *arg = &try->as.rw;

	if (try->object >= 0 && try->ioctl->nr == PEER_VRAM_IOC_WRITE)
		run->world->objects[try->object].known = false;
	if (try->ioctl->nr == PEER_VRAM_IOC_READ)
		fz_forget_bytes(run->world, arg->buffer, arg->length);
}

/* Regions that were just unmapped hold their objects for a moment. */
static bool depends_on_regions(const struct fz_try *try)
{
	return try->ioctl->nr == PEER_VRAM_IOC_MOVE ||
	       try->ioctl->nr == PEER_VRAM_IOC_NEXT ||
	       try->ioctl->nr == PEER_VRAM_IOC_BLOCKS;
}

static void call(struct fz_run *run, struct fz_try *try)
{
	/* The struct ends where its page ends, or there is plenty of room. */
	union fz_arg *arg = (void *)(run->args + FZ_PAGE - try->room);
	long ret;

	memcpy(arg, &try->as, try->room);
	fz_begin(run, try->ioctl->name, try->file, try->as.size,
		 try->as.words[1], try->as.words[2], try->as.words[4]);
	fz_unlock(run);
	ret = ioctl(try->fd, try->ioctl->nr, arg) ? -errno : 0;
	fz_lock(run);
	if (depends_on_regions(try))
		fz_end_either_way(run, ret);
	else
		fz_end(run, ret);
	fz_check(run, &try->want, ret);
	if (ret || try->ioctl->nr == PEER_VRAM_IOC_READ)
		failed(run, try);
	if (!ret && try->ioctl->done)
		try->ioctl->done(run, try, arg);
}

static void go_ioctl(struct fz_run *run)
{
	struct fz_try try = {};
	int n, slot;

	/* Of objects that are all dead there is not much to be learnt. */
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
	try.as.size = try.ioctl->size;
	try.object = FZ_NO_OBJECT;
	if (try.ioctl->named && slot >= 0) {
		try.as.handle = run->world->handles[slot].handle;
		try.object = run->world->handles[slot].object;
	}
	if (try.ioctl->fill)
		try.ioctl->fill(run, &try);
	for (n = fz_chance(&run->rng, 40); n && n < 4;
	     n = fz_chance(&run->rng, 50) ? n + 1 : 0)
		mutate_once(run, &try);
	try.room = fz_chance(&run->rng, 80) ? FZ_PAGE : try.ioctl->size;
	want_all(run, &try);
	call(run, &try);
out:
	fz_unlock(run);
}

/* Calls that there are not, and structs that are nowhere. */
static void go_bad_ioctl(struct fz_run *run)
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

/* All of an object: against the model, or into it. */
static void look_at_all(struct fz_run *run, const struct fz_handle *handle)
{
	static uint8_t bytes[FZ_OBJECT_PAGES * FZ_PAGE];
	struct fz_object *obj = &run->world->objects[handle->object];
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
		fz_fail(run, "object %d cannot be read", handle->object);
	at = obj->known ? vt_first_diff(bytes, obj->shadow, obj->length) : -1;
	if (at >= 0)
		fz_fail(run, "object %d: byte %#zx is %02x, not %02x",
			handle->object, at, bytes[at], obj->shadow[at]);
	memcpy(obj->shadow, bytes, obj->length);
	obj->known = true;
}

static void go_look(struct fz_run *run)
{
	int slot;

	fz_lock(run);
	slot = fz_pick_handle(run);
	if (slot >= 0 && !run->world->racing)
		look_at_all(run, &run->world->handles[slot]);
	fz_unlock(run);
}

const struct fz_op fz_ops_ioctl[] = {
	{ "ioctl", 400, go_ioctl },
	{ "bad ioctl", 10, go_bad_ioctl },
	{ "look", 60, go_look },
	{},
};
