// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * See raw.h.
 *
 * FLUSH: the work request is built as an RDMA WRITE of zero bytes. Before the
 * doorbell it is changed into a FLUSH in the send queue, which is shared with the
 * kernel. The queue entry is found by its work request id.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/ib_user_ioctl_verbs.h>
#include <rdma/ib_user_verbs.h>
#include <rdma/rdma_user_rxe.h>

#include "raw.h"
#include "uverbs.h"

int vt_rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, int access)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct {
		struct ib_uverbs_cmd_hdr hdr;
		struct ib_uverbs_rereg_mr body;
	} cmd = {
		.hdr = {
			.command = IB_USER_VERBS_CMD_REREG_MR,
			.in_words = sizeof(cmd) / 4,
			.out_words = sizeof(resp) / 4,
		},
		.body = {
			.response = (uintptr_t)&resp,
			.mr_handle = mr->handle,
			.flags = flags,
			.pd_handle = pd ? pd->handle : 0,
			.access_flags = access,
		},
	};

	if (write(mr->context->cmd_fd, &cmd, sizeof(cmd)) != sizeof(cmd))
		return -errno;
	mr->lkey = resp.lkey;
	mr->rkey = resp.rkey;
	if (flags & IBV_REREG_MR_CHANGE_PD)
		mr->pd = pd;
	return 0;
}

int vt_advise_mr(struct ibv_pd *pd, int advice, uint32_t flags,
		 struct ibv_sge *sge, int num_sge)
{
	struct vt_call call = { .hdr = {
		.object_id = UVERBS_OBJECT_MR,
		.method_id = UVERBS_METHOD_ADVISE_MR,
	} };

	vt_call_attr(&call.hdr, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, 0, pd->handle);
	vt_call_attr(&call.hdr, UVERBS_ATTR_ADVISE_MR_ADVICE, 8, advice);
	vt_call_attr(&call.hdr, UVERBS_ATTR_ADVISE_MR_FLAGS, 4, flags);
	vt_call_attr(&call.hdr, UVERBS_ATTR_ADVISE_MR_SGE_LIST,
		     num_sge * sizeof(*sge), (uintptr_t)sge);
	return vt_call(pd->context, &call);
}

int vt_reg_dmabuf_mr(struct ibv_mr *mr, struct ibv_pd *pd, uint64_t offset,
		     uint64_t length, uint64_t iova, int fd, int access)
{
	struct vt_call call = { .hdr = {
		.object_id = UVERBS_OBJECT_MR,
		.method_id = UVERBS_METHOD_REG_DMABUF_MR,
	} };
	int ret;

	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_HANDLE, 0, 0);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_PD_HANDLE, 0,
		     pd->handle);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_OFFSET, 8, offset);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_LENGTH, 8, length);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_IOVA, 8, iova);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_FD, 4, (uint32_t)fd);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_ACCESS_FLAGS, 4,
		     access);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_LKEY, 4,
		     (uintptr_t)&mr->lkey);
	vt_call_attr(&call.hdr, UVERBS_ATTR_REG_DMABUF_MR_RESP_RKEY, 4,
		     (uintptr_t)&mr->rkey);
	ret = vt_call(pd->context, &call);
	if (ret)
		return ret;
	mr->context = pd->context;
	mr->pd = pd;
	mr->addr = NULL;
	mr->length = length;
	mr->handle = call.attrs[0].data;
	return 0;
}

int vt_dereg_dmabuf_mr(struct ibv_mr *mr)
{
	struct vt_call call = { .hdr = {
		.object_id = UVERBS_OBJECT_MR,
		.method_id = UVERBS_METHOD_MR_DESTROY,
	} };

	vt_call_attr(&call.hdr, UVERBS_ATTR_DESTROY_MR_HANDLE, 0, mr->handle);
	return vt_call(mr->context, &call);
}

/* FLUSH in the union of struct rxe_send_wr, which older headers lack. */
struct rxe_flush_wr {
	uint64_t remote_addr;
	uint32_t length;
	uint32_t rkey;
	uint8_t type;
	uint8_t level;
};

#define RXE_OPCODE_FLUSH 14

static struct rxe_send_wqe *find_wqe_in(char *start, char *end, uint64_t wr_id)
{
	char *at;

	for (at = start; at + sizeof(struct rxe_send_wqe) <= end; at += 8) {
		struct rxe_send_wqe *wqe = (struct rxe_send_wqe *)at;

		if (wqe->wr.wr_id == wr_id &&
		    wqe->wr.opcode == IBV_WR_RDMA_WRITE)
			return wqe;
	}
	return NULL;
}

static struct rxe_send_wqe *find_wqe(uint64_t wr_id)
{
	struct rxe_send_wqe *wqe = NULL;
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long start, end;
	char line[512];

	while (maps && !wqe && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "/uverbs") &&
		    sscanf(line, "%lx-%lx", &start, &end) == 2)
			wqe = find_wqe_in((char *)start, (char *)end, wr_id);
	}
	if (maps)
		fclose(maps);
	return wqe;
}

static void make_flush(struct rxe_send_wqe *wqe, struct vt_remote at,
		       uint32_t length, enum vt_flush_type type, bool whole)
{
	struct rxe_flush_wr flush = {
		.remote_addr = at.addr,
		.length = length,
		.rkey = at.rkey,
		.type = type,
		.level = whole,
	};

	wqe->wr.opcode = RXE_OPCODE_FLUSH;
	memcpy(&wqe->wr.wr, &flush, sizeof(flush));
	wqe->iova = at.addr;
	wqe->dma.length = length;
	wqe->dma.resid = length;
	wqe->dma.num_sge = 0;
}

static int do_flush(struct vt_end *end, struct vt_remote at, uint32_t length,
		    enum vt_flush_type type, bool whole)
{
	static uint64_t ticket = 0x6f0b7d2be0c19a37ULL;
	struct rxe_send_wqe *wqe;
	struct ibv_wc wc;
	int ret;

	ibv_wr_start(end->qpx);
	end->qpx->wr_id = ++ticket;
	end->qpx->wr_flags = IBV_SEND_SIGNALED;
	ibv_wr_rdma_write(end->qpx, at.rkey, at.addr);
	wqe = find_wqe(ticket);
	if (!wqe) {
		ibv_wr_abort(end->qpx);
		return -ENOENT;
	}
	make_flush(wqe, at, length, type, whole);
	ret = -ibv_wr_complete(end->qpx);
	if (!ret)
		ret = vt_wait(end, &wc, VT_TIMEOUT_MS);
	return ret ? ret : (int)wc.status;
}

int vt_flush(struct vt_end *end, struct vt_remote at, uint32_t length,
	     enum vt_flush_type type)
{
	return do_flush(end, at, length, type, false);
}

int vt_flush_mr(struct vt_end *end, struct vt_remote at,
		enum vt_flush_type type)
{
	return do_flush(end, at, 0, type, true);
}
