// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs in rxe: capabilities, prefetch, counters, and how requester and
 * responder handle missing pages.
 *
 * A requester waits for its pages. No timer runs against it, and it waits in a
 * workqueue of its process (rxe_peer_qp.c).
 *
 * A responder must not wait, because the requester would time out. It faults in
 * the pages of a packet before it executes the packet. If that takes longer than
 * PREPARE_TIMEOUT, it sends an RNR NAK ("receiver not ready") and drops the
 * packet. The requester sends the packet again later. No other QP is delayed.
 */
#include <rdma/restrack.h>
#include <rdma/rdma_netlink.h>
#include <uapi/rdma/rdma_netlink.h>

#include "rxe.h"
#include "rxe_loc.h"

/* Well below the shortest ACK timeout that requesters use. */
#define PREPARE_TIMEOUT msecs_to_jiffies(10)

/* Bytes of a READ that must be present before the first response packet. */
#define PREPARE_READ SZ_2M

/* The headers of Linux 6.12 do not define these. */
#define ODP_SUPPORT_FLUSH BIT(6)
#define ODP_SUPPORT_ATOMIC_WRITE BIT(7)

void rxe_peer_set_caps(struct rxe_dev *rxe)
{
	struct ib_odp_caps *caps = &rxe->attr.odp_caps;

	rxe->attr.kernel_cap_flags |= IBK_ON_DEMAND_PAGING;
	caps->general_caps = IB_ODP_SUPPORT | IB_ODP_SUPPORT_IMPLICIT;
	caps->per_transport_caps.rc_odp_caps =
		IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |
		IB_ODP_SUPPORT_WRITE | IB_ODP_SUPPORT_READ |
		IB_ODP_SUPPORT_ATOMIC | IB_ODP_SUPPORT_SRQ_RECV |
		ODP_SUPPORT_FLUSH | ODP_SUPPORT_ATOMIC_WRITE;
	caps->per_transport_caps.uc_odp_caps =
		IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |
		IB_ODP_SUPPORT_WRITE;
	caps->per_transport_caps.ud_odp_caps =
		IB_ODP_SUPPORT_SEND | IB_ODP_SUPPORT_RECV |
		IB_ODP_SUPPORT_SRQ_RECV;
}

/*
 * A PD counts its on-demand MRs. While the count is 0, a responder does not look
 * up the MRs of a receive, so programs without on-demand MRs pay nothing. From
 * the first on-demand MR on, the tasks of the PD's queue pairs run in workqueues
 * of the process, until the PD is deallocated.
 */
static void peer_pd_add_mr(struct rxe_pd *pd, struct ib_umem_peer *peer)
{
	struct ib_umem_peer_workqueues *wqs;

	atomic_inc(&pd->on_demand_mrs);
	if (READ_ONCE(pd->wqs))
		return;
	wqs = ib_umem_peer_get_workqueues(peer);
	if (cmpxchg(&pd->wqs, NULL, wqs))
		ib_umem_peer_put_workqueues(wqs);
}

/* Called when the PD is deallocated: it has no queue pair any more. */
void rxe_peer_cleanup_pd(struct rxe_pd *pd)
{
	ib_umem_peer_put_workqueues(pd->wqs);
}

/* UVERBS_METHOD_REG_MR of Linux 7 does not set mr->ibmr.iova and mr->ibmr.length. */
int rxe_peer_attach_on_demand(struct rxe_mr *mr, struct ib_umem_peer *peer,
			      u64 iova, u64 length)
{
	int err = rxe_peer_attach(mr, peer);

	if (err)
		return err;
	mr->ibmr.iova = iova;
	mr->ibmr.length = length;
	peer_pd_add_mr(mr_pd(mr), peer);
	return 0;
}

int rxe_peer_init_on_demand(struct rxe_mr *mr, u64 start, u64 length, u64 iova,
			    int access)
{
	rxe_mr_init(access, mr);
	return rxe_peer_attach_on_demand(mr, ib_umem_peer_get(mr->ibmr.device,
							      start, length,
							      access),
					 iova, length);
}

void rxe_peer_release(struct rxe_mr *mr)
{
	if (mr->peer && mr->peer->on_demand)
		atomic_dec(&mr_pd(mr)->on_demand_mrs);
	ib_umem_peer_release(mr->peer);
}

void rxe_peer_change_pd(struct rxe_mr *mr, struct rxe_pd *pd)
{
	if (!mr->peer || !mr->peer->on_demand)
		return;
	peer_pd_add_mr(pd, mr->peer);
	atomic_dec(&mr_pd(mr)->on_demand_mrs);
}

/* ---- the responder ---- */

/*
 * Returns true if qp->resp.wqe is the receive that was taken for a packet whose
 * execution was then deferred. The repeated packet must use it: taking another
 * one would lose it.
 */
bool rxe_peer_reuse_held_recv(struct rxe_qp *qp)
{
	bool held = qp->resp.recv_held;

	qp->resp.recv_held = false;
	/* A reset of the QP sets resp.wqe to NULL. */
	return held && qp->resp.wqe;
}

/*
 * Faults in the pages of an access. Returns true if the access must be deferred.
 * For a queue pair that stops, it is always deferred (-ECANCELED). Other errors
 * are ignored here: the access reports them.
 */
static bool peer_prepare(struct rxe_mr *mr, u64 iova, size_t length, bool write)
{
	int err;

	if (!mr || !mr->peer || !mr->peer->on_demand || !length ||
	    mr_check_range(mr, iova, length))
		return false;
	err = ib_umem_peer_prepare(mr->peer, iova - mr->ibmr.iova, length,
				   write, PREPARE_TIMEOUT);
	return err == -EAGAIN || err == -ECANCELED;
}

/* The same for the receive buffers that the next @length bytes go to. */
static bool peer_prepare_recv(struct rxe_qp *qp, size_t length)
{
	const struct rxe_dma_info *dma = &qp->resp.wqe->dma;
	u32 offset = dma->sge_offset;
	bool put_off = false;
	struct rxe_mr *mr;
	size_t bytes;
	u32 i;

	if (!atomic_read(&qp->pd->on_demand_mrs))
		return false;
	for (i = dma->cur_sge; i < dma->num_sge && length && !put_off; i++) {
		const struct rxe_sge *sge = &dma->sge[i];

		bytes = offset < sge->length ?
			min_t(size_t, length, sge->length - offset) : 0;
		if (bytes) {
			mr = lookup_mr(qp->pd, IB_ACCESS_LOCAL_WRITE, sge->lkey,
				       RXE_LOOKUP_LOCAL);
			put_off = peer_prepare(mr, sge->addr + offset, bytes,
					       true);
			if (mr)
				rxe_put(mr);
		}
		length -= bytes;
		offset = 0;
	}
	return put_off;
}

/*
 * Returns RESPST_ERR_RNR until the deadline of the access, then an error: the
 * pages may be invalidated each time before the requester sends again. The
 * deadline is that of any access (ib_umem_peer_deadline()).
 *
 * The packets that follow are dropped without a sequence error NAK, which would
 * use up a retry of the requester.
 */
static enum resp_states peer_rnr_or_error(struct rxe_qp *qp,
					  struct rxe_pkt_info *pkt)
{
	if (!qp->resp.rnr_deadline)
		qp->resp.rnr_deadline = ib_umem_peer_deadline();
	if (time_before(jiffies, qp->resp.rnr_deadline)) {
		qp->resp.recv_held = pkt->mask & RXE_RWR_MASK;
		qp->resp.sent_psn_nak = 1;
		return RESPST_ERR_RNR;
	}
	qp->resp.rnr_deadline = 0;
	return pkt->mask & RXE_SEND_MASK ? RESPST_ERR_MALFORMED_WQE :
					   RESPST_ERR_RKEY_VIOLATION;
}

/*
 * Called before a packet is executed. Returns RESPST_NONE (execute it),
 * RESPST_ERR_RNR (pages are missing; the requester must send again) or the
 * error that ends the operation.
 */
enum resp_states rxe_peer_prepare(struct rxe_qp *qp, struct rxe_pkt_info *pkt)
{
	u64 iova = qp->resp.va + qp->resp.offset;
	struct rxe_mr *mr = qp->resp.mr;
	bool put_off = false;

	if (qp_type(qp) != IB_QPT_RC)
		return RESPST_NONE;

	if (pkt->mask & RXE_SEND_MASK) {
		put_off = peer_prepare_recv(qp, payload_size(pkt));
	} else if (pkt->mask & RXE_WRITE_MASK) {
		put_off = peer_prepare(mr, iova, payload_size(pkt), true);
	} else if (pkt->mask & RXE_READ_MASK) {
		put_off = peer_prepare(mr, iova, min_t(u32, qp->resp.resid,
						       PREPARE_READ), false);
	} else if (pkt->mask & (RXE_ATOMIC_MASK | RXE_ATOMIC_WRITE_MASK)) {
		put_off = peer_prepare(mr, iova, sizeof(u64), true);
	}
	if (put_off)
		return peer_rnr_or_error(qp, pkt);
	qp->resp.rnr_deadline = 0;
	return RESPST_NONE;
}

/* ---- the requester ---- */

/*
 * Copies the address vector and drops the reference to the address handle. The
 * requester may wait long for a page, and destroying an address handle waits for
 * its users only for a limited time.
 */
struct rxe_av *rxe_peer_copy_av(struct rxe_av *copy, struct rxe_av *av,
				struct rxe_ah **ah)
{
	if (!av || !*ah)
		return av;
	*copy = *av;
	rxe_put(*ah);
	*ah = NULL;
	return copy;
}

/*
 * Returns the remote address of an ATOMIC WRITE or FLUSH that is sent again.
 * Stock rxe sets it to 0. After an RNR NAK all operations that follow the
 * deferred one are sent again.
 */
u64 rxe_peer_retry_va(const struct rxe_send_wqe *wqe, unsigned int mask)
{
	if (mask & WR_ATOMIC_WRITE_MASK)
		return wqe->wr.wr.rdma.remote_addr;
	if (mask & WR_FLUSH_MASK)
		return wqe->wr.wr.flush.remote_addr;
	return 0;
}

/* ---- prefetch ---- */

static int peer_prefetch(struct ib_pd *ibpd, const struct ib_sge *sge,
			 bool write, bool fault, bool wait)
{
	struct rxe_mr *mr;
	int err = -EINVAL;

	mr = lookup_mr(to_rpd(ibpd), 0, sge->lkey, RXE_LOOKUP_LOCAL);
	if (!mr)
		return -ENOENT;
	if (!mr->peer || !mr->peer->on_demand)
		goto out;
	err = -EFAULT;
	if (mr_check_range(mr, sge->addr, sge->length))
		goto out;
	err = -EPERM;
	if (write && !ib_access_writable(mr->access))
		goto out;
	err = ib_umem_peer_prefetch(mr->peer, sge->addr - mr->ibmr.iova,
				    sge->length, write, fault, wait);
out:
	rxe_put(mr);
	return err;
}

int rxe_peer_advise_mr(struct ib_pd *ibpd,
		       enum ib_uverbs_advise_mr_advice advice, u32 flags,
		       struct ib_sge *sg_list, u32 num_sge,
		       struct uverbs_attr_bundle *attrs)
{
	bool write = advice == IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE;
	bool fault = advice != IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT;
	int err = 0;
	u32 i;

	if (advice != IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH &&
	    advice != IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_WRITE &&
	    advice != IB_UVERBS_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT)
		return -EOPNOTSUPP;

	for (i = 0; i < num_sge && !err; i++)
		err = peer_prefetch(ibpd, &sg_list[i], write, fault,
				    flags & IB_UVERBS_ADVISE_MR_FLAG_FLUSH);
	return err;
}

/* ---- rdma statistic show mr ---- */

int rxe_peer_fill_stat(struct sk_buff *msg, struct ib_mr *ibmr)
{
	struct rxe_mr *mr = to_rmr(ibmr);
	struct ib_umem_peer_stats *stats;
	struct nlattr *table;

	if (!mr->peer || !mr->peer->on_demand)
		return 0;
	stats = &mr->peer->stats;
	table = nla_nest_start(msg, RDMA_NLDEV_ATTR_STAT_HWCOUNTERS);
	if (!table)
		return -EMSGSIZE;
	if (rdma_nl_stat_hwcounter_entry(msg, "page_faults",
					 atomic64_read(&stats->faults)) ||
	    rdma_nl_stat_hwcounter_entry(msg, "page_invalidations",
					 atomic64_read(&stats->invalidations)) ||
	    rdma_nl_stat_hwcounter_entry(msg, "page_prefetch",
					 atomic64_read(&stats->prefetched))) {
		nla_nest_cancel(msg, table);
		return -EMSGSIZE;
	}
	nla_nest_end(msg, table);
	return 0;
}
