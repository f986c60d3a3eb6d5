// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory region operations that rxe's kernel driver supports and librxe may not. Each
 * one passes the call to the kernel. An operation that librxe has stays unchanged.
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay.h"

/* librxe's dereg_mr frees the MR. */
static struct ibv_mr *reg_dmabuf_mr(struct ibv_pd *pd, uint64_t offset,
				    size_t length, uint64_t iova, int fd,
				    int access)
{
	struct ibv_mr *mr = calloc(1, OVERLAY_MR_SIZE);
	int ret;

	if (!mr)
		return NULL;
	ret = ibv_cmd_reg_dmabuf_mr(pd, offset, length, iova, fd, access, mr,
				    NULL);
	if (!ret)
		return mr;
	free(mr);
	errno = ret;
	return NULL;
}

static int rereg_mr(struct ibv_mr *mr, int flags, struct ibv_pd *pd, void *addr,
		    size_t length, int access)
{
	struct ib_uverbs_rereg_mr_resp resp;
	struct overlay_rereg_cmd cmd;

	return ibv_cmd_rereg_mr(mr, flags, addr, length, (uintptr_t)addr,
				access, pd, &cmd, sizeof(cmd), &resp,
				sizeof(resp));
}

static void add_op(const overlay_op *stock, overlay_op *ops, int slot,
		   overlay_op op)
{
	if (!stock[slot])
		ops[slot] = op;
}

void overlay_add_mr_ops(const overlay_op *stock, overlay_op *ops)
{
	add_op(stock, ops, OVERLAY_REG_DMABUF_MR, (overlay_op)reg_dmabuf_mr);
	add_op(stock, ops, OVERLAY_REREG_MR, (overlay_op)rereg_mr);
	add_op(stock, ops, OVERLAY_ADVISE_MR, (overlay_op)ibv_cmd_advise_mr);
}
