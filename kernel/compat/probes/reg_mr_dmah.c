// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The ops reg_user_mr and reg_user_mr_dmabuf get a DMA handle (TLP processing hints).
 * Before: they do not, and there are no DMA handles.
 */
#include <rdma/ib_verbs.h>

static struct ib_mr *reg(struct ib_pd *pd, u64 start, u64 length, u64 iova, int access,
			 struct ib_dmah *dmah, struct ib_udata *udata)
{
	return NULL;
}

static const struct ib_device_ops probe __used = { .reg_user_mr = reg };
