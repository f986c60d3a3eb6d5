/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Calls of the kernel's ioctl interface for verbs, built attribute by attribute.
 */
#ifndef VT_UVERBS_H
#define VT_UVERBS_H

#include <infiniband/verbs.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#define VT_CALL_ATTRS 9

/* The caller sets @hdr.object_id and @hdr.method_id; the rest starts as zero. */
struct vt_call {
	struct ib_uverbs_ioctl_hdr hdr;
	struct ib_uverbs_attr attrs[VT_CALL_ATTRS];
};

/*
 * Appends a mandatory attribute; @hdr must have room for it.
 * @data: the value, or its address if it is an output or longer than 8 bytes
 */
void vt_call_attr(struct ib_uverbs_ioctl_hdr *hdr, uint16_t id, uint16_t length,
		  uint64_t data);
/* Builds an ioctl for a command of the write() interface. @out_length: 0: no output */
void vt_call_write(struct vt_call *call, uint32_t command, const void *in,
		   size_t in_length, void *out, size_t out_length);
/* Return: 0 or -errno of the kernel. */
int vt_call(struct ibv_context *ctx, struct vt_call *call);

#endif
