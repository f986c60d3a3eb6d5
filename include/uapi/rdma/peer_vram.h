/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User API of peer_vram, the GPU-like exporter: /dev/peer_vram<N>.
 *
 * A buffer object (BO) is a buffer that the driver manages in video memory (VRAM)
 * or in system memory. PEER_VRAM_IOC_CREATE creates one, and returns a handle of
 * this open file and an offset for mmap(). mmap() at offset 0 creates a BO without
 * a handle, of the length of the mapping.
 *
 * A BO consists of parts of 2 MiB; the last one may be shorter. Each part is in VRAM
 * or in system memory, and moves by itself: what nobody accesses stays where it is.
 *
 * A BO lives as long as a handle, a mapping, a dma-buf or a memory region (MR) of
 * an RDMA device refers to it. PEER_VRAM_IOC_DESTROY ends it at once, for all
 * users.
 *
 * Sizes, lengths and offsets are in bytes. BO lengths are rounded up to pages.
 * Each struct begins with its size, and new fields are added at the end only. A
 * struct that is shorter or longer than the kernel's is accepted if all bytes that
 * the kernel does not know are zero (else E2BIG). Reserved fields must be zero.
 *
 * A file that was opened read-only may map, read and query BOs. WRITE, MOVE,
 * DESTROY, REVOKE, SHARE and SET_FLAGS fail with EACCES. The device cannot be
 * opened write-only (EACCES).
 *
 * RDMA devices access a BO as follows. A pinned MR keeps its parts of the BO in VRAM.
 * An on-demand MR pins nothing: an access to a part in system memory moves it to VRAM,
 * and evicts others that are not pinned. The access uses the system pages instead if
 * VRAM has no room (all others are pinned or in use), or if the BO was created with
 * PEER_VRAM_CREATE_IN_PLACE. It does not fail because VRAM is
 * full. Whatever invalidates pages (eviction, MOVE, swapping, DESTROY) does not
 * wait for a device or a network peer; the next access faults again.
 *
 * Errors, the same for every ioctl:
 *   EINVAL  unknown flag or domain; reserved field not zero; length 0; struct
 *           smaller than its first version
 *   E2BIG   the struct is longer than the kernel's, and its tail is not zero;
 *           for CREATE also: the BO is larger than VRAM
 *   ENOENT  this file has no such handle; no BO of this device is mapped at addr;
 *           NEXT found no further BO
 *   EMFILE  this file has no free handle (maximum 65536), or the process has no
 *           free descriptor
 *   ENFILE  SHARE: the system has too many open files
 *   ERANGE  the range is not in the BO
 *   ENOMEM  out of kernel memory; nothing can be evicted; or the limit of all BOs
 *           is reached (see peer_vram_info.creatable)
 *   EBUSY   the part is pinned and cannot move
 *   EACCES  the file was opened read-only; or LOOKUP with a file opened for
 *           writing found a mapping that can never be written
 *   EPERM   BLOCKS and NEXT need CAP_SYS_ADMIN
 *   EBADF   IMPORT: not a descriptor
 *   ENODEV  the device was removed, or the BO was destroyed
 *   EFAULT  bad user pointer
 *   EINTR   a fatal signal ended the call
 *   ENOTTY  no such ioctl
 *
 * mmap() requires MAP_SHARED (else EINVAL). The offset is 0, or an offset of a BO
 * that this file has a handle of; the mapping must not go beyond the end of the BO
 * (else EINVAL). At offset 0, mmap() fails as CREATE does. Mappings survive CLOSE,
 * fork() and unmapping of parts, and do not grow.
 */
#ifndef _UAPI_RDMA_PEER_VRAM_H
#define _UAPI_RDMA_PEER_VRAM_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PEER_VRAM_IOC_MAGIC 0xd5

/**
 * enum peer_vram_domain - where the pages of a BO are
 * @PEER_VRAM_DOMAIN_SYSTEM: system memory
 * @PEER_VRAM_DOMAIN_VRAM: VRAM
 * @PEER_VRAM_DOMAIN_MIXED: some parts in VRAM, others in system memory; QUERY only
 */
enum peer_vram_domain {
	PEER_VRAM_DOMAIN_SYSTEM = 0,
	PEER_VRAM_DOMAIN_VRAM = 1,
	PEER_VRAM_DOMAIN_MIXED = 2,
};

/**
 * enum peer_vram_create_flags - flags of PEER_VRAM_IOC_CREATE
 */
enum peer_vram_create_flags {
	/**
	 * @PEER_VRAM_CREATE_NO_EXPORT: RDMA devices may not register the BO:
	 * ibv_reg_mr() fails with EACCES.
	 */
	PEER_VRAM_CREATE_NO_EXPORT = 1 << 0,
	/**
	 * @PEER_VRAM_CREATE_SYSTEM: Create the BO in system memory instead of
	 * VRAM.
	 */
	PEER_VRAM_CREATE_SYSTEM = 1 << 1,
	/**
	 * @PEER_VRAM_CREATE_IN_PLACE: On-demand accesses of RDMA devices do not
	 * move the BO to VRAM.
	 */
	PEER_VRAM_CREATE_IN_PLACE = 1 << 2,
};

/**
 * struct peer_vram_create - PEER_VRAM_IOC_CREATE
 * @size:        sizeof(struct peer_vram_create)
 * @flags:       enum peer_vram_create_flags
 * @length:      bytes; out: rounded up to pages
 * @handle:      out: handle of the BO in this open file, never 0
 * @reserved:    zero
 * @mmap_offset: out: offset for mmap() of this file
 *
 * The BO is zeroed.
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
 * @size:   sizeof(struct peer_vram_handle)
 * @handle: of the BO
 *
 * CLOSE closes the handle. DESTROY ends the BO for all users: accesses to mappings
 * raise SIGBUS, and accesses through MRs fail. REVOKE ends the present MRs only;
 * the BO lives on and may be registered again.
 */
struct peer_vram_handle {
	__u32 size;
	__u32 handle;
};

/**
 * struct peer_vram_lookup - PEER_VRAM_IOC_LOOKUP
 * @size:   sizeof(struct peer_vram_lookup)
 * @handle: out: a new handle of this file for the BO
 * @addr:   address in this process, in a mapping of a BO of this device
 * @offset: out: offset of @addr in the BO
 */
struct peer_vram_lookup {
	__u32 size;
	__u32 handle;
	__aligned_u64 addr;
	__aligned_u64 offset;
};

/**
 * struct peer_vram_move - PEER_VRAM_IOC_MOVE
 * @size:     sizeof(struct peer_vram_move)
 * @handle:   of the BO
 * @domain:   enum peer_vram_domain, not MIXED
 * @reserved: zero
 * @offset:   first byte in the BO, any alignment
 * @length:   bytes; 0: to the end of the BO
 *
 * Moves the parts of the BO that the range overlaps. A move to VRAM evicts parts of
 * other BOs if necessary. Fails with EBUSY if one of the parts is pinned in another
 * domain, and with ENOMEM if there is no room; some parts may have moved then.
 */
struct peer_vram_move {
	__u32 size;
	__u32 handle;
	__u32 domain;
	__u32 reserved;
	__aligned_u64 offset;
	__aligned_u64 length;
};

/**
 * enum peer_vram_query_flags - flags in peer_vram_query.flags
 * @PEER_VRAM_QUERY_EXPORTABLE: RDMA devices may register the BO
 * @PEER_VRAM_QUERY_IN_PLACE: on-demand accesses do not move the BO to VRAM
 */
enum peer_vram_query_flags {
	PEER_VRAM_QUERY_EXPORTABLE = 1 << 0,
	PEER_VRAM_QUERY_IN_PLACE = 1 << 1,
};

/**
 * struct peer_vram_query - PEER_VRAM_IOC_QUERY
 * @size:        sizeof(struct peer_vram_query)
 * @handle:      of the BO
 * @domain:      out: enum peer_vram_domain, where the BO is now
 * @flags:       out: enum peer_vram_query_flags
 * @length:      out: bytes
 * @mmap_offset: out: offset for mmap() of this file
 * @regions:     out: number of RDMA regions of the BO
 * @pins:        out: number of these regions that pin their parts of the BO
 * @resident:    out: bytes that are in VRAM now
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
	__aligned_u64 resident;
};

/**
 * struct peer_vram_rw - PEER_VRAM_IOC_READ, PEER_VRAM_IOC_WRITE
 * @size:   sizeof(struct peer_vram_rw)
 * @handle: of the BO
 * @offset: offset in the BO, any alignment
 * @length: bytes, may be 0
 * @buffer: address of user memory
 *
 * Copies with the CPU, wherever the BO is at that time.
 */
struct peer_vram_rw {
	__u32 size;
	__u32 handle;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer;
};

/**
 * struct peer_vram_block - a contiguous part of a BO in VRAM
 * @offset: offset in the BO
 * @length: bytes
 * @bar:    offset in the memory BAR of the device
 */
struct peer_vram_block {
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 bar;
};

/**
 * struct peer_vram_blocks - PEER_VRAM_IOC_BLOCKS
 * @size:     sizeof(struct peer_vram_blocks)
 * @handle:   of the BO
 * @count:    in: number of entries of @blocks; out: number of blocks of the BO, 0 if
 *            it is in system memory. If that is more than the entries, only the
 *            first blocks were stored
 * @reserved: zero
 * @blocks:   address of an array of struct peer_vram_block
 *
 * Needs CAP_SYS_ADMIN (EPERM): locations in device memory are for debugging. They
 * may be outdated when the ioctl returns, unless the BO is pinned.
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
 * @size:     sizeof(struct peer_vram_share)
 * @handle:   of the BO; SHARE: in, IMPORT: out
 * @fd:       descriptor of a dma-buf; SHARE: out (close-on-exec), IMPORT: in
 * @reserved: zero
 *
 * SHARE creates a dma-buf of the BO. Its descriptor can be passed to another
 * process, mapped, registered (ibv_reg_dmabuf_mr()), and imported by other drivers that
 * follow moves. IMPORT returns a new handle for the BO of a dma-buf:
 * EBADF if @fd is not a descriptor, EINVAL if it is not a dma-buf of this device.
 */
struct peer_vram_share {
	__u32 size;
	__u32 handle;
	__s32 fd;
	__u32 reserved;
};

/**
 * struct peer_vram_set_flags - PEER_VRAM_IOC_SET_FLAGS
 * @size:     sizeof(struct peer_vram_set_flags)
 * @handle:   of the BO
 * @flags:    new value of PEER_VRAM_CREATE_NO_EXPORT and PEER_VRAM_CREATE_IN_PLACE
 * @reserved: zero
 *
 * While NO_EXPORT is set, registrations fail with EACCES, and accesses through
 * on-demand MRs fail with protection errors. Pinned MRs are not affected; REVOKE
 * ends them.
 */
struct peer_vram_set_flags {
	__u32 size;
	__u32 handle;
	__u32 flags;
	__u32 reserved;
};

/**
 * struct peer_vram_next - PEER_VRAM_IOC_NEXT
 * @size:        sizeof(struct peer_vram_next)
 * @handle:      out: a new handle of this file for the BO
 * @mmap_offset: in: offset of the previous BO, 0 for the first; out: offset of this
 *               BO
 *
 * Iterates over the BOs of all users that were not destroyed, in the order of
 * their mmap() offsets. /proc/<pid>/maps shows these offsets. Needs CAP_SYS_ADMIN
 * (EPERM).
 */
struct peer_vram_next {
	__u32 size;
	__u32 handle;
	__aligned_u64 mmap_offset;
};

/**
 * struct peer_vram_info - PEER_VRAM_IOC_INFO
 * @size:          sizeof(struct peer_vram_info)
 * @reserved:      zero
 * @vram_size:     out: bytes of VRAM
 * @vram_used:     out: bytes of VRAM that BOs occupy
 * @vram_pinned:   out: bytes of VRAM that cannot be evicted
 * @vram_pinnable: out: bytes of VRAM that MRs can still pin
 * @system_used:   out: bytes of parts that are in system memory
 * @block_size:    out: allocation unit of VRAM, in bytes
 * @objects:       out: number of BOs; destroyed BOs count as long as anything
 *                 refers to them
 * @evictions:     out: number of parts evicted from VRAM
 * @moves:         out: number of moves of parts, in both directions, for any reason
 * @creatable:     out: bytes of BOs that can still be created; all devices share
 *                 this limit (module parameter limit_mb)
 * @swapouts:      out: number of parts swapped out of system memory
 * @substituted:   out: number of faults of on-demand MRs answered with system pages
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
