/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A device, and pairs of queue pairs that are connected to each other through it.
 *
 * Every wait has a time limit. Functions return 0 or -errno. Functions that do an
 * operation return the status of its completion (enum ibv_wc_status, 0 is success),
 * -ETIMEDOUT if there is no completion, or another -errno.
 */
#ifndef VT_VERBS_H
#define VT_VERBS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <infiniband/verbs.h>

/* Time limit of an operation, under emulation with all CPUs busy. */
#define VT_TIMEOUT_MS 15000

/* $PEERMEM_RDMA_DEVICE is the name of the device; the default is rxe0. */
struct vt_dev {
	struct ibv_context *ctx;
	struct ibv_pd *pd;
	union ibv_gid gid;
	int gid_index;
};

int vt_dev_open(struct vt_dev *dev);
void vt_dev_close(struct vt_dev *dev);

/* Registers and deregisters. Return: 0 or the (positive) errno of the registration. */
int vt_reg_errno(struct vt_dev *dev, void *addr, size_t length, int access);

/* One side of a pair. Both of its queues use one CQ. */
struct vt_end {
	struct ibv_qp *qp;
	struct ibv_qp_ex *qpx;
	struct ibv_cq *cq;
	struct ibv_srq *srq;
	struct ibv_ah *ah;
	struct ibv_pd *pd;
};

/**
 * struct vt_pair_opts - options of a pair; zero is the default of each
 * @type:      QP type, 0: RC
 * @mtu:       path MTU, 0: 1024
 * @srq:       end 1 receives through an SRQ
 * @depth:     work requests of each queue, 0: 16
 * @pd:        protection domain of end 1, NULL: that of the device
 * @channel:   completion channel of both CQs, NULL: none
 * @timeout:   ACK timeout as in struct ibv_qp_attr. 0: 14, and 18 on a slow kernel,
 *             where responses to retransmitted requests could arrive during the next
 *             step of a test
 * @retries:   retry_cnt, 0: 7, which Soft-RoCE takes as unlimited
 * @rnr_timer: min_rnr_timer as in struct ibv_qp_attr, 0: 12
 */
struct vt_pair_opts {
	enum ibv_qp_type type;
	enum ibv_mtu mtu;
	bool srq;
	unsigned int depth;
	struct ibv_pd *pd;
	struct ibv_comp_channel *channel;
	unsigned int timeout;
	unsigned int retries;
	unsigned int rnr_timer;
};

struct vt_pair {
	struct vt_dev *dev;
	struct vt_pair_opts opts;
	struct vt_end end[2];
};

#define VT_UD_QKEY 0x11223344

int vt_pair_open(struct vt_pair *pair, struct vt_dev *dev,
		 const struct vt_pair_opts *opts);
void vt_pair_close(struct vt_pair *pair);
/* Replaces queue pairs that are in the error state. */
int vt_pair_renew(struct vt_pair *pair);

/* One end, for a peer in another process. */
struct vt_address {
	union ibv_gid gid;
	uint32_t qpn;
	uint32_t psn;
};

int vt_end_open(struct vt_end *end, struct vt_dev *dev,
		const struct vt_pair_opts *opts, bool srq);
void vt_end_close(struct vt_end *end);
struct vt_address vt_end_address(struct vt_end *end, struct vt_dev *dev);
int vt_end_connect(struct vt_end *end, struct vt_dev *dev,
		   const struct vt_pair_opts *opts,
		   const struct vt_address *peer);

/* Waits for the next completion of the end. */
int vt_wait(struct vt_end *end, struct ibv_wc *wc, int timeout_ms);

int vt_post_send(struct vt_end *end, struct ibv_send_wr *wr);
int vt_post_recv(struct vt_end *end, struct ibv_sge *sge, int num_sge);
/* Posts a signaled work request and waits for its completion. */
int vt_post_and_wait(struct vt_end *end, struct ibv_send_wr *wr);

/* Remote address of an operation. */
struct vt_remote {
	uint64_t addr;
	uint32_t rkey;
};

int vt_rdma_write(struct vt_end *end, struct ibv_sge *sge, int num_sge,
		  struct vt_remote to);
int vt_rdma_read(struct vt_end *end, struct ibv_sge *sge, int num_sge,
		 struct vt_remote from);
int vt_cmp_swap(struct vt_end *end, struct ibv_sge *result,
		struct vt_remote at, uint64_t compare, uint64_t swap);
int vt_fetch_add(struct vt_end *end, struct ibv_sge *result,
		 struct vt_remote at, uint64_t add);
/* RDMA ATOMIC WRITE of 8 bytes; needs end->qpx (RC). */
int vt_atomic_write(struct vt_end *end, struct vt_remote at, uint64_t value);

/*
 * SEND from end 0 into a receive of end 1. *@wc: completion of the receiver. Return:
 * the status of the sender.
 */
int vt_send_recv(struct vt_pair *pair, struct ibv_sge *from, int num_from,
		 struct ibv_sge *to, int num_to, struct ibv_wc *wc);

/* Bind a memory window through @end, which must be in the PD of the window. */
int vt_bind_mw_type1(struct vt_end *end, struct ibv_mw *mw,
		     struct ibv_mw_bind_info *info);
int vt_bind_mw_type2(struct vt_end *end, struct ibv_mw *mw, uint32_t rkey,
		     struct ibv_mw_bind_info *info);
int vt_invalidate(struct vt_end *end, uint32_t rkey);

#endif
