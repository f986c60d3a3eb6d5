// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See call.h. */
#include "call.h"
#include "lib/uverbs.h"

int fz_verbs(struct ibv_context *ctx, uint32_t command, const void *in,
	     size_t in_length, void *out, size_t out_length)
{
	struct vt_call call;

	vt_call_write(&call, command, in, in_length, out, out_length);
	return vt_call(ctx, &call);
}
