// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory of peer_test_mem.ko (tests/kmod). The module that is loaded exports it: a
 * PeerDirect client, an exporter of the native API, or one with a private link. Only
 * one of these is loaded at a time.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../kmod/peer_test.h"
#include "mem_kind.h"
#include "proc.h"

#define NODE "/dev/peer_test_mem"
#define DEVICE_PAGE 65536UL

static int unload(const char *module)
{
	return vt_module_is_loaded(module) ? vt_rmmod(module) : 0;
}

/* Loads the exporter @ko, after unloading the others. */
static int load(const char *ko, const char *params)
{
	int ret = 0;

	if (!vt_module_is_loaded("peer_test_mem"))
		ret = vt_insmod_test("peer_test_mem.ko", NULL);
	if (!ret)
		ret = unload("peerdirect_test");
	if (!ret)
		ret = unload("peer_test_native");
	if (!ret)
		ret = unload("peer_test_link");
	return ret ? ret : vt_insmod_test(ko, params);
}

int vt_peerdirect_load(const char *params)
{
	return load("peerdirect_test.ko", params);
}

static int peerdirect_prepare(void)
{
	if (vt_module_is_loaded("peerdirect_test"))
		return 0;
	return vt_peerdirect_load(NULL);
}

static int native_prepare(void)
{
	if (vt_module_is_loaded("peer_test_native"))
		return 0;
	return load("peer_test_native.ko", NULL);
}

static int private_link_prepare(void)
{
	if (vt_module_is_loaded("peer_test_link"))
		return 0;
	return load("peer_test_link.ko", NULL);
}

/* Aligned to the pages of a device with large pages. */
static void *map_aligned(int fd, size_t length, int prot)
{
	char *room = mmap(NULL, length + DEVICE_PAGE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *at;
	void *addr;
	int error;

	if (room == MAP_FAILED)
		return room;
	at = room + (-(uintptr_t)room & (DEVICE_PAGE - 1));
	addr = mmap(at, length, prot, MAP_SHARED | MAP_FIXED, fd, 0);
	if (addr == MAP_FAILED) {
		error = errno;
		munmap(room, length + DEVICE_PAGE);
		errno = error;
		return addr;
	}
	if (at > room)
		munmap(room, at - room);
	munmap(at + length, room + DEVICE_PAGE - at);
	return addr;
}

static int peerdirect_alloc(struct vt_mem *mem, size_t length,
			    unsigned int flags)
{
	int prot = PROT_READ | (flags & VT_MEM_READ_ONLY ? 0 : PROT_WRITE);
	void *addr;

	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	mem->fd = open(NODE, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	addr = map_aligned(mem->fd, length, prot);
	if (addr == MAP_FAILED) {
		int ret = -errno;

		close(mem->fd);
		return ret;
	}
	mem->addr = addr;
	mem->length = length;
	return 0;
}

static int peerdirect_rw(struct vt_mem *mem, uint64_t offset,
			 const void *buffer, size_t length, bool write)
{
	struct peer_test_rw rw = {
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)buffer,
		.write = write,
	};

	return ioctl(mem->fd, PEER_TEST_IOC_RW, &rw) ? -errno : 0;
}

static int peerdirect_read(struct vt_mem *mem, uint64_t offset, void *dst,
			   size_t length)
{
	return peerdirect_rw(mem, offset, dst, length, false);
}

static int peerdirect_write(struct vt_mem *mem, uint64_t offset,
			    const void *src, size_t length)
{
	return peerdirect_rw(mem, offset, src, length, true);
}

static int peerdirect_revoke(struct vt_mem *mem)
{
	return ioctl(mem->fd, PEER_TEST_IOC_INVALIDATE) ? -errno : 0;
}

const struct vt_mem_kind vt_mem_peerdirect = {
	.name = "peerdirect",
	.exporter = "peerdirect_test",
	.module = "peerdirect_test",
	.node = NODE,
	.claimable_after_revoke = true,
	.prepare = peerdirect_prepare,
	.alloc = peerdirect_alloc,
	.free = vt_mem_release,
	.read = peerdirect_read,
	.write = peerdirect_write,
	.revoke = peerdirect_revoke,
};

const struct vt_mem_kind vt_mem_native = {
	.name = "native",
	.exporter = "peer_test_native",
	.module = "peer_test_native",
	.node = NODE,
	.prepare = native_prepare,
	.alloc = peerdirect_alloc,
	.free = vt_mem_release,
	.read = peerdirect_read,
	.write = peerdirect_write,
	.revoke = peerdirect_revoke,
};

const struct vt_mem_kind vt_mem_private_link = {
	.name = "private_link",
	.exporter = "peer_test_link",
	.module = "peer_test_link",
	.node = NODE,
	.prepare = private_link_prepare,
	.alloc = peerdirect_alloc,
	.free = vt_mem_release,
	.read = peerdirect_read,
	.write = peerdirect_write,
};
