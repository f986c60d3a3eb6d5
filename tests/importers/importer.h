/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * An RDMA device without a userspace provider: contexts, a protection domain and
 * memory regions by the kernel's own interface, and nothing of libibverbs.
 *
 * Functions return 0 or -errno of the kernel.
 */
#ifndef IMPORTER_H
#define IMPORTER_H

#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

#include "lib/mem.h"

/* Rights of an MR. */
#define IM_ACCESS_ALL (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		       IBV_ACCESS_REMOTE_WRITE)

/* How commands get there: write(), or the ioctl that carries the same. */
enum im_abi { IM_WRITE, IM_IOCTL };

/* @fd: of the context. @abi: for all but dma-bufs, which only the ioctl has */
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

/* @name: of the RDMA device, e.g. edu0. -ENOENT: there is none. */
int im_open(struct im_dev *dev, const char *name, enum im_abi abi);
void im_close(struct im_dev *dev);

/* Plain ibv_reg_mr_iova(). */
int im_reg_mr(struct im_dev *dev, struct im_mr *mr, const void *addr,
	      uint64_t length, uint64_t iova, int access);
/* @driver: enum edu_rdma_reg_flags; 0: without this attribute */
int im_reg_dmabuf_mr(struct im_dev *dev, struct im_mr *mr, uint64_t offset,
		     uint64_t length, uint64_t iova, int fd, int access,
		     uint32_t driver);
int im_dereg_mr(struct im_mr *mr);

/* A part of memory, of its dma-buf if that is what it is registered by. */
int im_reg_mem(struct im_dev *dev, struct im_mr *mr, const struct vt_mem *mem,
	       uint64_t offset, uint64_t length, uint64_t iova, int access);

#endif
