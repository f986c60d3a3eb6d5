/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Internal interface of the overlay on the distribution's librxe, and declarations of
 * the private functions of libibverbs that it uses. probe_abi.py generates layout.h with
 * the slots of the operations in libibverbs' table (OVERLAY_...).
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

/* An entry of the table of operations. Each slot has its own function type. */
typedef void (*overlay_op)(void);

/*
 * libibverbs' private struct verbs_mr starts with a struct ibv_mr. Its other fields
 * take less than 64 bytes.
 */
#define OVERLAY_MR_SIZE (sizeof(struct ibv_mr) + 64)

struct overlay_rereg_cmd {
	struct ib_uverbs_cmd_hdr hdr;
	struct ib_uverbs_rereg_mr body;
};

/* Private functions of libibverbs. They take a struct verbs_mr *, here a struct ibv_mr *. */
void verbs_set_ops(struct verbs_context *context, const void *ops);
void OVERLAY_REGISTER(const void *driver);
int ibv_cmd_advise_mr(struct ibv_pd *pd, enum ibv_advise_mr_advice advice,
		      uint32_t flags, struct ibv_sge *sg_list,
		      uint32_t num_sge);
/* rdma-core 54 added the last argument; older releases ignore it. */
int ibv_cmd_reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset, size_t length,
			  uint64_t iova, int fd, int access, struct ibv_mr *mr,
			  void *driver);
int ibv_cmd_rereg_mr(struct ibv_mr *mr, uint32_t flags, void *addr,
		     size_t length, uint64_t hca_va, int access,
		     struct ibv_pd *pd, struct overlay_rereg_cmd *cmd,
		     size_t cmd_size, struct ib_uverbs_rereg_mr_resp *resp,
		     size_t resp_size);

/* librxe calls these functions instead of those of libibverbs and libc. */
void overlay_register_driver(const void *driver);
void overlay_set_ops(struct verbs_context *context, const overlay_op *stock);
void *overlay_mmap(void *addr, size_t length, int prot, int flags, int fd,
		   off_t offset);
int overlay_spin_init(pthread_spinlock_t *lock, int shared);

/*
 * The last queue that librxe mapped and the last lock that it initialized in this
 * thread since overlay_capture_reset(); NULL: none.
 */
struct rxe_queue_buf;
struct overlay_capture {
	struct rxe_queue_buf *queue;
	pthread_spinlock_t *lock;
};

extern __thread struct overlay_capture overlay_capture;
void overlay_capture_reset(void);

/* Each function adds its operations to @ops; @stock is the table of librxe. */
void overlay_add_mr_ops(const overlay_op *stock, overlay_op *ops);
void overlay_add_cq_ops(const overlay_op *stock, overlay_op *ops);
void overlay_add_qp_ops(const overlay_op *stock, overlay_op *ops);

#endif
