/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of peer_vram, the GPU-like exporter: /dev/peer_vram<N>.
 *
 * An object is a buffer of the video memory manager. It is made either by
 * PEER_VRAM_IOC_CREATE, which gives a handle of this open file and an offset
 * for mmap(), or by mmap() at offset 0, which makes an unnamed object of the
 * mapping's length. An object lives as long as a handle, a mapping, a shared
 * descriptor or a memory region of an RDMA device refers to it; after
 * PEER_VRAM_IOC_DESTROY it is dead at once for everybody.
 *
 * Sizes, lengths and offsets are in bytes. Object sizes are rounded up to
 * pages. All structs begin with their size and are extended at the end only:
 * a struct shorter or longer than the kernel's is accepted as long as what
 * the kernel does not know is zero (else E2BIG). Reserved fields must be zero.
 *
 * A file opened read-only may map, read and query, and nothing else: WRITE,
 * MOVE, DESTROY, REVOKE, SHARE and SET_FLAGS give EACCES. It cannot be opened
 * write-only (EACCES).
 *
 * Where RDMA devices find an object: a pinned memory region keeps it in video
 * memory. An on-demand one pins nothing; an access to an object that is in
 * system memory brings it back, evicting others that are not pinned. If there
 * is no room (all else is pinned, or just being used), or the object is to stay
 * in place (PEER_VRAM_CREATE_IN_PLACE), the access is served from the system
 * pages as they are; so it does not fail for want of video memory. Whatever
 * takes pages away (eviction, MOVE, swapping, DESTROY) waits for no device and
 * no network peer; the next access asks again.
 *
 * Errors, the same for every call:
 *   EINVAL  unknown flag or domain, non-zero reserved field, length 0, size too
 *           small for the first version of the struct
 *   E2BIG   the struct is longer than the kernel's and its tail is not zero;
 *           for CREATE also: the object is larger than the whole video memory
 *   ENOENT  no such handle in this file, or no object of this device at addr;
 *           no further object
 *   EMFILE  no room for another handle in this file (65536), or descriptor
 *   ERANGE  offset + length lies outside of the object
 *   ENOMEM  out of kernel memory, nothing that could be evicted, or no more
 *           objects can be made (see peer_vram_info.creatable)
 *   EBUSY   pinned objects do not move
 *   EACCES  the file was opened read-only; LOOKUP by a file opened for writing
 *           of a mapping that can never be written
 *   EPERM   BLOCKS, NEXT without CAP_SYS_ADMIN
 *   EBADF   IMPORT of what is no descriptor
 *   ENODEV  the device is gone, or the object was destroyed
 *   EFAULT  bad user pointer
 *   EINTR   a signal came in between
 *   ENOTTY  no such call
 *
 * mmap() is for MAP_SHARED only (else EINVAL), at offset 0 or at an offset of
 * an object of which this file has a handle, not beyond its end (else EINVAL).
 * At offset 0 it fails as CREATE does. Mappings survive CLOSE, fork() and
 * unmapping of parts, and do not grow.
 */
#ifndef _UAPI_RDMA_PEER_VRAM_H
#define _UAPI_RDMA_PEER_VRAM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PEER_VRAM_IOC_MAGIC 0xd5

/* Where pages of an object are. */
enum peer_vram_domain {
	PEER_VRAM_DOMAIN_SYSTEM = 0,
	PEER_VRAM_DOMAIN_VRAM = 1,
};

/* Flags of PEER_VRAM_IOC_CREATE. */
enum peer_vram_create_flags {
	/* RDMA devices may not register the object: ibv_reg_mr() gives EACCES. */
	PEER_VRAM_CREATE_NO_EXPORT = 1 << 0,
	/* Begin in system memory instead of video memory. */
	PEER_VRAM_CREATE_SYSTEM = 1 << 1,
	/* On-demand accesses of RDMA devices do not bring it to video memory. */
	PEER_VRAM_CREATE_IN_PLACE = 1 << 2,
};

/**
 * struct peer_vram_create - PEER_VRAM_IOC_CREATE
 * @size:        sizeof(struct peer_vram_create)
 * @flags:       enum peer_vram_create_flags
 * @length:      bytes wanted; out: rounded up to pages
 * @handle:      out: name of the object in this open file, never 0
 * @reserved:    zero
 * @mmap_offset: out: offset for mmap() on this file
 *
 * The object is zeroed.
 */
struct peer_vram_create {
	__u32 size;
	__u32 flags;
	__aligned_u64 length;
	__u32 handle;
	__u32 reserved;
	__aligned_u64 mmap_offset;
};

/**
 * struct peer_vram_handle - PEER_VRAM_IOC_CLOSE, _DESTROY, _REVOKE
 *
 * CLOSE drops this file's name of the object. DESTROY ends the object for
 * everybody: mappings give SIGBUS, memory regions answer with errors. REVOKE
 * ends its present memory regions only; the object lives and may be
 * registered again.
 */
struct peer_vram_handle {
	__u32 size;
	__u32 handle;
};

/**
 * struct peer_vram_lookup - PEER_VRAM_IOC_LOOKUP
 * @addr:   address in a mapping of an object of this device, in this process
 * @handle: out: a handle of this file for that object (a new one each time)
 * @offset: out: where in the object @addr lies
 */
struct peer_vram_lookup {
	__u32 size;
	__u32 handle;
	__aligned_u64 addr;
	__aligned_u64 offset;
};

/**
 * struct peer_vram_move - PEER_VRAM_IOC_MOVE
 * @domain: enum peer_vram_domain
 *
 * Moves the object. VRAM evicts others if it must. EBUSY if it is pinned and
 * not there yet.
 */
struct peer_vram_move {
	__u32 size;
	__u32 handle;
	__u32 domain;
	__u32 reserved;
};

/* Flags in peer_vram_query.flags. */
enum peer_vram_query_flags {
	PEER_VRAM_QUERY_EXPORTABLE = 1 << 0,
	PEER_VRAM_QUERY_IN_PLACE = 1 << 1,
};

/**
 * struct peer_vram_query - PEER_VRAM_IOC_QUERY
 * @domain:      out: where the object is now
 * @flags:       out: enum peer_vram_query_flags
 * @length:      out: bytes
 * @mmap_offset: out: offset for mmap() on this file
 * @regions:     out: memory regions of RDMA devices over the object
 * @pins:        out: how many of them pin it
 */
struct peer_vram_query {
	__u32 size;
	__u32 handle;
	__u32 domain;
	__u32 flags;
	__aligned_u64 length;
	__aligned_u64 mmap_offset;
	__u32 regions;
	__u32 pins;
};

/**
 * struct peer_vram_rw - PEER_VRAM_IOC_READ, PEER_VRAM_IOC_WRITE
 * @offset: in the object, any alignment
 * @length: bytes, may be 0
 * @buffer: user memory
 *
 * The exporter's own view of the object, wherever it is at the moment.
 */
struct peer_vram_rw {
	__u32 size;
	__u32 handle;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer;
};

/**
 * struct peer_vram_block - a contiguous piece of an object in video memory
 * @offset: in the object
 * @length: bytes
 * @bar:    offset in the device's memory BAR
 */
struct peer_vram_block {
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 bar;
};

/**
 * struct peer_vram_blocks - PEER_VRAM_IOC_BLOCKS
 * @count:  in: room in @blocks; out: blocks that the object has (0: it is in
 *          system memory). If larger than the room, the first ones were given.
 * @blocks: user array of struct peer_vram_block
 *
 * Needs CAP_SYS_ADMIN (EPERM): places in device memory are for debugging. They
 * may be stale when the call returns, unless the object is pinned.
 */
struct peer_vram_blocks {
	__u32 size;
	__u32 handle;
	__u32 count;
	__u32 reserved;
	__aligned_u64 blocks;
};

/**
 * struct peer_vram_share - PEER_VRAM_IOC_SHARE, PEER_VRAM_IOC_IMPORT
 * @handle: SHARE in, IMPORT out
 * @fd:     SHARE out (close-on-exec), IMPORT in
 *
 * SHARE makes a dma-buf of the object. Its descriptor can be passed to another
 * process, mapped, and registered (ibv_reg_dmabuf_mr()); IMPORT makes a handle of
 * it. Devices that do DMA cannot attach to it (EOPNOTSUPP). EBADF: not a
 * descriptor; EINVAL: a descriptor of something else, or of another device.
 */
struct peer_vram_share {
	__u32 size;
	__u32 handle;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct peer_vram_set_flags - PEER_VRAM_IOC_SET_FLAGS
 * @flags: PEER_VRAM_CREATE_NO_EXPORT and _IN_PLACE, as they are to be
 *
 * With NO_EXPORT newly set, registering gives EACCES from now on, and accesses
 * through on-demand memory regions that exist end in protection errors, until
 * it is cleared again. Pinned ones go on; REVOKE ends them.
 */
struct peer_vram_set_flags {
	__u32 size;
	__u32 handle;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct peer_vram_next - PEER_VRAM_IOC_NEXT
 * @handle:      out: a handle of this file for the object found
 * @mmap_offset: in: after which one, 0: the first; out: this one's
 *
 * Goes through all objects that are alive, whoever made them, by their
 * offsets, which /proc/<pid>/maps shows as well. Needs CAP_SYS_ADMIN (EPERM).
 */
struct peer_vram_next {
	__u32 size;
	__u32 handle;
	__aligned_u64 mmap_offset;
};

/**
 * struct peer_vram_info - PEER_VRAM_IOC_INFO
 * @vram_size:     out: bytes of video memory
 * @vram_used:     out: bytes taken by objects
 * @vram_pinned:   out: bytes that cannot be evicted
 * @vram_pinnable: out: bytes that can still be pinned by memory regions
 * @system_used:   out: bytes of objects that are in system memory
 * @block_size:    out: bytes of the manager's unit
 * @objects:       out: objects that exist; destroyed ones count for as long as
 *                 anybody refers to them
 * @evictions:     out: objects that left video memory against their will
 * @moves:         out: objects moved, both directions, for any reason
 * @creatable:     out: bytes of objects that can still be made; all devices
 *                 share this limit (module parameter limit_mb)
 * @swapouts:      out: objects in system memory that were swapped out
 * @substituted:   out: faults of on-demand memory regions answered with system
 *                 pages
 */
struct peer_vram_info {
	__u32 size;
	__u32 reserved;
	__aligned_u64 vram_size;
	__aligned_u64 vram_used;
	__aligned_u64 vram_pinned;
	__aligned_u64 vram_pinnable;
	__aligned_u64 system_used;
	__aligned_u64 block_size;
	__aligned_u64 objects;
	__aligned_u64 evictions;
	__aligned_u64 moves;
	__aligned_u64 creatable;
	__aligned_u64 swapouts;
	__aligned_u64 substituted;
};

#define PEER_VRAM_IOC(nr) _IO(PEER_VRAM_IOC_MAGIC, nr)

#define PEER_VRAM_IOC_INFO    PEER_VRAM_IOC(0)
#define PEER_VRAM_IOC_CREATE  PEER_VRAM_IOC(1)
#define PEER_VRAM_IOC_CLOSE   PEER_VRAM_IOC(2)
#define PEER_VRAM_IOC_DESTROY PEER_VRAM_IOC(3)
#define PEER_VRAM_IOC_REVOKE  PEER_VRAM_IOC(4)
#define PEER_VRAM_IOC_LOOKUP  PEER_VRAM_IOC(5)
#define PEER_VRAM_IOC_MOVE    PEER_VRAM_IOC(6)
#define PEER_VRAM_IOC_QUERY   PEER_VRAM_IOC(7)
#define PEER_VRAM_IOC_READ    PEER_VRAM_IOC(8)
#define PEER_VRAM_IOC_WRITE   PEER_VRAM_IOC(9)
#define PEER_VRAM_IOC_BLOCKS  PEER_VRAM_IOC(10)
#define PEER_VRAM_IOC_SHARE   PEER_VRAM_IOC(11)
#define PEER_VRAM_IOC_IMPORT  PEER_VRAM_IOC(12)
#define PEER_VRAM_IOC_SET_FLAGS PEER_VRAM_IOC(13)
#define PEER_VRAM_IOC_NEXT    PEER_VRAM_IOC(14)

#endif
