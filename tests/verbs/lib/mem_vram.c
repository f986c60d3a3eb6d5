// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory of peer_vram, created in all possible ways. Each BO has its own open file,
 * and a handle there for the ioctls.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <rdma/peer_vram.h>

#include "mem_kind.h"
#include "proc.h"

#define NODE "/dev/peer_vram0"

static int vram_open(void)
{
	const char *path = getenv("PEER_VRAM");
	int fd = open(path ? path : NODE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static int vram_prepare(void)
{
	static const char *const load[] = { "modprobe", "peer_vram", NULL };

	return vt_module_is_loaded("peer_vram") ? 0 : vt_run(20000, load);
}

static int vram_ioctl(int fd, unsigned long request, void *arg)
{
	return ioctl(fd, request, arg) ? -errno : 0;
}

static int vram_make_by_mmap(struct vt_mem *mem, size_t length,
			     unsigned int flags)
{
	struct peer_vram_lookup lookup = { .size = sizeof(lookup) };
	int ret;

	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	ret = vt_mem_map(mem, mem->fd, 0, length, flags);
	if (ret)
		return ret;
	lookup.addr = (uintptr_t)mem->addr;
	ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_LOOKUP, &lookup);
	mem->handle = lookup.handle;
	return ret;
}

static int vram_share(struct vt_mem *mem)
{
	struct peer_vram_share share = {
		.size = sizeof(share),
		.handle = mem->handle,
	};
	int ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_SHARE, &share);

	return ret ? ret : share.fd;
}

static int vram_make_by_ioctl(struct vt_mem *mem, size_t length,
			      unsigned int flags)
{
	struct peer_vram_create create = {
		.size = sizeof(create),
		.length = length,
	};
	int ret;

	if (mem->kind == &vt_mem_vram_system)
		create.flags |= PEER_VRAM_CREATE_SYSTEM;
	if (flags & VT_MEM_NO_EXPORT)
		create.flags |= PEER_VRAM_CREATE_NO_EXPORT;
	ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_CREATE, &create);
	if (ret)
		return ret;
	mem->handle = create.handle;
	if (mem->kind != &vt_mem_vram_dmabuf)
		return vt_mem_map(mem, mem->fd, create.mmap_offset, length,
				  flags);
	mem->dmabuf = vram_share(mem);
	if (mem->dmabuf < 0)
		return mem->dmabuf;
	return vt_mem_map(mem, mem->dmabuf, 0, length, flags);
}

static int vram_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	int ret;

	mem->fd = vram_open();
	if (mem->fd < 0)
		return mem->fd;
	if (mem->kind == &vt_mem_vram)
		ret = vram_make_by_mmap(mem, length, flags);
	else
		ret = vram_make_by_ioctl(mem, length, flags);
	if (ret)
		vt_mem_release(mem);
	return ret;
}

static int vram_rw(struct vt_mem *mem, unsigned long request, uint64_t offset,
		   const void *buffer, size_t length)
{
	struct peer_vram_rw rw = {
		.size = sizeof(rw),
		.handle = mem->handle,
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)buffer,
	};

	return vram_ioctl(mem->fd, request, &rw);
}

static int vram_read(struct vt_mem *mem, uint64_t offset, void *dst,
		     size_t length)
{
	return vram_rw(mem, PEER_VRAM_IOC_READ, offset, dst, length);
}

static int vram_write(struct vt_mem *mem, uint64_t offset, const void *src,
		      size_t length)
{
	return vram_rw(mem, PEER_VRAM_IOC_WRITE, offset, src, length);
}

static int vram_blocks(struct vt_mem *mem, struct vt_block *blocks,
		       unsigned int room)
{
	struct peer_vram_block *raw = calloc(room, sizeof(*raw));
	struct peer_vram_blocks get = {
		.size = sizeof(get),
		.handle = mem->handle,
		.count = room,
		.blocks = (uintptr_t)raw,
	};
	unsigned int i;
	int ret;

	if (!raw)
		return -ENOMEM;
	ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_BLOCKS, &get);
	for (i = 0; !ret && i < get.count && i < room; i++)
		blocks[i] = (struct vt_block){
			raw[i].offset, raw[i].length, raw[i].bar };
	free(raw);
	return ret ? ret : (int)get.count;
}

static int vram_handle_op(struct vt_mem *mem, unsigned long request)
{
	struct peer_vram_handle op = {
		.size = sizeof(op),
		.handle = mem->handle,
	};

	return vram_ioctl(mem->fd, request, &op);
}

static int vram_destroy(struct vt_mem *mem)
{
	return vram_handle_op(mem, PEER_VRAM_IOC_DESTROY);
}

static int vram_revoke(struct vt_mem *mem)
{
	return vram_handle_op(mem, PEER_VRAM_IOC_REVOKE);
}

static int vram_move(struct vt_mem *mem, bool home)
{
	struct peer_vram_move move = {
		.size = sizeof(move),
		.handle = mem->handle,
		.domain = home ? PEER_VRAM_DOMAIN_VRAM :
				 PEER_VRAM_DOMAIN_SYSTEM,
	};

	return vram_ioctl(mem->fd, PEER_VRAM_IOC_MOVE, &move);
}

static int vram_import_map(struct vt_mem *mem, int fd, size_t length)
{
	struct peer_vram_share share = { .size = sizeof(share), .fd = fd };
	struct peer_vram_query query = { .size = sizeof(query) };
	int ret;

	ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_IMPORT, &share);
	if (ret)
		return ret;
	mem->handle = share.handle;
	query.handle = share.handle;
	ret = vram_ioctl(mem->fd, PEER_VRAM_IOC_QUERY, &query);
	if (ret)
		return ret;
	return vt_mem_map(mem, mem->fd, query.mmap_offset, length, 0);
}

static int vram_import(struct vt_mem *mem, int fd, size_t length)
{
	int ret;

	mem->fd = vram_open();
	if (mem->fd < 0)
		return mem->fd;
	ret = vram_import_map(mem, fd, length);
	if (ret)
		vt_mem_release(mem);
	return ret;
}

int vt_vram_info(struct vt_vram_info *info)
{
	struct peer_vram_info raw = { .size = sizeof(raw) };
	int fd = vram_open();
	int ret;

	if (fd < 0)
		return fd;
	ret = vram_ioctl(fd, PEER_VRAM_IOC_INFO, &raw);
	close(fd);
	*info = (struct vt_vram_info){
		.size = raw.vram_size,
		.used = raw.vram_used,
		.pinned = raw.vram_pinned,
		.pinnable = raw.vram_pinnable,
		.system_used = raw.system_used,
		.block_size = raw.block_size,
		.objects = raw.objects,
	};
	return ret;
}

#define VRAM_KIND(kind_name, import_bo)					\
	{								\
		.name = kind_name,					\
		.exporter = "peer_vram",				\
		.module = "peer_vram",					\
		.node = NODE,						\
		.prepare = vram_prepare,				\
		.alloc = vram_alloc,					\
		.free = vt_mem_release,					\
		.read = vram_read,					\
		.write = vram_write,					\
		.blocks = vram_blocks,					\
		.destroy = vram_destroy,				\
		.revoke = vram_revoke,					\
		.move = vram_move,					\
		.share = vram_share,					\
		.import = import_bo,					\
	}

const struct vt_mem_kind vt_mem_vram = VRAM_KIND("vram", vram_import);
const struct vt_mem_kind vt_mem_vram_named = VRAM_KIND("vram_named", vram_import);
const struct vt_mem_kind vt_mem_vram_system = VRAM_KIND("vram_system",
							 vram_import);
/* Registered and mapped by the descriptor of its dma-buf. */
const struct vt_mem_kind vt_mem_vram_dmabuf = VRAM_KIND("vram_dmabuf", NULL);
