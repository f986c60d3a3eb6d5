// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See call.h. */
#include <string.h>

#include <rdma/ib_user_ioctl_cmds.h>

#include "call.h"
#include "lib/uverbs.h"

int fz_verbs(struct ibv_context *ctx, uint32_t command, const void *in,
	     size_t in_length, void *out, size_t out_length)
{
	struct vt_call call = { .hdr = {
		.object_id = UVERBS_OBJECT_DEVICE,
		.method_id = UVERBS_METHOD_INVOKE_WRITE,
	} };
	uint64_t data = (uintptr_t)in;

	if (in_length <= sizeof(data))
		memcpy(&data, in, in_length);
	vt_call_attr(&call.hdr, UVERBS_ATTR_WRITE_CMD, 8, command);
	vt_call_attr(&call.hdr, UVERBS_ATTR_CORE_IN, in_length, data);
	if (out_length)
		vt_call_attr(&call.hdr, UVERBS_ATTR_CORE_OUT, out_length,
			     (uintptr_t)out);
	return vt_call(ctx, &call);
}
