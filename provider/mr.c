// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Operations on memory regions that rxe's kernel driver has, and librxe may not:
 * each just asks the kernel. One that librxe has is left to it.
 */
#include <errno.h>
#include <stdlib.h>

#include "overlay.h"

/* librxe's own dereg_mr frees it. */
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

static void add(const overlay_op *stock, overlay_op *ops, int place,
		overlay_op op)
{
	if (!stock[place])
		ops[place] = op;
}

void overlay_add_mr_ops(const overlay_op *stock, overlay_op *ops)
{
	add(stock, ops, OVERLAY_REG_DMABUF_MR, (overlay_op)reg_dmabuf_mr);
	add(stock, ops, OVERLAY_REREG_MR, (overlay_op)rereg_mr);
	add(stock, ops, OVERLAY_ADVISE_MR, (overlay_op)ibv_cmd_advise_mr);
}
