// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_EXPORT: exports a range of the calling process as a dma-buf.
 */
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <uapi/rdma/peer_mem.h>

#include "importers/dma_exported.h"
#include "umem/export.h"
#include "umem/probe.h"
#include "user/user.h"

static int export_check(const struct peer_mem_export *user)
{
	u64 end;

	if (user->flags & ~PEER_MEM_EXPORT_WRITE || user->fd ||
	    user->reserved)
		return -EINVAL;
	if (!user->length || !PAGE_ALIGNED(user->addr) ||
	    !PAGE_ALIGNED(user->length) ||
	    check_add_overflow(user->addr, user->length, &end))
		return -EINVAL;
	return end > TASK_SIZE_MAX ? -EFAULT : 0;
}

/* Return: the dma-buf, or ERR_PTR; see include/uapi/rdma/peer_mem.h. */
struct dma_buf *ib_peer_export(const struct peer_mem_export *user)
{
	bool writable = user->flags & PEER_MEM_EXPORT_WRITE;
	struct ib_peer_export *export;
	int ret;

	ret = export_check(user);
	if (ret)
		return ERR_PTR(ret);
	export = ib_peer_export_create(user->addr, user->length);
	if (IS_ERR(export))
		return ERR_CAST(export);
	ret = ib_peer_probe_export(export, NULL, 0, export->length, writable);
	if (ret) {
		ib_peer_export_put(export);
		return ERR_PTR(ret);
	}
	return ib_peer_export_to_dmabuf(export, writable);
}
