/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libpeermem: objects in the video memory of peer_vram. For programs on
 * libibverbs; link with -lpeermem.
 *
 * As with verbs, functions that make something return NULL and set errno if they
 * cannot; the others return 0, or an errno, to which they also set errno. All
 * may be called from any thread; what was freed or closed is not to be used any
 * more, by any. What each error means stands in rdma/peer_vram.h.
 *
 * Where a struct is filled in, its size is told: programs and libraries that do
 * not know the same fields get on with each other. Fields that the library does
 * not know are 0; a struct smaller than in its first version gives EINVAL.
 */
#ifndef INFINIBAND_PEERMEM_VRAM_H
#define INFINIBAND_PEERMEM_VRAM_H

#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_vram.h>

#ifdef __cplusplus
extern "C" {
#endif

struct peermem_vram;

/**
 * peermem_open_vram() - open a device
 * @name:  of the node in /dev; NULL: peer_vram0
 * @flags: O_RDWR, or O_RDONLY to map and to ask only
 *
 * Return: the device; NULL: ENOENT no such device, EACCES no right to open it,
 * EINVAL other flags, ENOMEM.
 */
struct peermem_vram *peermem_open_vram(const char *name, int flags);

/** peermem_close_vram() - its objects must have been freed; NULL is fine */
int peermem_close_vram(struct peermem_vram *vram);

/**
 * struct peermem_vram_info - of a device, in bytes if not said otherwise
 * @size:        of the video memory
 * @used:        taken by objects
 * @pinned:      cannot be evicted
 * @pinnable:    can still be pinned by memory regions
 * @creatable:   of objects that can still be made
 * @system_used: of objects that are in system memory
 * @block_size:  the unit in which video memory is given out
 * @objects:     how many there are
 * @evictions:   how often one left the video memory against its will
 * @moves:       how often one was moved, for any reason
 * @swapouts:    how often one in system memory was swapped out
 * @substituted: how often an access on demand got system pages
 */
struct peermem_vram_info {
	uint64_t size;
	uint64_t used;
	uint64_t pinned;
	uint64_t pinnable;
	uint64_t creatable;
	uint64_t system_used;
	uint64_t block_size;
	uint64_t objects;
	uint64_t evictions;
	uint64_t moves;
	uint64_t swapouts;
	uint64_t substituted;
};

int peermem_query_vram(struct peermem_vram *vram,
		       struct peermem_vram_info *info, size_t info_size);

/**
 * struct peermem_object - a buffer in video memory, and our mapping of it
 * @vram:   where it was made; closed after all its objects were freed
 * @addr:   first byte; to be read only, where the device was opened O_RDONLY
 * @length: bytes, whole pages
 * @handle: its name in the ioctls of the device
 *
 * Made by the library, which may put more behind.
 */
struct peermem_object {
	struct peermem_vram *vram;
	void *addr;
	size_t length;
	uint32_t handle;
};

/**
 * peermem_alloc_object() - make an object, zeroed, and map it
 * @flags: enum peer_vram_create_flags
 *
 * Return: the object; NULL: EINVAL length 0 or unknown flag, E2BIG larger than
 * the video memory, ENOMEM, EACCES the device was opened O_RDONLY.
 */
struct peermem_object *peermem_alloc_object(struct peermem_vram *vram,
					    size_t length, unsigned int flags);

/**
 * peermem_import_object() - the object of a shared descriptor, mapped here
 * @fd: remains the caller's
 *
 * Return: the object; NULL: EBADF, EINVAL a descriptor of something else, ENODEV
 * the object was destroyed.
 */
struct peermem_object *peermem_import_object(struct peermem_vram *vram, int fd);

/**
 * peermem_find_object() - the object behind an address of this process
 * @addr:   in a mapping of the device, whoever made it
 * @offset: out: where in the object; may be NULL
 *
 * Return: the object, with another mapping; NULL: ENOENT no object of this
 * device, EACCES.
 */
struct peermem_object *peermem_find_object(struct peermem_vram *vram,
					   const void *addr, uint64_t *offset);

/**
 * peermem_next_object() - any object of the device, whoever made it
 * @number: in: after which one, 0: the first; out: this one's. It is the offset
 *          that /proc/<pid>/maps shows for mappings of the object
 *
 * Return: the object, mapped here as well; NULL: ENOENT there is no further one,
 * EPERM no CAP_SYS_ADMIN, ENODEV it was destroyed just now: go on.
 */
struct peermem_object *peermem_next_object(struct peermem_vram *vram,
					   uint64_t *number);

/**
 * peermem_free_object() - unmap it, and give its name back; NULL is fine
 *
 * The object itself lives as long as somebody refers to it: a memory region,
 * another mapping, a shared descriptor.
 */
int peermem_free_object(struct peermem_object *object);

/**
 * peermem_share_object() - a dma-buf of it
 * @fd: out: a descriptor, close-on-exec, to be closed by the caller. It can be
 *      passed to another process, imported, mapped, and registered by
 *      ibv_reg_dmabuf_mr(). Who has it may do all with the object.
 */
int peermem_share_object(struct peermem_object *object, int *fd);

/**
 * peermem_move_object() - put it into video memory, or into system memory
 *
 * Return: 0; EBUSY it is pinned and not there; ENOMEM no room; ENODEV it was
 * destroyed; EACCES the device was opened O_RDONLY.
 */
int peermem_move_object(struct peermem_object *object,
			enum peer_vram_domain domain);

/** peermem_evict_object() - put it out of video memory */
int peermem_evict_object(struct peermem_object *object);

/** peermem_revoke_object() - end its memory regions; it may be registered anew */
int peermem_revoke_object(struct peermem_object *object);

/**
 * peermem_destroy_object() - end it, for everybody: mappings give SIGBUS, memory
 * regions answer with errors. What was made here is still to be freed.
 */
int peermem_destroy_object(struct peermem_object *object);

/**
 * struct peermem_object_info - of an object
 * @length:  bytes
 * @domain:  where it is now, enum peer_vram_domain
 * @flags:   enum peer_vram_query_flags
 * @regions: memory regions over it
 * @pins:    how many of them pin it
 */
struct peermem_object_info {
	uint64_t length;
	uint32_t domain;
	uint32_t flags;
	uint32_t regions;
	uint32_t pins;
};

int peermem_query_object(struct peermem_object *object,
			 struct peermem_object_info *info, size_t info_size);

#ifdef __cplusplus
}
#endif

#endif
