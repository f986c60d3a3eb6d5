// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device, queue pairs and completions. See verbs.h; the operations are in ops.c.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proc.h"
#include "verbs.h"

#define VT_PORT 1
#define VT_PSN 0x654321

/*
 * libibverbs loads all providers at its first use. Each test is a child process, so
 * load them here, once for all tests.
 */
__attribute__((constructor)) static void load_providers(void)
{
	struct ibv_device **list = ibv_get_device_list(NULL);

	if (list)
		ibv_free_device_list(list);
}

static struct ibv_context *open_by_name(const char *name)
{
	struct ibv_device **list = ibv_get_device_list(NULL);
	struct ibv_context *ctx = NULL;
	int i;

	for (i = 0; list && list[i]; i++)
		if (!strcmp(ibv_get_device_name(list[i]), name))
			ctx = ibv_open_device(list[i]);
	if (list)
		ibv_free_device_list(list);
	return ctx;
}

/* Prefers an IPv4 address, which needs no neighbour discovery. */
static int choose_gid(struct vt_dev *dev)
{
	static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
	union ibv_gid gid;
	int i;

	for (i = 0; i < 16; i++) {
		if (ibv_query_gid(dev->ctx, VT_PORT, i, &gid))
			break;
		if (!memcmp(gid.raw, mapped, sizeof(mapped))) {
			dev->gid = gid;
			dev->gid_index = i;
			return 0;
		}
	}
	dev->gid_index = 0;
	return ibv_query_gid(dev->ctx, VT_PORT, 0, &dev->gid) ? -ENODEV : 0;
}

int vt_dev_open(struct vt_dev *dev)
{
	const char *name = getenv("PEERMEM_RDMA_DEVICE");
	int ret = -ENOMEM;

	memset(dev, 0, sizeof(*dev));
	dev->ctx = open_by_name(name ? name : "rxe0");
	if (!dev->ctx) {
		fprintf(stderr, "# no RDMA device %s: rdma link add rxe0 type rxe netdev ...\n",
			name ? name : "rxe0");
		return -ENODEV;
	}
	dev->pd = ibv_alloc_pd(dev->ctx);
	if (dev->pd)
		ret = choose_gid(dev);
	if (ret)
		vt_dev_close(dev);
	return ret;
}

void vt_dev_close(struct vt_dev *dev)
{
	if (dev->pd)
		ibv_dealloc_pd(dev->pd);
	if (dev->ctx)
		ibv_close_device(dev->ctx);
	memset(dev, 0, sizeof(*dev));
}

int vt_reg_errno(struct vt_dev *dev, void *addr, size_t length, int access)
{
	struct ibv_mr *mr = ibv_reg_mr(dev->pd, addr, length, access);

	if (!mr)
		return errno;
	ibv_dereg_mr(mr);
	return 0;
}

static unsigned int opts_depth(const struct vt_pair_opts *opts)
{
	return opts->depth ? opts->depth : 16;
}

static unsigned int opts_timeout(const struct vt_pair_opts *opts)
{
	if (opts->timeout)
		return opts->timeout;
	return vt_slow_kernel() ? 18 : 14;
}

static enum ibv_qp_type opts_type(const struct vt_pair_opts *opts)
{
	return opts->type ? opts->type : IBV_QPT_RC;
}

static int create_srq(struct vt_end *end, unsigned int depth)
{
	struct ibv_srq_init_attr attr = {
		.attr = { .max_wr = depth, .max_sge = 8 },
	};

	end->srq = ibv_create_srq(end->pd, &attr);
	return end->srq ? 0 : -errno;
}

static int create_qp(struct vt_end *end, struct vt_dev *dev,
		     const struct vt_pair_opts *opts)
{
	struct ibv_qp_init_attr_ex attr = {
		.send_cq = end->cq,
		.recv_cq = end->cq,
		.srq = end->srq,
		.cap = {
			.max_send_wr = opts_depth(opts),
			.max_recv_wr = opts_depth(opts),
			.max_send_sge = 8,
			.max_recv_sge = 8,
			.max_inline_data = 64,
		},
		.qp_type = opts_type(opts),
		.comp_mask = IBV_QP_INIT_ATTR_PD,
		.pd = end->pd,
	};

	if (attr.qp_type == IBV_QPT_RC) {
		attr.comp_mask |= IBV_QP_INIT_ATTR_SEND_OPS_FLAGS;
		attr.send_ops_flags = IBV_QP_EX_WITH_RDMA_WRITE |
				      IBV_QP_EX_WITH_ATOMIC_CMP_AND_SWP |
				      IBV_QP_EX_WITH_ATOMIC_FETCH_AND_ADD |
				      IBV_QP_EX_WITH_ATOMIC_WRITE;
	}
	end->qp = ibv_create_qp_ex(dev->ctx, &attr);
	if (!end->qp)
		return -errno;
	if (attr.qp_type == IBV_QPT_RC)
		end->qpx = ibv_qp_to_qp_ex(end->qp);
	return 0;
}

int vt_end_open(struct vt_end *end, struct vt_dev *dev,
		const struct vt_pair_opts *opts, bool srq)
{
	int ret = 0;

	memset(end, 0, sizeof(*end));
	end->pd = opts->pd ? opts->pd : dev->pd;
	/* Room for the completions of all queues, including flushed requests. */
	end->cq = ibv_create_cq(dev->ctx, 3 * opts_depth(opts), NULL,
				opts->channel, 0);
	if (!end->cq)
		return -errno;
	if (srq)
		ret = create_srq(end, opts_depth(opts));
	if (!ret)
		ret = create_qp(end, dev, opts);
	if (ret)
		vt_end_close(end);
	return ret;
}

void vt_end_close(struct vt_end *end)
{
	if (end->ah)
		ibv_destroy_ah(end->ah);
	if (end->qp)
		ibv_destroy_qp(end->qp);
	if (end->srq)
		ibv_destroy_srq(end->srq);
	if (end->cq)
		ibv_destroy_cq(end->cq);
	memset(end, 0, sizeof(*end));
}

struct vt_address vt_end_address(struct vt_end *end, struct vt_dev *dev)
{
	return (struct vt_address){
		.gid = dev->gid,
		.qpn = end->qp->qp_num,
		.psn = VT_PSN,
	};
}

static struct ibv_ah_attr path_to(struct vt_dev *dev,
				  const struct vt_address *peer)
{
	return (struct ibv_ah_attr){
		.is_global = 1,
		.port_num = VT_PORT,
		.grh = {
			.dgid = peer->gid,
			.sgid_index = dev->gid_index,
			.hop_limit = 64,
		},
	};
}

static int qp_to_init(struct ibv_qp *qp)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_INIT,
		.port_num = VT_PORT,
		.qkey = VT_UD_QKEY,
		.qp_access_flags = IBV_ACCESS_LOCAL_WRITE |
				   IBV_ACCESS_REMOTE_READ |
				   IBV_ACCESS_REMOTE_WRITE |
				   IBV_ACCESS_REMOTE_ATOMIC |
				   IBV_ACCESS_MW_BIND |
				   0x300 /* FLUSH_GLOBAL, FLUSH_PERSISTENT */,
	};
	int mask = IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT;

	mask |= qp->qp_type == IBV_QPT_UD ? IBV_QP_QKEY : IBV_QP_ACCESS_FLAGS;
	return -ibv_modify_qp(qp, &attr, mask);
}

static int qp_to_rtr(struct ibv_qp *qp, struct vt_dev *dev,
		     const struct vt_pair_opts *opts,
		     const struct vt_address *peer)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = opts->mtu ? opts->mtu : IBV_MTU_1024,
		.dest_qp_num = peer->qpn,
		.rq_psn = peer->psn,
		.max_dest_rd_atomic = 16,
		.min_rnr_timer = opts->rnr_timer ? opts->rnr_timer : 12,
		.ah_attr = path_to(dev, peer),
	};
	int mask = IBV_QP_STATE;

	if (qp->qp_type != IBV_QPT_UD)
		mask |= IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN |
			IBV_QP_RQ_PSN;
	if (qp->qp_type == IBV_QPT_RC)
		mask |= IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER;
	return -ibv_modify_qp(qp, &attr, mask);
}

static int qp_to_rts(struct ibv_qp *qp, const struct vt_pair_opts *opts)
{
	struct ibv_qp_attr attr = {
		.qp_state = IBV_QPS_RTS,
		.sq_psn = VT_PSN,
		.timeout = opts_timeout(opts),
		.retry_cnt = opts->retries ? opts->retries : 7,
		.rnr_retry = 7,
		.max_rd_atomic = 16,
	};
	int mask = IBV_QP_STATE | IBV_QP_SQ_PSN;

	if (qp->qp_type == IBV_QPT_RC)
		mask |= IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY |
			IBV_QP_MAX_QP_RD_ATOMIC;
	return -ibv_modify_qp(qp, &attr, mask);
}

int vt_end_connect(struct vt_end *end, struct vt_dev *dev,
		   const struct vt_pair_opts *opts,
		   const struct vt_address *peer)
{
	int ret;

	ret = qp_to_init(end->qp);
	if (!ret)
		ret = qp_to_rtr(end->qp, dev, opts, peer);
	if (!ret)
		ret = qp_to_rts(end->qp, opts);
	if (!ret && end->qp->qp_type == IBV_QPT_UD) {
		struct ibv_ah_attr attr = path_to(dev, peer);

		end->ah = ibv_create_ah(end->pd, &attr);
		if (!end->ah)
			ret = -errno;
	}
	return ret;
}

static int pair_connect(struct vt_pair *pair)
{
	struct vt_address address[2];
	int i, ret;

	for (i = 0; i < 2; i++)
		address[i] = vt_end_address(&pair->end[i], pair->dev);
	for (i = 0; i < 2; i++) {
		ret = vt_end_connect(&pair->end[i], pair->dev, &pair->opts,
				     &address[!i]);
		if (ret)
			return ret;
	}
	return 0;
}

int vt_pair_open(struct vt_pair *pair, struct vt_dev *dev,
		 const struct vt_pair_opts *opts)
{
	struct vt_pair_opts here;
	int ret;

	memset(pair, 0, sizeof(*pair));
	pair->dev = dev;
	if (opts)
		pair->opts = *opts;
	/* Only end 1 may be in another protection domain. */
	here = pair->opts;
	here.pd = NULL;
	ret = vt_end_open(&pair->end[0], dev, &here, false);
	if (!ret)
		ret = vt_end_open(&pair->end[1], dev, &pair->opts,
				  pair->opts.srq);
	if (!ret)
		ret = pair_connect(pair);
	if (ret)
		vt_pair_close(pair);
	return ret;
}

void vt_pair_close(struct vt_pair *pair)
{
	vt_end_close(&pair->end[0]);
	vt_end_close(&pair->end[1]);
}

int vt_pair_renew(struct vt_pair *pair)
{
	struct vt_pair_opts opts = pair->opts;
	struct vt_dev *dev = pair->dev;

	vt_pair_close(pair);
	return vt_pair_open(pair, dev, &opts);
}

int vt_wait(struct vt_end *end, struct ibv_wc *wc, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;
	int n;

	for (;;) {
		n = ibv_poll_cq(end->cq, 1, wc);
		if (n)
			return n < 0 ? -EIO : 0;
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		sched_yield();
	}
}
