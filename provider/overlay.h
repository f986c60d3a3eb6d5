/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The overlay on the distribution's librxe: what its files share, and the little
 * of libibverbs' private interface that it uses. The places of operations in
 * libibverbs' table (OVERLAY_...) come from derive.py.
 */
#ifndef OVERLAY_H
#define OVERLAY_H

#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#include "layout.h"

/* An entry of the table; each place has a type of its own. */
typedef void (*overlay_op)(void);

/*
 * libibverbs' struct verbs_mr is a struct ibv_mr and a few words of the
 * library's own behind it, fewer than this.
 */
#define OVERLAY_MR_SIZE (sizeof(struct ibv_mr) + 64)

struct overlay_rereg_cmd {
	struct ib_uverbs_cmd_hdr hdr;
	struct ib_uverbs_rereg_mr body;
};

/* libibverbs, for drivers. A struct verbs_mr * is a struct ibv_mr * here. */
void verbs_set_ops(struct verbs_context *context, const void *ops);
void OVERLAY_REGISTER(const void *driver);
int ibv_cmd_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		      uint32_t flags, struct ibv_sge *sg_list,
		      uint32_t num_sge);
/* The last argument came with rdma-core 54; older ones do not look at it. */
int ibv_cmd_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
			  uint64_t iova, int fd, int access, struct ibv_mr *mr,
			  void *driver);
int ibv_cmd_rereg_mr(struct ibv_mr *mr, uint32_t flags, void *addr,
		     size_t length, uint64_t hca_va, int access,
		     struct ibv_pd *pd, struct overlay_rereg_cmd *cmd,
		     size_t cmd_size, struct ib_uverbs_rereg_mr_resp *resp,
		     size_t resp_size);

/* What librxe calls instead of libibverbs and libc. */
void overlay_register_driver(const void *driver);
void overlay_set_ops(struct verbs_context *context, const overlay_op *stock);
void *overlay_mmap(void *addr, size_t length, int prot, int flags, int fd,
		   off_t offset);
int overlay_spin_init(pthread_spinlock_t *lock, int shared);

/* What librxe last mapped and made in this thread since then; NULL: nothing. */
struct rxe_queue_buf;
struct overlay_seen {
	struct rxe_queue_buf *queue;
	pthread_spinlock_t *lock;
};

extern __thread struct overlay_seen overlay_seen;
void overlay_start_watching(void);

/* Each adds its operations to @ops; @stock are librxe's own. */
void overlay_add_mr_ops(const overlay_op *stock, overlay_op *ops);
void overlay_add_cq_ops(const overlay_op *stock, overlay_op *ops);
void overlay_add_qp_ops(const overlay_op *stock, overlay_op *ops);

#endif
