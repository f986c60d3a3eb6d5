/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of exporters whose memory is a fixed range of a PCI BAR, such as
 * /dev/peer_cmb<N>: calls that all their nodes have.
 *
 * mmap(), MAP_SHARED (else EINVAL), at offset 0 allocates memory of the length,
 * cleared, and maps it (ENOSPC: none left). It lives as long as mappings of it,
 * also of parts and of forked processes, and memory regions of RDMA devices do.
 * Where the node is of a range that all share, mmap() maps that, at the offset
 * given. A file opened read-only maps for reading (else EACCES).
 *
 * Sizes, lengths and offsets are in bytes. Each struct begins with its size and
 * is extended at the end only: one shorter or longer than the kernel's is
 * accepted as long as what the kernel does not know is zero (else E2BIG).
 * Reserved fields and those marked "out" must be zero.
 *
 * Errors, the same for every call, and for mmap():
 *   EINVAL  non-zero reserved or out field, size too small for the first version
 *           of the struct; mmap(): private, or an offset where there is none
 *   E2BIG   the struct is longer than the kernel's and its tail is not zero
 *   ENXIO   at addr is no memory of this node's
 *   EACCES  the file was opened read-only
 *   EPERM   memory that all share is not for one to destroy
 *   ENODEV  the device is gone, or the memory was destroyed
 *   ENOSPC  not enough memory left in one piece
 *   ENOMEM  out of kernel memory
 *   EFAULT  bad user pointer
 *   EINTR   a signal came in between
 *   ENOTTY  no such call
 */
#ifndef _UAPI_RDMA_PEER_BAR_H
#define _UAPI_RDMA_PEER_BAR_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PEER_BAR_IOC_MAGIC 0xd6

/* Flags of struct peer_bar_info. */
enum peer_bar_info_flags {
	/* All mappings share one range; nothing is allocated. */
	PEER_BAR_SHARED = 1 << 0,
	/* Registers: reading and writing have effects. */
	PEER_BAR_REGISTERS = 1 << 1,
};

/**
 * struct peer_bar_info - PEER_BAR_IOC_INFO: what there is
 * @size:       of this struct
 * @flags:      out: enum peer_bar_info_flags
 * @total:      out: bytes of the range
 * @available:  out: bytes not allocated, perhaps not in one piece
 * @allocations: out: pieces of memory that live, destroyed ones too
 */
struct peer_bar_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 total;
	__aligned_u64 available;
	__aligned_u64 allocations;
};

/**
 * struct peer_bar_at - a piece of memory, by an address
 * @size:     of this struct
 * @reserved: 0
 * @addr:     any address in a mapping of it
 *
 * PEER_BAR_IOC_REVOKE  ends all memory regions of the memory; it can be
 *                      registered again.
 * PEER_BAR_IOC_DESTROY the same, and its mappings end in SIGBUS; the memory is
 *                      free as soon as they are unmapped.
 */
struct peer_bar_at {
	__u32 size;
	__u32 reserved;
	__aligned_u64 addr;
};

/* The number says nothing of the size, so that a struct can grow. */
#define PEER_BAR_IOC_INFO _IO(PEER_BAR_IOC_MAGIC, 0x00)	/* peer_bar_info */
#define PEER_BAR_IOC_REVOKE _IO(PEER_BAR_IOC_MAGIC, 0x01)	/* peer_bar_at */
#define PEER_BAR_IOC_DESTROY _IO(PEER_BAR_IOC_MAGIC, 0x02)	/* peer_bar_at */

#endif
