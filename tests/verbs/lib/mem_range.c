// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Ranges of this process that the core exported as dma-bufs. The memory is registered
 * as a dma-buf; all other operations are those of the base kind.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_mem.h>

#include "mem_kind.h"

int vt_export(const void *addr, size_t length, uint32_t flags)
{
	struct peer_mem_export export = {
		.size = sizeof(export),
		.flags = flags,
		.addr = (uintptr_t)addr,
		.length = length,
	};
	int node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	int ret;

	if (node < 0)
		return -errno;
	ret = ioctl(node, PEER_MEM_IOC_EXPORT, &export) ? -errno : export.fd;
	close(node);
	return ret;
}

static int range_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	struct vt_mem base;
	int ret;

	ret = vt_mem_alloc(&base, mem->kind->base, length, flags);
	if (ret)
		return ret;
	ret = vt_export(base.addr, length,
			flags & VT_MEM_READ_ONLY ? 0 : PEER_MEM_EXPORT_WRITE);
	if (ret < 0) {
		vt_mem_free(&base);
		return ret;
	}
	base.kind = mem->kind;
	base.dmabuf = ret;
	*mem = base;
	return 0;
}

#define RANGE_KIND(kind, of)						\
	const struct vt_mem_kind vt_mem_##kind##_range = {		\
		.name = #kind "_range",					\
		.base = &vt_mem_##of,					\
		.alloc = range_alloc,					\
		.free = vt_mem_release,					\
	}

RANGE_KIND(vram, vram_named);
RANGE_KIND(cmb, cmb);
RANGE_KIND(peerdirect, peerdirect);
