// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See copy.h. */
#include <errno.h>
#include <string.h>

#include "copy.h"

int vt_copy_by_write(struct vt_pair *pair,
		     struct vt_buf *to, uint64_t to_offset,
		     struct vt_buf *from, uint64_t from_offset,
		     uint32_t length)
{
	struct ibv_sge sge = vt_sge(from, from_offset, length);

	memcpy(to->shadow + to_offset, from->shadow + from_offset, length);
	return vt_rdma_write(&pair->end[0], &sge, 1, vt_remote(to, to_offset));
}

int vt_copy_by_read(struct vt_pair *pair,
		    struct vt_buf *to, uint64_t to_offset,
		    struct vt_buf *from, uint64_t from_offset,
		    uint32_t length)
{
	struct ibv_sge sge = vt_sge(to, to_offset, length);

	memcpy(to->shadow + to_offset, from->shadow + from_offset, length);
	return vt_rdma_read(&pair->end[0], &sge, 1,
			    vt_remote(from, from_offset));
}

int vt_copy_by_send(struct vt_pair *pair,
		    struct vt_buf *to, uint64_t to_offset,
		    struct vt_buf *from, uint64_t from_offset,
		    uint32_t length)
{
	struct ibv_sge send = vt_sge(from, from_offset, length);
	struct ibv_sge recv = vt_sge(to, to_offset, length);
	struct ibv_wc wc;
	int ret;

	memcpy(to->shadow + to_offset, from->shadow + from_offset, length);
	ret = vt_send_recv(pair, &send, 1, &recv, 1, &wc);
	if (!ret && (wc.status || wc.byte_len != length))
		ret = -EBADMSG;
	return ret;
}
