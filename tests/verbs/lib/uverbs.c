// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See uverbs.h. */
#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>

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

void vt_call_write(struct vt_call *call, uint32_t command, const void *in,
		   size_t in_length, void *out, size_t out_length)
{
	uint64_t data = (uintptr_t)in;

	*call = (struct vt_call){ .hdr = {
		.object_id = UVERBS_OBJECT_DEVICE,
		.method_id = UVERBS_METHOD_INVOKE_WRITE,
	} };
	if (in_length <= sizeof(data))
		memcpy(&data, in, in_length);
	vt_call_attr(&call->hdr, UVERBS_ATTR_WRITE_CMD, 8, command);
	vt_call_attr(&call->hdr, UVERBS_ATTR_CORE_IN, in_length, data);
	if (out_length)
		vt_call_attr(&call->hdr, UVERBS_ATTR_CORE_OUT, out_length,
			     (uintptr_t)out);
}
