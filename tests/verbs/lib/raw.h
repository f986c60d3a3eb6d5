/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Operations that the kernel's Soft-RoCE supports, but the distribution's librxe does
 * not: re-registration, prefetch, dma-buf MRs, and FLUSH. They use the kernel's user
 * interface directly, with the descriptors and queues of libibverbs.
 */
#ifndef VT_RAW_H
#define VT_RAW_H

#include "verbs.h"

/* Access flags that allow FLUSH. */
#define VT_ACCESS_FLUSH_GLOBAL (1 << 8)
#define VT_ACCESS_FLUSH_PERSISTENT (1 << 9)

/* @flags: enum ibv_rereg_mr_flags. Return: 0 or -errno of the kernel. */
int vt_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, int access);

/* ibv_advise_mr() for a provider that does not have it. Return: 0 or -errno. */
int vt_advise_mr(struct ibv_pd *pd, int advice, uint32_t flags,
		 struct ibv_sge *sge, int num_sge);

/*
 * ibv_reg_dmabuf_mr(), likewise. Sets keys, handle, length, PD and context of @mr,
 * which vt_dereg_dmabuf_mr() deregisters. Return: 0 or -errno of the kernel.
 */
int vt_reg_dmabuf_mr(struct ibv_mr *mr, struct ibv_pd *pd, uint64_t offset,
		     uint64_t length, uint64_t iova, int fd, int access);
int vt_dereg_dmabuf_mr(struct ibv_mr *mr);

enum vt_flush_type {
	VT_FLUSH_GLOBAL = 1,
	VT_FLUSH_PERSISTENT = 2,
};

/* Return: the completion's status, or -errno. */
int vt_flush(struct vt_end *end, struct vt_remote at, uint32_t length,
	     enum vt_flush_type type);
/* Flushes the whole MR; @at.addr is any address in it. */
int vt_flush_mr(struct vt_end *end, struct vt_remote at,
		enum vt_flush_type type);

#endif
