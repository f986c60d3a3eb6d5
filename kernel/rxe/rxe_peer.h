/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Peer memory in rxe: the functions that the hooks in rxe call (hooks/).
 *
 * An MR over peer memory has mr->peer set, and has neither mr->umem nor a page
 * list. @iova is an address in the MR. The return values are those that the
 * calling function of rxe returns.
 */
#ifndef RXE_PEER_H
#define RXE_PEER_H

#include <linux/spinlock.h>
#include <rdma/ib_umem_peer.h>

extern spinlock_t atomic_ops_lock;
extern struct workqueue_struct *rxe_wq;

/* rxe_peer.c */
int rxe_peer_attach(struct rxe_mr *mr, struct ib_umem_peer *peer);
int rxe_peer_init_user(struct rxe_mr *mr, u64 start, u64 length, int access,
		       struct ib_umem *failed);
int rxe_peer_rereg(struct rxe_mr *mr, int access);
int rxe_peer_copy(struct rxe_mr *mr, u64 iova, void *addr, unsigned int length,
		  enum rxe_mr_copy_dir dir);
int rxe_peer_atomic_op(struct rxe_mr *mr, u64 iova, int opcode, u64 compare,
		       u64 swap_add, u64 *orig_val);
int rxe_peer_atomic_write(struct rxe_mr *mr, u64 iova, u64 value);
int rxe_peer_flush(struct rxe_mr *mr, u64 iova, u64 length);

/* rxe_peer_odp.c */
void rxe_peer_set_caps(struct rxe_dev *rxe);
void rxe_peer_release(struct rxe_mr *mr);
void rxe_peer_change_pd(struct rxe_mr *mr, struct rxe_pd *pd);
void rxe_peer_cleanup_pd(struct rxe_pd *pd);
int rxe_peer_attach_on_demand(struct rxe_mr *mr, struct ib_umem_peer *peer,
			      u64 iova, u64 length);
int rxe_peer_init_on_demand(struct rxe_mr *mr, u64 start, u64 length, u64 iova,
			    int access);
bool rxe_peer_reuse_held_recv(struct rxe_qp *qp);
enum resp_states rxe_peer_prepare(struct rxe_qp *qp, struct rxe_pkt_info *pkt);
struct rxe_av *rxe_peer_copy_av(struct rxe_av *copy, struct rxe_av *av,
				struct rxe_ah **ah);
u64 rxe_peer_retry_va(const struct rxe_send_wqe *wqe, unsigned int mask);
int rxe_peer_advise_mr(struct ib_pd *ibpd,
		       enum ib_uverbs_advise_mr_advice advice, u32 flags,
		       struct ib_sge *sg_list, u32 num_sge,
		       struct uverbs_attr_bundle *attrs);
int rxe_peer_fill_stat(struct sk_buff *msg, struct ib_mr *ibmr);

/* rxe_peer_dmabuf.c */
struct ib_mr *rxe_peer_reg_dmabuf(struct ib_pd *ibpd, u64 offset, u64 length,
				  u64 iova, int fd, int access,
				  struct uverbs_attr_bundle *attrs);

/* rxe_peer_mw.c */
bool rxe_peer_mw_covers(const struct rxe_qp *qp, struct rxe_pkt_info *pkt,
			const struct rxe_mw *mw);
bool rxe_peer_may_bind(const struct rxe_qp *qp, const struct rxe_send_wqe *wqe);
void rxe_peer_unbind_mws(struct rxe_qp *qp);

/* rxe_peer_qp.c */
struct workqueue_struct *rxe_peer_wq(struct rxe_task *task);
void rxe_peer_requeue(struct rxe_task *task);
void rxe_peer_stop_waits(struct rxe_qp *qp);
void rxe_peer_reset_done(struct rxe_qp *qp);
void rxe_peer_destroy_qp(struct rxe_qp *qp);

/* IBV_WC_WITH_INV of libibverbs. The kernel's IB_WC_WITH_INVALIDATE differs. */
#define RXE_PEER_UWC_WITH_INV BIT(3)

#endif
