/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of exporters whose memory is a fixed range of a PCI BAR, such as
 * /dev/peer_cmb<N>: the calls that all their device nodes support.
 *
 * mmap() needs MAP_SHARED (else EINVAL). At offset 0 it allocates memory of the
 * given length, clears it and maps it (ENOSPC: not enough is left). The memory is
 * freed after its last mapping and its last memory region of an RDMA device.
 * Mappings of parts of it and mappings of forked processes count, too.
 *
 * If the range is shared (PEER_BAR_SHARED), mmap() allocates nothing. It maps the
 * range itself, at the given offset. A file that was opened read-only can be
 * mapped for reading only (else EACCES).
 *
 * Sizes, lengths and offsets are in bytes. Each struct begins with its size, and
 * new fields are added at its end only. A struct may be shorter or longer than the
 * kernel's, if all bytes that the kernel does not know are zero (else E2BIG).
 * Reserved fields, and fields marked "out", must be zero on input.
 *
 * Errors, the same for every call and for mmap():
 *   EINVAL  a reserved or out field is not zero, or the size is smaller than the
 *           first version of the struct; mmap(): private mapping, or an offset
 *           that is not 0 or outside of the shared range
 *   E2BIG   the struct is longer than the kernel's, and its tail is not zero
 *   ENXIO   addr is not in a mapping of this device node
 *   EACCES  the file was opened read-only
 *   EPERM   REVOKE and DESTROY: the range is shared
 *   ENODEV  the device was removed, or the memory was destroyed
 *   ENOSPC  no free range of that length
 *   ENOMEM  out of kernel memory
 *   EFAULT  bad user pointer
 *   EINTR   a fatal signal ended the call
 *   ENOTTY  unknown call
 */
#ifndef _UAPI_RDMA_PEER_BAR_H
#define _UAPI_RDMA_PEER_BAR_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PEER_BAR_IOC_MAGIC 0xd6

/**
 * enum peer_bar_info_flags - flags of struct peer_bar_info
 */
enum peer_bar_info_flags {
	/**
	 * @PEER_BAR_SHARED: All mappings share one range. mmap() allocates
	 * nothing.
	 */
	PEER_BAR_SHARED = 1 << 0,
	/**
	 * @PEER_BAR_REGISTERS: The range has registers: reads and writes have
	 * side effects.
	 */
	PEER_BAR_REGISTERS = 1 << 1,
};

/**
 * struct peer_bar_info - PEER_BAR_IOC_INFO: size and use of the range
 * @size:       of this struct, in bytes
 * @flags:      out: enum peer_bar_info_flags
 * @total:      out: length of the range, in bytes
 * @available:  out: free bytes, not necessarily contiguous; 0: shared range
 * @allocations: out: number of allocations, including destroyed ones; 0: shared
 *              range
 */
struct peer_bar_info {
	__u32 size;
	__u32 flags;
	__aligned_u64 total;
	__aligned_u64 available;
	__aligned_u64 allocations;
};

/**
 * struct peer_bar_addr - names an allocation by an address
 * @size:     of this struct, in bytes
 * @reserved: 0
 * @addr:     any address in a mapping of the memory
 *
 * PEER_BAR_IOC_REVOKE revokes all memory regions of the memory. The memory can be
 * registered again.
 *
 * PEER_BAR_IOC_DESTROY revokes them permanently. Accesses by its mappings raise
 * SIGBUS. The memory is freed when the last of them is unmapped.
 */
struct peer_bar_addr {
	__u32 size;
	__u32 reserved;
	__aligned_u64 addr;
};

/* The numbers do not encode the size of the struct, so that it can grow. */
#define PEER_BAR_IOC_INFO _IO(PEER_BAR_IOC_MAGIC, 0x00)	/* peer_bar_info */
#define PEER_BAR_IOC_REVOKE _IO(PEER_BAR_IOC_MAGIC, 0x01)	/* peer_bar_addr */
#define PEER_BAR_IOC_DESTROY _IO(PEER_BAR_IOC_MAGIC, 0x02)	/* peer_bar_addr */

#endif
