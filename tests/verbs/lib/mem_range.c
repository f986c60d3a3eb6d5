// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Ranges of this process that were made dma-bufs by the core, of whatever
 * client's memory: registered by that, and otherwise what they are made of.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_mem.h>

#include "mem.h"

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

static const struct vt_mem_kind *range_base(const struct vt_mem *mem)
{
	return mem->kind == &vt_mem_vram_range ? &vt_mem_vram_named :
						 &vt_mem_peerdirect;
}

static int range_prepare_peerdirect(void)
{
	return vt_mem_prepare(&vt_mem_peerdirect);
}

static int range_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	struct vt_mem base;
	int ret;

	ret = vt_mem_alloc(&base, range_base(mem), length, flags);
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

static void range_free(struct vt_mem *mem)
{
	close(mem->dmabuf);
	range_base(mem)->free(mem);
}

static int range_read(struct vt_mem *mem, uint64_t offset, void *dst,
		      size_t length)
{
	return range_base(mem)->read(mem, offset, dst, length);
}

static int range_write(struct vt_mem *mem, uint64_t offset, const void *src,
		       size_t length)
{
	return range_base(mem)->write(mem, offset, src, length);
}

static int range_destroy(struct vt_mem *mem)
{
	return range_base(mem)->destroy(mem);
}

static int range_revoke(struct vt_mem *mem)
{
	return range_base(mem)->revoke(mem);
}

const struct vt_mem_kind vt_mem_vram_range = {
	.name = "vram_range",
	.client = "peer_vram",
	.alloc = range_alloc,
	.free = range_free,
	.read = range_read,
	.write = range_write,
	.destroy = range_destroy,
	.revoke = range_revoke,
};

const struct vt_mem_kind vt_mem_peerdirect_range = {
	.name = "peerdirect_range",
	.client = "peerdirect_test",
	.prepare = range_prepare_peerdirect,
	.alloc = range_alloc,
	.free = range_free,
	.read = range_read,
	.write = range_write,
	.revoke = range_revoke,
};
