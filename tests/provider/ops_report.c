// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Reports in one line which operations the loaded provider supports: the results of
 * ibv_advise_mr() and ibv_rereg_mr() (0 or an errno), and how many calls of these and
 * of ibv_reg_dmabuf_mr() the kernel gets.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "uverbs_calls.h"
#include "lib/verbs.h"

#define LENGTH 4096
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_ON_DEMAND)

int main(void)
{
	void *memory = aligned_alloc(LENGTH, LENGTH);
	int advise, rereg = 0;
	struct ibv_sge sge;
	struct vt_dev dev;
	struct ibv_mr *mr;

	if (vt_dev_open(&dev))
		return 1;
	mr = ibv_reg_mr(dev.pd, memory, LENGTH, ACCESS);
	if (!mr)
		return 1;
	sge = (struct ibv_sge){ (uintptr_t)memory, LENGTH, mr->lkey };
	advise = ibv_advise_mr(dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	if (ibv_rereg_mr(mr, IBV_REREG_MR_CHANGE_ACCESS, NULL, NULL, 0,
			 ACCESS | IBV_ACCESS_REMOTE_READ))
		rereg = errno;
	if (ibv_reg_dmabuf_mr(dev.pd, 0, LENGTH, 0, -1, 0))
		return 1;
	if (ibv_dereg_mr(mr))
		return 1;
	vt_dev_close(&dev);
	free(memory);
	printf("advise %d, rereg %d, kernel calls %u%u%u\n", advise, rereg,
	       uverbs_calls(UVERBS_CALL_ADVISE_MR),
	       uverbs_calls(UVERBS_CALL_REREG_MR),
	       uverbs_calls(UVERBS_CALL_REG_DMABUF_MR));
	return 0;
}
