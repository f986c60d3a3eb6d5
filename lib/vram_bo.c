// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Buffer objects (BOs) in VRAM.
 *
 * Each function that returns a BO first gets a handle of it, by creating, importing or
 * finding the BO. bo_from_handle() does the rest.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "internal.h"
#include "vram.h"

static int handle_ioctl(struct peermem_vram *vram, unsigned long request,
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
static int map_bo(struct peermem_bo *bo)
{
	int prot = PROT_READ | (bo->vram->writable ? PROT_WRITE : 0);
	struct peer_vram_query query;
	int error;

	error = query_handle(bo->vram, bo->handle, &query);
	if (error)
		return error;
	bo->length = query.length;
	bo->addr = mmap(NULL, query.length, prot, MAP_SHARED, bo->vram->fd,
			query.mmap_offset);
	return bo->addr == MAP_FAILED ? errno : 0;
}

/* On success the BO owns the handle. On failure the handle is closed. */
static struct peermem_bo *bo_from_handle(struct peermem_vram *vram,
					 uint32_t handle)
{
	struct peermem_bo *bo = calloc(1, sizeof(*bo));
	int error = ENOMEM;

	if (bo) {
		bo->vram = vram;
		bo->handle = handle;
		error = map_bo(bo);
		if (!error)
			return bo;
	}
	free(bo);
	handle_ioctl(vram, PEER_VRAM_IOC_CLOSE, handle);
	errno = error;
	return NULL;
}

PEERMEM_EXPORT
struct peermem_bo *peermem_alloc_bo(struct peermem_vram *vram, size_t length,
				    unsigned int flags)
{
	struct peer_vram_create create = {
		.size = sizeof(create),
		.flags = flags,
		.length = length,
	};

	/* A new BO with a read-only mapping would contain zeroes for ever. */
	errno = vram->writable ? 0 : EACCES;
	if (!errno)
		errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_CREATE, &create);
	return errno ? NULL : bo_from_handle(vram, create.handle);
}

PEERMEM_EXPORT
struct peermem_bo *peermem_import_bo(struct peermem_vram *vram, int fd)
{
	struct peer_vram_share import = { .size = sizeof(import), .fd = fd };

	errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_IMPORT, &import);
	return errno ? NULL : bo_from_handle(vram, import.handle);
}

PEERMEM_EXPORT
struct peermem_bo *peermem_find_bo(struct peermem_vram *vram, const void *addr,
				   uint64_t *offset)
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
	return bo_from_handle(vram, lookup.handle);
}

PEERMEM_EXPORT
struct peermem_bo *peermem_next_bo(struct peermem_vram *vram,
				   uint64_t *mmap_offset)
{
	struct peer_vram_next next = {
		.size = sizeof(next),
		.mmap_offset = *mmap_offset,
	};

	errno = peermem_vram_ioctl(vram, PEER_VRAM_IOC_NEXT, &next);
	if (errno)
		return NULL;
	*mmap_offset = next.mmap_offset;
	return bo_from_handle(vram, next.handle);
}

PEERMEM_EXPORT
int peermem_free_bo(struct peermem_bo *bo)
{
	int error;

	if (!bo)
		return 0;
	error = munmap(bo->addr, bo->length) ? errno : 0;
	if (!error)
		error = handle_ioctl(bo->vram, PEER_VRAM_IOC_CLOSE, bo->handle);
	free(bo);
	/* If the device was removed, there is no handle to close. */
	return errno = error == ENODEV ? 0 : error;
}

PEERMEM_EXPORT
int peermem_share_bo(struct peermem_bo *bo, int *fd)
{
	struct peer_vram_share share = {
		.size = sizeof(share),
		.handle = bo->handle,
	};

	errno = peermem_vram_ioctl(bo->vram, PEER_VRAM_IOC_SHARE, &share);
	if (!errno)
		*fd = share.fd;
	return errno;
}

PEERMEM_EXPORT
int peermem_move_bo(struct peermem_bo *bo, enum peer_vram_domain domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move),
		.handle = bo->handle,
		.domain = domain,
	};

	return errno = peermem_vram_ioctl(bo->vram, PEER_VRAM_IOC_MOVE, &move);
}

PEERMEM_EXPORT
int peermem_evict_bo(struct peermem_bo *bo)
{
	return peermem_move_bo(bo, PEER_VRAM_DOMAIN_SYSTEM);
}

PEERMEM_EXPORT
int peermem_revoke_bo(struct peermem_bo *bo)
{
	return errno = handle_ioctl(bo->vram, PEER_VRAM_IOC_REVOKE, bo->handle);
}

PEERMEM_EXPORT
int peermem_destroy_bo(struct peermem_bo *bo)
{
	return errno = handle_ioctl(bo->vram, PEER_VRAM_IOC_DESTROY, bo->handle);
}

PEERMEM_EXPORT
int peermem_query_bo(struct peermem_bo *bo, struct peermem_bo_info *info,
		     size_t info_size)
{
	struct peermem_bo_info ours;
	struct peer_vram_query query;

	errno = query_handle(bo->vram, bo->handle, &query);
	if (errno)
		return errno;
	ours = (struct peermem_bo_info){
		.length = query.length,
		.domain = query.domain,
		.flags = query.flags,
		.regions = query.regions,
		.pins = query.pins,
	};
	return errno = peermem_copy_out(info, info_size, &ours, sizeof(ours));
}
