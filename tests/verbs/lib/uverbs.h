/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Calls of the kernel's ioctl interface for verbs, built attribute by attribute.
 */
#ifndef VT_UVERBS_H
#define VT_UVERBS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#define VT_CALL_ATTRS 9

/* Begins with @hdr.object_id and @hdr.method_id set, and all else zero. */
struct vt_call {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[VT_CALL_ATTRS];
};

/*
 * One more, mandatory attribute; there must be room behind @hdr.
 * @data: itself, or where it is if it is longer than 8 bytes or an answer
 */
void vt_call_attr(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, uint16_t length,
		  uint64_t data);
/* A command of the write() interface, in an ioctl. Nothing comes back if @out_length is 0. */
void vt_call_write(struct vt_call *call, uint32_t command, const void *in,
		   size_t in_length, void *out, size_t out_length);
/* Return: 0 or -errno of the kernel. */
int vt_call(struct ibv_context *ctx, struct vt_call *call);

#endif
