/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * libpeermem: buffer objects (BOs) in the video memory (VRAM) of peer_vram. For
 * programs that use libibverbs; link with -lpeermem.
 *
 * Functions that return a pointer return NULL on failure, and set errno. Functions
 * that return int return 0 or an errno, and set errno to the same value. They return
 * no negative values. All functions may be called from any thread; no thread may use
 * a BO after it was freed, or a device after it was closed. rdma/peer_vram.h lists all
 * errors of the driver.
 *
 * A function that fills in a struct with a size argument accepts structs of other
 * versions of this library. Fields that the library does not know become zero. A
 * struct smaller than in its first version gives EINVAL.
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
 * peermem_open_vram() - open a VRAM device
 * @name: name of the character device in /dev; NULL: peer_vram0
 * @flags: O_RDWR, or O_RDONLY to only map, read and query BOs
 *
 * Return: the device, or NULL with errno:
 *
 * * EINVAL - other flags
 * * ENOENT - no such device
 * * EACCES - no permission to open it
 * * EMFILE, ENFILE - too many open files
 * * ENOMEM - out of memory
 */
struct peermem_vram *peermem_open_vram(const char *name, int flags);

/**
 * peermem_close_vram() - close a VRAM device
 * @vram: the device, all of whose BOs have been freed; may be NULL
 *
 * Return: 0, or the errno of close()
 */
int peermem_close_vram(struct peermem_vram *vram);

/**
 * struct peermem_vram_info - state and counters of a VRAM device
 * @size: bytes of VRAM
 * @used: bytes of VRAM that BOs occupy
 * @pinned: bytes of VRAM that cannot be evicted
 * @pinnable: bytes of VRAM that MRs can still pin
 * @creatable: bytes of BOs that can still be created
 * @system_used: bytes of BOs that are in system memory
 * @block_size: allocation unit of VRAM, in bytes
 * @objects: number of BOs
 * @evictions: number of evictions of parts of BOs
 * @moves: number of moves of parts of BOs, for any reason
 * @swapouts: number of parts of BOs swapped out of system memory
 * @substituted: number of faults of on-demand MRs answered with system pages
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

/**
 * peermem_query_vram() - read the state and the counters of a VRAM device
 * @vram: the device
 * @info: out: state and counters
 * @info_size: ``sizeof(*info)``
 *
 * Return:
 * * 0 - success
 * * EINVAL - @info_size is too small
 * * ENODEV - the device was removed
 */
int peermem_query_vram(struct peermem_vram *vram,
		       struct peermem_vram_info *info, size_t info_size);

/**
 * struct peermem_bo - a buffer object and its mapping
 * @vram: the device; must stay open until the BO is freed
 * @addr: first byte of the mapping; read-only if the device was opened O_RDONLY
 * @length: length in bytes, whole pages
 * @handle: handle of the BO in the ioctls of the device
 *
 * The library allocates it, and may append fields.
 */
struct peermem_bo {
	struct peermem_vram *vram;
	void *addr;
	size_t length;
	uint32_t handle;
};

/**
 * peermem_alloc_bo() - create a zeroed BO and map it
 * @vram: the device
 * @length: length in bytes, not 0; rounded up to pages
 * @flags: enum peer_vram_create_flags
 *
 * Return: the BO, or NULL with errno:
 *
 * * EINVAL - @length is 0, or a flag is unknown
 * * E2BIG - the BO would be larger than VRAM
 * * ENOMEM - out of memory, or the limit of all BOs is reached
 * * EACCES - the device was opened O_RDONLY
 * * EMFILE - the device has no free handle
 * * ENODEV - the device was removed
 */
struct peermem_bo *peermem_alloc_bo(struct peermem_vram *vram, size_t length,
				    unsigned int flags);

/**
 * peermem_import_bo() - map the BO of a dma-buf
 * @vram: the device
 * @fd: descriptor from peermem_share_bo(), in any process. It remains open
 *
 * Return: the BO, or NULL with errno:
 *
 * * EBADF - @fd is not a descriptor
 * * EINVAL - @fd is not a dma-buf of this device
 * * ENODEV - the BO was destroyed, or the device was removed
 * * EMFILE - the device has no free handle
 * * ENOMEM - out of memory
 */
struct peermem_bo *peermem_import_bo(struct peermem_vram *vram, int fd);

/**
 * peermem_find_bo() - find the BO at an address of this process
 * @vram: the device
 * @addr: address in any mapping of the device
 * @offset: out: offset of @addr in the BO, in bytes; may be NULL
 *
 * Return: the BO with another mapping of it, or NULL with errno:
 *
 * * ENOENT - no BO of this device is mapped at @addr
 * * EACCES - the mapping can never be written, and the device was opened O_RDWR
 * * ENODEV - the BO was destroyed, or the device was removed
 * * EMFILE - the device has no free handle
 * * ENOMEM - out of memory
 */
struct peermem_bo *peermem_find_bo(struct peermem_vram *vram, const void *addr,
				   uint64_t *offset);

/**
 * peermem_next_bo() - iterate over the BOs of all users of the device
 * @vram: the device
 * @mmap_offset: in: mmap() offset of the previous BO, 0 for the first; out: that of
 *	this BO. /proc/<pid>/maps shows it for mappings of the BO
 *
 * Return: the BO with a new mapping of it, or NULL with errno:
 *
 * * ENOENT - there is no further BO
 * * EPERM - the caller has no CAP_SYS_ADMIN
 * * ENODEV - the BO was destroyed during the call (continue with the next one), or the
 *   device was removed
 * * EMFILE - the device has no free handle
 * * ENOMEM - out of memory
 */
struct peermem_bo *peermem_next_bo(struct peermem_vram *vram,
				   uint64_t *mmap_offset);

/**
 * peermem_free_bo() - unmap a BO and close its handle
 * @bo: the BO; may be NULL
 *
 * The BO itself lives as long as an MR, another mapping, a handle or a dma-buf refers
 * to it.
 *
 * Return: 0, also if the device was removed; or the errno of munmap()
 */
int peermem_free_bo(struct peermem_bo *bo);

/**
 * peermem_share_bo() - create a dma-buf of a BO
 * @bo: the BO
 * @fd: out: descriptor of the dma-buf, close-on-exec. The caller closes it
 *
 * The descriptor can be passed to another process, imported, mapped, and registered
 * with ibv_reg_dmabuf_mr(). Its holder has all rights to the BO.
 *
 * Return:
 * * 0 - *@fd is valid
 * * EACCES - the device was opened O_RDONLY
 * * EMFILE, ENFILE - too many open files
 * * ENODEV - the device was removed
 * * ENOMEM - out of memory
 */
int peermem_share_bo(struct peermem_bo *bo, int *fd);

/**
 * peermem_move_bo() - move a BO to VRAM or to system memory
 * @bo: the BO
 * @domain: where to
 *
 * Return:
 * * 0 - the BO is there
 * * EINVAL - no such domain
 * * EBUSY - the BO is pinned in the other domain
 * * ENOMEM - no room
 * * ENODEV - the BO was destroyed, or the device was removed
 * * EACCES - the device was opened O_RDONLY
 */
int peermem_move_bo(struct peermem_bo *bo, enum peer_vram_domain domain);

/**
 * peermem_evict_bo() - move a BO to system memory
 * @bo: the BO
 *
 * Return: as peermem_move_bo()
 */
int peermem_evict_bo(struct peermem_bo *bo);

/**
 * peermem_revoke_bo() - revoke the MRs of a BO
 * @bo: the BO, which may be registered again
 *
 * Return:
 * * 0 - success
 * * ENODEV - the BO was destroyed, or the device was removed
 * * EACCES - the device was opened O_RDONLY
 */
int peermem_revoke_bo(struct peermem_bo *bo);

/**
 * peermem_destroy_bo() - end a BO for all its users
 * @bo: the BO; it still needs peermem_free_bo()
 *
 * Accesses to mappings raise SIGBUS. Accesses through MRs fail.
 *
 * Return:
 * * 0 - success
 * * ENODEV - the BO was already destroyed, or the device was removed
 * * EACCES - the device was opened O_RDONLY
 */
int peermem_destroy_bo(struct peermem_bo *bo);

/**
 * struct peermem_bo_info - state of a BO
 * @length: length in bytes
 * @domain: enum peer_vram_domain, where the BO is now
 * @flags: enum peer_vram_query_flags
 * @regions: number of RDMA regions of the BO
 * @pins: number of these regions that pin the BO
 */
struct peermem_bo_info {
	uint64_t length;
	uint32_t domain;
	uint32_t flags;
	uint32_t regions;
	uint32_t pins;
};

/**
 * peermem_query_bo() - read the state of a BO
 * @bo: the BO
 * @info: out: its state
 * @info_size: ``sizeof(*info)``
 *
 * Return:
 * * 0 - success
 * * EINVAL - @info_size is too small
 * * ENODEV - the BO was destroyed, or the device was removed
 */
int peermem_query_bo(struct peermem_bo *bo, struct peermem_bo_info *info,
		     size_t info_size);

#ifdef __cplusplus
}
#endif

#endif
