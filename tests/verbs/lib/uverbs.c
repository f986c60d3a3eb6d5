// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See uverbs.h. */
#include <errno.h>
#include <stddef.h>
#include <sys/ioctl.h>

#include "uverbs.h"

void vt_call_attr(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, uint16_t length,
		  uint64_t data)
{
	hdr->attrs[hdr->num_attrs++] = (struct ib_uverbs_attr){
		.attr_id = id,
		.len = length,
		.flags = UVERBS_ATTR_F_MANDATORY,
		.data = data,
	};
}

int vt_call(struct ibv_context *ctx, struct vt_call *call)
{
	call->hdr.length = offsetof(struct vt_call,
				    attrs[call->hdr.num_attrs]);
	call->hdr.driver_id = RDMA_DRIVER_RXE;
	return ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, call) ? -errno : 0;
}
