/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * An RDMA device without a userspace provider. Contexts, protection domains and MRs
 * are created through the kernel ABI, without libibverbs.
 *
 * Functions return 0 or -errno of the kernel.
 */
#ifndef IMPORTER_H
#define IMPORTER_H

#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#include "lib/mem.h"

/* Access flags of most MRs. */
#define IM_ACCESS_ALL (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		       IBV_ACCESS_REMOTE_WRITE)

/* Commands go through write(), or through the ioctl that wraps them. */
enum im_abi { IM_WRITE, IM_IOCTL };

/* @fd: of the context; @abi: ignored for dma-bufs, which always use the ioctl */
struct im_dev {
	int fd;
	int async_fd;
	uint32_t pd;
	enum im_abi abi;
};

struct im_mr {
	struct im_dev *dev;
	uint32_t handle;
	uint32_t lkey;
	uint32_t rkey;
};

/* @name: of the RDMA device, such as edu0. -ENOENT: no such device. */
int im_open(struct im_dev *dev, const char *name, enum im_abi abi);
void im_close(struct im_dev *dev);

/* As ibv_reg_mr_iova(). */
int im_reg_mr(struct im_dev *dev, struct im_mr *mr, const void *addr,
	      uint64_t length, uint64_t iova, int access);
/* @driver: enum edu_rdma_reg_flags; 0: the attribute is not passed */
int im_reg_dmabuf_mr(struct im_dev *dev, struct im_mr *mr, uint64_t offset,
		     uint64_t length, uint64_t iova, int fd, int access,
		     uint32_t driver);
int im_dereg_mr(struct im_mr *mr);

/* Registers a part of @mem, through its dma-buf if it has one. */
int im_reg_mem(struct im_dev *dev, struct im_mr *mr, const struct vt_mem *mem,
	       uint64_t offset, uint64_t length, uint64_t iova, int access);

#endif
