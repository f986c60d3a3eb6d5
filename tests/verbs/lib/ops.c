// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations: each posts a work request and waits for its completion. See verbs.h.
 */
#include <errno.h>
#include <string.h>

#include "verbs.h"

int vt_post_send(struct vt_end *end, struct ibv_send_wr *wr)
{
	struct ibv_send_wr *bad;

	return -ibv_post_send(end->qp, wr, &bad);
}

int vt_post_recv(struct vt_end *end, struct ibv_sge *sge, int num_sge)
{
	struct ibv_recv_wr wr = { .sg_list = sge, .num_sge = num_sge };
	struct ibv_recv_wr *bad;

	if (end->srq)
		return -ibv_post_srq_recv(end->srq, &wr, &bad);
	return -ibv_post_recv(end->qp, &wr, &bad);
}

static int wait_status(struct vt_end *end)
{
	struct ibv_wc wc;
	int ret = vt_wait(end, &wc, VT_TIMEOUT_MS);

	return ret ? ret : (int)wc.status;
}

int vt_post_and_wait(struct vt_end *end, struct ibv_send_wr *wr)
{
	int ret;

	wr->send_flags |= IBV_SEND_SIGNALED;
	ret = vt_post_send(end, wr);
	return ret ? ret : wait_status(end);
}

static int do_rdma(struct vt_end *end, enum ibv_wr_opcode opcode,
		   struct ibv_sge *sge, int num_sge, struct vt_remote remote)
{
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.sg_list = sge,
		.num_sge = num_sge,
		.wr.rdma = {
			.remote_addr = remote.addr,
			.rkey = remote.rkey,
		},
	};

	return vt_post_and_wait(end, &wr);
}

int vt_rdma_write(struct vt_end *end, struct ibv_sge *sge, int num_sge,
		  struct vt_remote to)
{
	return do_rdma(end, IBV_WR_RDMA_WRITE, sge, num_sge, to);
}

int vt_rdma_read(struct vt_end *end, struct ibv_sge *sge, int num_sge,
		 struct vt_remote from)
{
	return do_rdma(end, IBV_WR_RDMA_READ, sge, num_sge, from);
}

/*
 * The extended calls, because ibv_post_send() of librxe rejects unaligned addresses
 * itself, but the tests check the responder.
 */
static int start_wr(struct vt_end *end)
{
	if (!end->qpx)
		return -EOPNOTSUPP;
	ibv_wr_start(end->qpx);
	end->qpx->wr_id = 0;
	end->qpx->wr_flags = IBV_SEND_SIGNALED;
	return 0;
}

static int complete_wr(struct vt_end *end)
{
	int ret = ibv_wr_complete(end->qpx);

	return ret ? -ret : wait_status(end);
}

int vt_cmp_swap(struct vt_end *end, struct ibv_sge *result,
		struct vt_remote at, uint64_t compare, uint64_t swap)
{
	int ret = start_wr(end);

	if (ret)
		return ret;
	ibv_wr_atomic_cmp_swp(end->qpx, at.rkey, at.addr, compare, swap);
	ibv_wr_set_sge(end->qpx, result->lkey, result->addr, result->length);
	return complete_wr(end);
}

int vt_fetch_add(struct vt_end *end, struct ibv_sge *result,
		 struct vt_remote at, uint64_t add)
{
	int ret = start_wr(end);

	if (ret)
		return ret;
	ibv_wr_atomic_fetch_add(end->qpx, at.rkey, at.addr, add);
	ibv_wr_set_sge(end->qpx, result->lkey, result->addr, result->length);
	return complete_wr(end);
}

int vt_atomic_write(struct vt_end *end, struct vt_remote at, uint64_t value)
{
	int ret = start_wr(end);

	if (ret)
		return ret;
	ibv_wr_atomic_write(end->qpx, at.rkey, at.addr, &value);
	return complete_wr(end);
}

int vt_send_recv(struct vt_pair *pair, struct ibv_sge *from, int num_from,
		 struct ibv_sge *to, int num_to, struct ibv_wc *wc)
{
	struct vt_end *sender = &pair->end[0];
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND,
		.sg_list = from,
		.num_sge = num_from,
	};
	int ret, status;

	if (sender->ah) {
		wr.wr.ud.ah = sender->ah;
		wr.wr.ud.remote_qpn = pair->end[1].qp->qp_num;
		wr.wr.ud.remote_qkey = VT_UD_QKEY;
	}
	ret = vt_post_recv(&pair->end[1], to, num_to);
	if (ret)
		return ret;
	status = vt_post_and_wait(sender, &wr);
	if (status < 0)
		return status;
	ret = vt_wait(&pair->end[1], wc, VT_TIMEOUT_MS);
	return ret ? ret : status;
}

int vt_bind_mw_type1(struct vt_end *end, struct ibv_mw *mw,
		     struct ibv_mw_bind_info *info)
{
	struct ibv_mw_bind bind = {
		.send_flags = IBV_SEND_SIGNALED,
		.bind_info = *info,
	};
	int ret = ibv_bind_mw(end->qp, mw, &bind);

	return ret ? -ret : wait_status(end);
}

int vt_bind_mw_type2(struct vt_end *end, struct ibv_mw *mw, uint32_t rkey,
		     struct ibv_mw_bind_info *info)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_BIND_MW,
		.bind_mw = {
			.mw = mw,
			.rkey = rkey,
			.bind_info = *info,
		},
	};
	int ret = vt_post_and_wait(end, &wr);

	if (!ret)
		mw->rkey = rkey;
	return ret;
}

int vt_invalidate(struct vt_end *end, uint32_t rkey)
{
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_LOCAL_INV,
		.invalidate_rkey = rkey,
	};

	return vt_post_and_wait(end, &wr);
}
