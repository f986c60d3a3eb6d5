// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Objects in video memory. However we come to a handle, by making, importing or
 * finding the object, what follows is the same: object_of_handle().
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "internal.h"
#include "vram.h"

static int by_handle(struct peermem_vram *vram, unsigned long request,
		     uint32_t handle)
{
	struct peer_vram_handle arg = {
		.size = sizeof(arg),
		.handle = handle,
	};

	return peermem_vram_ioctl(vram, request, &arg);
}

static int query_handle(struct peermem_vram *vram, uint32_t handle,
			struct peer_vram_query *query)
{
	*query = (struct peer_vram_query){
		.size = sizeof(*query),
		.handle = handle,
	};
	return peermem_vram_ioctl(vram, PEER_VRAM_IOC_QUERY, query);
}

/* Return: 0 or errno. */
static int map_object(struct peermem_object *object)
{
	int prot = PROT_READ | (object->vram->writable ? PROT_WRITE : 0);
	struct peer_vram_query query;
	int error;

	error = query_handle(object->vram, object->handle, &query);
	if (error)
		return error;
	object->length = query.length;
	object->addr = mmap(NULL, query.length, prot, MAP_SHARED,
			    object->vram->fd, query.mmap_offset);
	return object->addr == MAP_FAILED ? errno : 0;
}

/* The handle becomes the object's, or is closed. */
static struct peermem_object *object_of_handle(struct peermem_vram *vram,
					       uint32_t handle)
{
	struct peermem_object *object = calloc(1, sizeof(*object));
	int error = ENOMEM;

	if (object) {
		object->vram = vram;
		object->handle = handle;
		error = map_object(object);
		if (!error)
			return object;
	}
	free(object);
	by_handle(vram, PEER_VRAM_IOC_CLOSE, handle);
	errno = error;
	return NULL;
}

PEERMEM_EXPORT
struct peermem_object *peermem_alloc_object(struct peermem_vram *vram,
					    size_t length, unsigned int flags)
{
	struct peer_vram_create create = {
		.size = sizeof(create),
		.flags = flags,
		.length = length,
	};

	/* Nobody could ever write into it. */
	errno = vram->writable ? 0 : EACCES;
	if (!errno)
		errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_CREATE, &create);
	return errno ? NULL : object_of_handle(vram, create.handle);
}

PEERMEM_EXPORT
struct peermem_object *peermem_import_object(struct peermem_vram *vram, int fd)
{
	struct peer_vram_share import = { .size = sizeof(import), .fd = fd };

	errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_IMPORT, &import);
	return errno ? NULL : object_of_handle(vram, import.handle);
}

PEERMEM_EXPORT
struct peermem_object *peermem_find_object(struct peermem_vram *vram,
					   const void *addr, uint64_t *offset)
{
	struct peer_vram_lookup lookup = {
		.size = sizeof(lookup),
		.addr = (uintptr_t)addr,
	};

	errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_LOOKUP, &lookup);
	if (errno)
		return NULL;
	if (offset)
		*offset = lookup.offset;
	return object_of_handle(vram, lookup.handle);
}

PEERMEM_EXPORT
struct peermem_object *peermem_next_object(struct peermem_vram *vram,
					   uint64_t *number)
{
	struct peer_vram_next next = {
		.size = sizeof(next),
		.mmap_offset = *number,
	};

	errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_NEXT, &next);
	if (errno)
		return NULL;
	*number = next.mmap_offset;
	return object_of_handle(vram, next.handle);
}

PEERMEM_EXPORT
int peermem_free_object(struct peermem_object *object)
{
	int error;

	if (!object)
		return 0;
	error = munmap(object->addr, object->length) ? errno : 0;
	if (!error)
		error = by_handle(object->vram, PEER_VRAM_IOC_CLOSE,
				  object->handle);
	free(object);
	/* Where the device is gone there is no name either. */
	return errno = error == ENODEV ? 0 : error;
}

PEERMEM_EXPORT
int peermem_share_object(struct peermem_object *object, int *fd)
{
	struct peer_vram_share share = {
		.size = sizeof(share),
		.handle = object->handle,
	};

	errno = peermem_vram_ioctl(object->vram, PEER_VRAM_IOC_SHARE, &share);
	if (!errno)
		*fd = share.fd;
	return errno;
}

PEERMEM_EXPORT
int peermem_move_object(struct peermem_object *object,
			enum peer_vram_domain domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move),
		.handle = object->handle,
		.domain = domain,
	};

	return errno = peermem_vram_ioctl(object->vram, PEER_VRAM_IOC_MOVE,
					  &move);
}

PEERMEM_EXPORT
int peermem_evict_object(struct peermem_object *object)
{
	return peermem_move_object(object, PEER_VRAM_DOMAIN_SYSTEM);
}

PEERMEM_EXPORT
int peermem_revoke_object(struct peermem_object *object)
{
	return errno = by_handle(object->vram, PEER_VRAM_IOC_REVOKE,
				 object->handle);
}

PEERMEM_EXPORT
int peermem_destroy_object(struct peermem_object *object)
{
	return errno = by_handle(object->vram, PEER_VRAM_IOC_DESTROY,
				 object->handle);
}

PEERMEM_EXPORT
int peermem_query_object(struct peermem_object *object,
			 struct peermem_object_info *info, size_t info_size)
{
	struct peermem_object_info ours;
	struct peer_vram_query query;

	errno = query_handle(object->vram, object->handle, &query);
	if (errno)
		return errno;
	ours = (struct peermem_object_info){
		.length = query.length,
		.domain = query.domain,
		.flags = query.flags,
		.regions = query.regions,
		.pins = query.pins,
	};
	return errno = peermem_give(info, info_size, &ours, sizeof(ours));
}
