/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between edu_rdma.ko and the test programs. Not an interface for anybody else.
 */
#ifndef EDU_RDMA_H
#define EDU_RDMA_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* RDMA devices edu0, edu1 and edu2, by how they import dma-bufs. */
enum edu_rdma_device {
	EDU_RDMA_DYNAMIC,	/* follows what moves */
	EDU_RDMA_PINNED,	/* pins, for ever */
	EDU_RDMA_REVOCABLE,	/* pins, and lets go of what is revoked */
	EDU_RDMA_DEVICES
};

enum edu_rdma_flags {
	EDU_RDMA_WRITE = 1 << 0,	/* into the MR; else out of it */
	EDU_RDMA_LOCAL = 1 << 1,	/* by its lkey; else by its rkey */
	/*
	 * The mistake of a broken device: the addresses are those that it had
	 * last, whatever became of them.
	 */
	EDU_RDMA_STALE = 1 << 2,
};

/**
 * struct edu_rdma_access - bytes between an MR and a buffer, by DMA
 * @device: enum edu_rdma_device
 * @flags:  enum edu_rdma_flags
 * @addr:   in the MR
 * @buffer: of the caller
 *
 * Errors: ENOKEY there is no such MR, EACCES it does not have the right, ERANGE
 * not in it, ESTALE it is revoked, ENODEV the device is gone, or what the
 * exporter of a dma-buf said. What was moved before is moved.
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
 * struct edu_rdma_stats - of a device, since it is there
 * @mrs:         now
 * @mappings:    addresses of a dma-buf were taken
 * @unmappings:  and given back
 * @notifies:    calls of move_notify
 * @revocations: MRs that were revoked
 * @faults:      accesses that had to take addresses first
 * @transfers:   of the engine, of all devices together
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
 * struct edu_rdma_kernel_mr - registered by the kernel for itself, and deregistered
 * @device: enum edu_rdma_device
 * @access: enum ib_access_flags
 * @addr:   of the caller
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
 * What the devices add to UVERBS_METHOD_REG_DMABUF_MR: flags of 4 bytes, in the
 * name space of drivers.
 */
#define EDU_RDMA_ATTR_REG_FLAGS 0x1000

enum edu_rdma_reg_flags {
	EDU_RDMA_REG_PINNED = 1 << 0,	/* also on the device that does not */
};

#endif
