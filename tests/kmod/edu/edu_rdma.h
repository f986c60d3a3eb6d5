/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between edu_rdma.ko and the test programs. No one else may use it.
 */
#ifndef EDU_RDMA_H
#define EDU_RDMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* RDMA devices edu0, edu1 and edu2, by the way they import dma-bufs. */
enum edu_rdma_device {
	EDU_RDMA_DYNAMIC,	/* a dynamic importer */
	EDU_RDMA_PINNED,	/* pins, and is non-revocable */
	EDU_RDMA_REVOCABLE,	/* pins, and is revocable */
	EDU_RDMA_DEVICES
};

enum edu_rdma_flags {
	EDU_RDMA_WRITE = 1 << 0,	/* writes to the MR, else reads */
	EDU_RDMA_LOCAL = 1 << 1,	/* uses the lkey, else the rkey */
	/*
	 * Emulates a broken device, which uses its last addresses without
	 * checking whether they are still valid.
	 */
	EDU_RDMA_STALE = 1 << 2,
};

/**
 * struct edu_rdma_access - transfer between an MR and a buffer, by DMA
 * @device:   enum edu_rdma_device
 * @key:      key of the MR
 * @flags:    enum edu_rdma_flags
 * @reserved: must be zero
 * @addr:     address in the MR
 * @buffer:   buffer of the caller
 * @length:   bytes
 *
 * Errors: ENOKEY no such MR, EACCES no access right, ERANGE outside of the MR,
 * ESTALE revoked, ENODEV device removed, or an error of the dma-buf's exporter.
 * Data before the error is transferred.
 */
struct edu_rdma_access {
	__u32 device;
	__u32 key;
	__u32 flags;
	__u32 reserved;
	__aligned_u64 addr;
	__aligned_u64 buffer;
	__aligned_u64 length;
};

/**
 * struct edu_rdma_stats - counters of a device since it was added
 * @device:      enum edu_rdma_device
 * @mrs:         current MRs
 * @mappings:    mappings of dma-bufs
 * @unmappings:  unmappings of dma-bufs
 * @notifies:    calls of invalidate_mappings
 * @revocations: revoked MRs
 * @faults:      accesses that had to map first
 * @transfers:   transfers of the engine, for all devices
 */
struct edu_rdma_stats {
	__u32 device;		/* in */
	__u32 mrs;
	__aligned_u64 mappings;
	__aligned_u64 unmappings;
	__aligned_u64 notifies;
	__aligned_u64 revocations;
	__aligned_u64 faults;
	__aligned_u64 transfers;
};

/**
 * struct edu_rdma_kernel_mr - an MR that a kernel user registers and
 * deregisters
 * @device: enum edu_rdma_device
 * @access: enum ib_access_flags
 * @addr:   address in the caller's address space
 * @length: bytes
 *
 * Errors: those of ib_reg_user_mr().
 */
struct edu_rdma_kernel_mr {
	__u32 device;
	__u32 access;
	__aligned_u64 addr;
	__aligned_u64 length;
};

#define EDU_RDMA_ACCESS	_IOW(0xba, 0, struct edu_rdma_access)
#define EDU_RDMA_STATS	_IOWR(0xba, 1, struct edu_rdma_stats)
#define EDU_RDMA_KERNEL_MR _IOW(0xba, 2, struct edu_rdma_kernel_mr)

/*
 * Additional attribute of UVERBS_METHOD_REG_DMABUF_MR: 4 bytes of flags, in the
 * drivers' namespace.
 */
#define EDU_RDMA_ATTR_REG_FLAGS 0x1000

enum edu_rdma_reg_flags {
	EDU_RDMA_REG_PINNED = 1 << 0,	/* pins, also on the dynamic device */
};

#endif
