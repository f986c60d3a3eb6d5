// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Wrappers of struct vt_mem_kind, and host memory: anonymous pages. Instead of an
 * exporter, process_vm_readv() and process_vm_writev() access its bytes.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#include "mem_kind.h"

int vt_mem_map(struct vt_mem *mem, int fd, off_t offset, size_t length,
	       unsigned int flags)
{
	int prot = PROT_READ | (flags & VT_MEM_READ_ONLY ? 0 : PROT_WRITE);
	void *addr = mmap(NULL, length, prot,
			  MAP_SHARED | (fd < 0 ? MAP_ANONYMOUS : 0), fd, offset);

	if (addr == MAP_FAILED)
		return -errno;
	mem->addr = addr;
	mem->length = length;
	return 0;
}

void vt_mem_release(struct vt_mem *mem)
{
	if (mem->addr)
		munmap(mem->addr, mem->length);
	if (mem->dmabuf >= 0)
		close(mem->dmabuf);
	if (mem->fd >= 0)
		close(mem->fd);
}

static int host_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	return vt_mem_map(mem, -1, 0, length, flags);
}

static int host_copy(void *local, void *remote, size_t length,
		     ssize_t (*copy)(pid_t pid, const struct iovec *lvec,
				     unsigned long liovcnt,
				     const struct iovec *rvec,
				     unsigned long riovcnt,
				     unsigned long flags))
{
	struct iovec here = { local, length };
	struct iovec there = { remote, length };
	ssize_t n = copy(getpid(), &here, 1, &there, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == length ? 0 : -EFAULT;
}

static int host_read(struct vt_mem *mem, uint64_t offset, void *dst,
		     size_t length)
{
	return host_copy(dst, mem->addr + offset, length, process_vm_readv);
}

static int host_write(struct vt_mem *mem, uint64_t offset, const void *src,
		      size_t length)
{
	return host_copy((void *)src, mem->addr + offset, length,
			 process_vm_writev);
}

const struct vt_mem_kind vt_mem_host = {
	.name = "host",
	.alloc = host_alloc,
	.free = vt_mem_release,
	.read = host_read,
	.write = host_write,
};

const struct vt_mem_kind *vt_mem_kind_find(const char *name)
{
	static const struct vt_mem_kind *const kinds[] = {
		&vt_mem_host, &vt_mem_vram, &vt_mem_vram_named,
		&vt_mem_vram_system, &vt_mem_cmb, &vt_mem_peerdirect,
		&vt_mem_native,
		&vt_mem_udmabuf, &vt_mem_heap, &vt_mem_vgem, &vt_mem_moving,
		&vt_mem_fixed, &vt_mem_iomem, &vt_mem_dma,
		&vt_mem_vram_dmabuf, &vt_mem_engine, &vt_mem_engine_eager,
		&vt_mem_engine_iomem, &vt_mem_engine_fixed,
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (!strcmp(kinds[i]->name, name))
			return kinds[i];
	return NULL;
}

const struct vt_mem_kind *vt_mem_base(const struct vt_mem_kind *kind)
{
	return kind->base ? kind->base : kind;
}

int vt_mem_prepare(const struct vt_mem_kind *kind)
{
	kind = vt_mem_base(kind);
	return kind->prepare ? kind->prepare() : 0;
}

int vt_mem_alloc(struct vt_mem *mem, const struct vt_mem_kind *kind,
		 size_t length, unsigned int flags)
{
	int ret;

	*mem = (struct vt_mem){ .kind = kind, .fd = -1, .dmabuf = -1 };
	ret = kind->alloc(mem, length, flags);
	if (ret)
		mem->addr = NULL;
	return ret;
}

void vt_mem_free(struct vt_mem *mem)
{
	if (!mem->addr)
		return;
	mem->kind->free(mem);
	mem->addr = NULL;
}

int vt_mem_read(struct vt_mem *mem, uint64_t offset, void *dst, size_t length)
{
	return vt_mem_base(mem->kind)->read(mem, offset, dst, length);
}

int vt_mem_write(struct vt_mem *mem, uint64_t offset, const void *src,
		 size_t length)
{
	return vt_mem_base(mem->kind)->write(mem, offset, src, length);
}

int vt_mem_blocks(struct vt_mem *mem, struct vt_block *blocks,
		  unsigned int room)
{
	const struct vt_mem_kind *kind = vt_mem_base(mem->kind);

	return kind->blocks ? kind->blocks(mem, blocks, room) : -EOPNOTSUPP;
}

int vt_mem_destroy(struct vt_mem *mem)
{
	const struct vt_mem_kind *kind = vt_mem_base(mem->kind);

	return kind->destroy ? kind->destroy(mem) : -EOPNOTSUPP;
}

int vt_mem_revoke(struct vt_mem *mem)
{
	const struct vt_mem_kind *kind = vt_mem_base(mem->kind);

	return kind->revoke ? kind->revoke(mem) : -EOPNOTSUPP;
}

int vt_mem_move(struct vt_mem *mem, bool home)
{
	const struct vt_mem_kind *kind = vt_mem_base(mem->kind);

	return kind->move ? kind->move(mem, home) : -EOPNOTSUPP;
}

int vt_mem_map_at(const struct vt_mem_kind *kind, void *addr, size_t length)
{
	void *there;
	int fd;

	kind = vt_mem_base(kind);
	if (!kind->node)
		return -EOPNOTSUPP;
	fd = open(kind->node, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	there = mmap(addr, length, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, 0);
	close(fd);
	return there == addr ? 0 : -errno;
}

int vt_mem_share(struct vt_mem *mem)
{
	const struct vt_mem_kind *kind = vt_mem_base(mem->kind);

	return kind->share ? kind->share(mem) : -EOPNOTSUPP;
}

int vt_mem_import(struct vt_mem *mem, const struct vt_mem_kind *kind, int fd,
		  size_t length)
{
	int ret;

	*mem = (struct vt_mem){ .kind = kind, .fd = -1, .dmabuf = -1 };
	if (!kind->import)
		return -EOPNOTSUPP;
	ret = kind->import(mem, fd, length);
	if (ret)
		mem->addr = NULL;
	return ret;
}
