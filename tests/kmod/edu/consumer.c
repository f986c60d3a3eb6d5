// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A kernel user of verbs that registers memory of a process, as RDS does, in a
 * protection domain of its own.
 */
#include "edu.h"

int edu_kernel_mr(struct edu_device *dev, const struct edu_rdma_kernel_mr *arg)
{
	struct ib_pd *pd = ib_alloc_pd(&dev->ib, 0);
	struct ib_mr *mr;
	int ret;

	if (IS_ERR(pd))
		return PTR_ERR(pd);
	mr = ib_reg_user_mr(pd, arg->addr, arg->length, arg->addr, arg->access);
	ret = PTR_ERR_OR_ZERO(mr);
	if (!ret)
		ret = ib_dereg_mr(mr);
	ib_dealloc_pd(pd);
	return ret;
}
