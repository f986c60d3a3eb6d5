// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See call.h. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "call.h"

int fz_verbs(struct ibv_context *ctx, uint32_t command, const void *in,
	     size_t in_length, void *out, size_t out_length)
{
	struct {
		struct ib_uverbs_ioctl_hdr hdr;
		struct ib_uverbs_attr attrs[3];
	} cmd = {
		.hdr = {
			.length = sizeof(cmd),
			.object_id = UVERBS_OBJECT_DEVICE,
			.method_id = UVERBS_METHOD_INVOKE_WRITE,
			.num_attrs = 3,
			.driver_id = RDMA_DRIVER_RXE,
		},
		.attrs = {
			{
				.attr_id = UVERBS_ATTR_WRITE_CMD,
				.len = sizeof(uint64_t),
				.data = command,
			}, {
				.attr_id = UVERBS_ATTR_CORE_IN,
				.len = in_length,
				.data = (uintptr_t)in,
			}, {
				.attr_id = UVERBS_ATTR_CORE_OUT,
				.len = out_length,
				.data = (uintptr_t)out,
			},
		},
	};
	int i;

	if (in_length <= sizeof(uint64_t))
		memcpy(&cmd.attrs[1].data, in, in_length);
	if (!out_length) {
		cmd.hdr.num_attrs = 2;
		cmd.hdr.length -= sizeof(cmd.attrs[2]);
	}
	for (i = 0; i < 3; i++)
		cmd.attrs[i].flags = UVERBS_ATTR_F_MANDATORY;
	return ioctl(ctx->cmd_fd, RDMA_VERBS_IOCTL, &cmd) ? -errno : 0;
}
