// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory that is registered as a dma-buf: of exporters of the kernel, and of
 * peer_test_dmabuf.ko, whose buffers can move.
 *
 * mem->fd is the node that created the dma-buf, mem->dmabuf is the dma-buf.
 */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mem_kind.h"
#include "proc.h"
#include "test_dmabuf.h"

/* Opens the node, creates a dma-buf with @make, and maps it. */
static int dmabuf_alloc(struct vt_mem *mem, const char *node, size_t length,
			unsigned int flags,
			int (*make)(struct vt_mem *mem, size_t length))
{
	int ret;

	if (flags)
		return -EOPNOTSUPP;
	mem->fd = open(node, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	ret = make(mem, length);
	if (!ret)
		ret = vt_mem_map(mem, mem->dmabuf, 0, length, flags);
	if (ret)
		vt_mem_release(mem);
	return ret;
}

/* ---- exporters of the kernel ---- */

static int udmabuf_make(struct vt_mem *mem, size_t length)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = length,
	};
	int ret = 0;

	create.memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (create.memfd == (uint32_t)-1)
		return -errno;
	if (ftruncate(create.memfd, length) ||
	    fcntl(create.memfd, F_ADD_SEALS, F_SEAL_SHRINK))
		ret = -errno;
	if (!ret) {
		mem->dmabuf = ioctl(mem->fd, UDMABUF_CREATE, &create);
		ret = mem->dmabuf < 0 ? -errno : 0;
	}
	close(create.memfd);
	return ret;
}

static int udmabuf_prepare(void)
{
	static const char *const udmabuf[] = { "modprobe", "udmabuf", NULL };

	return access("/dev/udmabuf", F_OK) ? vt_run(60000, udmabuf) : 0;
}

static int udmabuf_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	return dmabuf_alloc(mem, "/dev/udmabuf", length, flags, udmabuf_make);
}

static int heap_make(struct vt_mem *mem, size_t length)
{
	struct dma_heap_allocation_data alloc = {
		.len = length,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (ioctl(mem->fd, DMA_HEAP_IOCTL_ALLOC, &alloc))
		return -errno;
	mem->dmabuf = alloc.fd;
	return 0;
}

#define HEAP "/dev/dma_heap/system"

/* Not every kernel has DMA-BUF heaps. */
static int heap_prepare(void)
{
	return access(HEAP, F_OK) ? -ENODEV : 0;
}

static int heap_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	return dmabuf_alloc(mem, HEAP, length, flags, heap_make);
}

/* The two DRM ioctls that vgem needs. Their header is in a separate package. */
struct drm_dumb {
	uint32_t height, width, bpp, flags;
	uint32_t handle, pitch;
	uint64_t size;
};

struct drm_prime {
	uint32_t handle, flags;
	int32_t fd;
};

#define DRM_DUMB _IOWR('d', 0xb2, struct drm_dumb)
#define DRM_PRIME _IOWR('d', 0x2d, struct drm_prime)

static int vgem_make(struct vt_mem *mem, size_t length)
{
	struct drm_dumb dumb = { .height = length / 4096, .width = 1024,
				 .bpp = 32 };
	struct drm_prime prime = { .flags = O_RDWR | O_CLOEXEC };

	if (length % 4096)
		return -EINVAL;
	if (ioctl(mem->fd, DRM_DUMB, &dumb))
		return -errno;
	prime.handle = dumb.handle;
	if (ioctl(mem->fd, DRM_PRIME, &prime))
		return -errno;
	mem->dmabuf = prime.fd;
	return 0;
}

static int vgem_prepare(void)
{
	static const char *const vgem[] = { "modprobe", "vgem", NULL };

	return vt_run(60000, vgem);
}

/* The number of the card depends on the other DRM devices, the bus on the kernel. */
static int vgem_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	char node[64];
	glob_t found;
	int ret;

	ret = glob("/sys/devices/*/vgem/drm/card*", 0, NULL, &found);
	if (ret)
		return -ENODEV;
	snprintf(node, sizeof(node), "/dev/dri%s",
		 strrchr(found.gl_pathv[0], '/'));
	globfree(&found);
	return dmabuf_alloc(mem, node, length, flags, vgem_make);
}

/* These exporters have no interface to the bytes. Use a second mapping instead. */
static int mapping_copy(struct vt_mem *mem, uint64_t offset, void *buffer,
			size_t length, bool write)
{
	struct vt_mem view = *mem;
	int ret = vt_mem_map(&view, mem->dmabuf, 0, mem->length, 0);

	if (ret)
		return ret;
	if (write)
		memcpy(view.addr + offset, buffer, length);
	else
		memcpy(buffer, view.addr + offset, length);
	munmap(view.addr, view.length);
	return 0;
}

static int mapping_read(struct vt_mem *mem, uint64_t offset, void *dst,
			size_t length)
{
	return mapping_copy(mem, offset, dst, length, false);
}

static int mapping_write(struct vt_mem *mem, uint64_t offset, const void *src,
			 size_t length)
{
	return mapping_copy(mem, offset, (void *)src, length, true);
}

#define SYSTEM_KIND(kind, load)						\
	{								\
		.name = #kind,						\
		.exporter = "dma_buf",					\
		.prepare = load,					\
		.alloc = kind##_alloc,					\
		.free = vt_mem_release,					\
		.read = mapping_read,					\
		.write = mapping_write,					\
	}

const struct vt_mem_kind vt_mem_udmabuf = SYSTEM_KIND(udmabuf, udmabuf_prepare);
const struct vt_mem_kind vt_mem_heap = SYSTEM_KIND(heap, heap_prepare);
const struct vt_mem_kind vt_mem_vgem = SYSTEM_KIND(vgem, vgem_prepare);

/* ---- exporter of the tests ---- */

static int test_prepare(void)
{
	if (vt_module_is_loaded("peer_test_dmabuf"))
		return 0;
	return vt_insmod_test("peer_test_dmabuf.ko", NULL);
}

static uint32_t test_flags(const struct vt_mem_kind *kind)
{
	static const struct {
		const struct vt_mem_kind *kind;
		uint32_t flags;
	} kinds[] = {
		{ &vt_mem_fixed, PEER_TEST_DMABUF_FIXED },
		{ &vt_mem_iomem, PEER_TEST_DMABUF_IOMEM },
		{ &vt_mem_dma, PEER_TEST_DMABUF_DMA },
		{ &vt_mem_engine, PEER_TEST_DMABUF_ENGINE },
		{ &vt_mem_engine_eager, PEER_TEST_DMABUF_ENGINE_EAGER },
		{ &vt_mem_engine_iomem, PEER_TEST_DMABUF_ENGINE |
					PEER_TEST_DMABUF_IOMEM },
		{ &vt_mem_engine_fixed, PEER_TEST_DMABUF_ENGINE |
					PEER_TEST_DMABUF_FIXED },
	};
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].kind == kind)
			return kinds[i].flags;
	return 0;
}

static int test_make(struct vt_mem *mem, size_t length)
{
	struct peer_test_dmabuf_create create = {
		.length = length,
		.flags = test_flags(mem->kind),
	};

	if (ioctl(mem->fd, PEER_TEST_DMABUF_CREATE, &create))
		return -errno;
	mem->dmabuf = create.fd;
	return 0;
}

static int test_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	return dmabuf_alloc(mem, "/dev/peer_test_dmabuf", length, flags,
			    test_make);
}

static int test_copy(struct vt_mem *mem, uint64_t offset, const void *buffer,
		     size_t length, bool write)
{
	struct peer_test_dmabuf_rw rw = {
		.fd = mem->dmabuf,
		.write = write,
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)buffer,
	};

	return ioctl(mem->fd, PEER_TEST_DMABUF_RW, &rw) ? -errno : 0;
}

static int test_read(struct vt_mem *mem, uint64_t offset, void *dst,
		     size_t length)
{
	return test_copy(mem, offset, dst, length, false);
}

static int test_write(struct vt_mem *mem, uint64_t offset, const void *src,
		      size_t length)
{
	return test_copy(mem, offset, src, length, true);
}

static int test_move(struct vt_mem *mem, bool home)
{
	(void)home;
	return ioctl(mem->fd, PEER_TEST_DMABUF_MOVE, mem->dmabuf) ? -errno : 0;
}

static int test_revoke(struct vt_mem *mem)
{
	return ioctl(mem->fd, PEER_TEST_DMABUF_REVOKE, mem->dmabuf) ? -errno : 0;
}

int vt_test_dmabuf_stats(const struct vt_mem *mem,
			 struct peer_test_dmabuf_stats *stats)
{
	stats->fd = mem->dmabuf;
	return ioctl(mem->fd, PEER_TEST_DMABUF_STATS, stats) ? -errno : 0;
}

int vt_test_dmabuf_speed(const struct vt_mem *mem, uint32_t ms)
{
	struct peer_test_dmabuf_speed speed = { mem->dmabuf, ms };

	return ioctl(mem->fd, PEER_TEST_DMABUF_SPEED, &speed) ? -errno : 0;
}

int vt_test_dmabuf_fence(const struct vt_mem *mem,
			 enum peer_test_dmabuf_fence_usage usage)
{
	struct peer_test_dmabuf_fence fence = { mem->dmabuf, usage };

	return ioctl(mem->fd, PEER_TEST_DMABUF_FENCE, &fence) ? -errno : 0;
}

int vt_test_dmabuf_finish(const struct vt_mem *mem)
{
	return ioctl(mem->fd, PEER_TEST_DMABUF_FINISH, mem->dmabuf) ? -errno : 0;
}

#define TEST_KIND(kind, moving, revoking)				\
	{								\
		.name = #kind,						\
		.exporter = "dma_buf",					\
		.prepare = test_prepare,				\
		.alloc = test_alloc,					\
		.free = vt_mem_release,					\
		.read = test_read,					\
		.write = test_write,					\
		.revoke = revoking,					\
		.move = moving,						\
	}

const struct vt_mem_kind vt_mem_moving = TEST_KIND(moving, test_move,
						    test_revoke);
const struct vt_mem_kind vt_mem_fixed = TEST_KIND(fixed, NULL, NULL);
const struct vt_mem_kind vt_mem_iomem = TEST_KIND(iomem, test_move,
						   test_revoke);
const struct vt_mem_kind vt_mem_dma = TEST_KIND(dma, test_move, test_revoke);
const struct vt_mem_kind vt_mem_engine = TEST_KIND(engine, test_move,
						    test_revoke);
const struct vt_mem_kind vt_mem_engine_eager = TEST_KIND(engine_eager, test_move,
							  test_revoke);
const struct vt_mem_kind vt_mem_engine_iomem = TEST_KIND(engine_iomem, test_move,
							  test_revoke);
const struct vt_mem_kind vt_mem_engine_fixed = TEST_KIND(engine_fixed, NULL, NULL);
