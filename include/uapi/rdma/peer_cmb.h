/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR Linux-OpenIB) */
/*
 * User interface of /dev/peer_cmb<N>, the controller memory buffer of an NVMe
 * controller: the calls that it has in addition to <rdma/peer_bar.h>. The rules and
 * errors of that header apply here, too.
 *
 * The controller itself moves data between this memory and its disk. The data is
 * not copied to any other memory. The controller is bound either to this driver, or
 * to the kernel's nvme driver (on kernels with P2PDMA), which then has the disk.
 *
 * Errors in addition to those of peer_bar.h:
 *   EINVAL     unknown flags, length 0, or bad alignment; the disk was opened
 *              without O_DIRECT
 *   EPERM      CAP_SYS_RAWIO is missing
 *   EFAULT     the range is not one contiguous mapping of one allocation
 *   EBADF      bad descriptor of a disk, or not opened for that access
 *   ENOTBLK    the descriptor is not a block device
 *   EOPNOTSUPP the disk does not support transfers with such memory
 *   EREMOTEIO  the controller of the disk cannot reach the memory
 *   ERANGE     the range ends beyond the end of the disk
 *   ENOMEDIUM  the controller has no disk, or the driver does not support it or its
 *              format (blocks of more than 4 KiB, metadata)
 *   EIO        the controller reported an error. It, or the kernel log, has the
 *              reason
 *   ETIMEDOUT  the controller did not respond and was stopped. The next call starts
 *              it again. The contents of its memory may be lost
 *   other errors of the block layer, if the controller is bound to the nvme driver
 */
#ifndef _UAPI_RDMA_PEER_CMB_H
#define _UAPI_RDMA_PEER_CMB_H

#include <linux/ioctl.h>
#include <linux/types.h>
#include <rdma/peer_bar.h>

/**
 * struct peer_cmb_disk - PEER_CMB_IOC_DISK: the disk of the controller
 * @size:       of this struct, in bytes
 * @block_size: out: bytes
 * @length:     out: size of the disk, in bytes
 *
 * ENOTTY: the controller is bound to the kernel's nvme driver.
 */
struct peer_cmb_disk {
	__u32 size;
	__u32 block_size;
	__aligned_u64 length;
};

/**
 * enum peer_cmb_io_flags - flags of struct peer_cmb_io
 */
enum peer_cmb_io_flags {
	/**
	 * @PEER_CMB_IO_WRITE: From memory to the disk. Without it: from the
	 * disk to memory.
	 */
	PEER_CMB_IO_WRITE = 1 << 0,
};

/**
 * struct peer_cmb_io - PEER_CMB_IOC_IO: a transfer between memory and disk
 * @size:   of this struct, in bytes
 * @flags:  enum peer_cmb_io_flags
 * @addr:   in a mapping of the device node; a multiple of 4, or of the alignment
 *          that the nvme driver needs. The mapping must be readable; for transfers
 *          from the disk, it must be writable
 * @length: bytes, a multiple of the block size, not 0
 * @offset: on the disk, in bytes, a multiple of the block size
 * @disk:   -1 for the disk of the controller. If the controller is bound to the
 *          nvme driver: descriptor of a block device that was opened with O_DIRECT
 * @reserved: 0
 *
 * Needs CAP_SYS_RAWIO, because the call bypasses the permissions of the disk. When
 * it returns 0, the transfer is complete, and written data is on the medium. After
 * an error, any part of the data may have been transferred.
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

/* Numbers that peer_bar.h does not use. */
#define PEER_CMB_IOC_DISK _IO(PEER_BAR_IOC_MAGIC, 0x40)
#define PEER_CMB_IOC_IO   _IO(PEER_BAR_IOC_MAGIC, 0x41)

#endif
