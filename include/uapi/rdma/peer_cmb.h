/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of /dev/peer_cmb<N>, the memory buffer of an NVMe controller:
 * what it has beside <rdma/peer_bar.h>, whose rules and errors hold here, too.
 *
 * The controller moves bytes between this memory and its disk by itself; they are
 * in no other memory on their way. The controller is either this driver's, or the
 * kernel's nvme driver has it (on kernels with P2PDMA), and the disk is that
 * driver's.
 *
 * Errors beside those of peer_bar.h:
 *   EINVAL     unknown flags, no length, something not aligned as asked for; the
 *              disk was not opened with O_DIRECT
 *   EPERM      CAP_SYS_RAWIO is missing
 *   EFAULT     the range is not one piece of memory
 *   EBADF      no descriptor of a disk, or not opened for that
 *   ENOTBLK    it is not a block device
 *   EOPNOTSUPP such disks do not do that
 *   EREMOTEIO  the disk's controller does not reach the memory
 *   ERANGE     beyond the end of the disk
 *   ENOMEDIUM  the controller has no disk, or one with a format that is not
 *              supported (blocks of more than 4 KiB, metadata)
 *   EIO        the controller says that it failed; it, or the kernel's log, knows
 *              why
 *   ETIMEDOUT  no answer; the controller was stopped, and is started again by the
 *              next call. What its memory holds may be lost
 */
#ifndef _UAPI_RDMA_PEER_CMB_H
#define _UAPI_RDMA_PEER_CMB_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <rdma/peer_bar.h>

/**
 * struct peer_cmb_disk - PEER_CMB_IOC_DISK: what disk the controller has
 * @size:       of this struct
 * @block_size: out: bytes
 * @length:     out: of the disk, in bytes
 *
 * ENOTTY: the kernel's nvme driver has it.
 */
struct peer_cmb_disk {
	__u32 size;
	__u32 block_size;
	__aligned_u64 length;
};

/* Flags of struct peer_cmb_io. */
enum peer_cmb_io_flags {
	/* From memory to the disk, else from the disk to memory. */
	PEER_CMB_IO_WRITE = 1 << 0,
};

/**
 * struct peer_cmb_io - PEER_CMB_IOC_IO: move bytes
 * @size:   of this struct
 * @flags:  enum peer_cmb_io_flags
 * @addr:   in a mapping of the node, a multiple of 4, or of what the nvme driver
 *          asks for; the mapping must permit what is done: reading, or writing if
 *          the bytes come from the disk
 * @length: a multiple of the block size, not 0
 * @offset: on the disk, in bytes, a multiple of the block size
 * @disk:   -1: the controller's; where the nvme driver has it: a descriptor of
 *          the disk's block device, opened with O_DIRECT
 * @reserved: 0
 *
 * Needs CAP_SYS_RAWIO: it goes past all that guards a disk. On return the bytes
 * are where they belong, on the disk for good. When it fails, any part of them may
 * be.
 */
struct peer_cmb_io {
	__u32 size;
	__u32 flags;
	__aligned_u64 addr;
	__aligned_u64 length;
	__aligned_u64 offset;
	__s32 disk;
	__u32 reserved;
};

/* Numbers of their own, beyond those of peer_bar.h. */
#define PEER_CMB_IOC_DISK _IO(PEER_BAR_IOC_MAGIC, 0x40)
#define PEER_CMB_IOC_IO   _IO(PEER_BAR_IOC_MAGIC, 0x41)

#endif
