// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * CMB of an NVMe controller, allocated by mmap() of the node. Its bytes are read and
 * written through /proc/self/mem, as a debugger does, which does not use the page
 * tables of the process.
 *
 * If the kernel's nvme driver publishes a pool, the memory is from that pool, while
 * the disk stays in use. Otherwise the controller is taken from the nvme driver. If
 * the machine swaps to an NVMe disk (with_swap.sh), this is an older controller with
 * 2 MiB, not the one with that disk.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <rdma/peer_bar.h>

#include "../../cmb/cmb.h"
#include "mem_kind.h"
#include "proc.h"

#define BOUND_MS 30000
#define DEV "/dev/"

/* Set by cmb_prepare(). */
static char node[64];

static bool has(enum cmb_controller which, const char *file)
{
	char name[64];

	return !cmb_find(which, file, name, sizeof(name));
}

/* The driver initializes its controllers asynchronously. */
static int load_nvme(void)
{
	static const char *const load[] = { "modprobe", "nvme", NULL };
	int64_t until = vt_now_ms() + BOUND_MS;
	int ret = vt_run(BOUND_MS, load);

	while (!ret && cmb_is_bound(CMB_LARGE, "nvme") &&
	       !has(CMB_LARGE, "nvme/nvme*/nvme*n1")) {
		usleep(10000);
		if (vt_now_ms() > until)
			ret = -ETIMEDOUT;
	}
	return ret;
}

static bool is_swapped_to(void)
{
	char swaps[4096] = "";
	int fd = open("/proc/swaps", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, swaps, sizeof(swaps) - 1);

	close(fd);
	return n > 0 && strstr(swaps, DEV "nvme");
}

static int cmb_prepare(void)
{
	enum cmb_controller which = CMB_LARGE;
	int ret;

	if (!cmb_node(CMB_LARGE, node, sizeof(node)) ||
	    !cmb_node(CMB_OLD, node, sizeof(node)))
		return 0;
	ret = load_nvme();
	if (!ret)
		ret = cmb_load();
	if (!ret && !has(which, "p2pmem")) {
		if (is_swapped_to())
			which = CMB_OLD;
		ret = cmb_bind(which, "peer_cmb");
	}
	return ret ? ret : cmb_node(which, node, sizeof(node));
}

static int cmb_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	int ret;

	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	mem->fd = open(node, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	ret = vt_mem_map(mem, mem->fd, 0, length, flags);
	if (ret)
		vt_mem_release(mem);
	return ret;
}

static int cmb_copy(struct vt_mem *mem, uint64_t offset, const void *buffer,
		    size_t length, bool write)
{
	int fd = open("/proc/self/mem", O_RDWR | O_CLOEXEC);
	off_t at = (uintptr_t)mem->addr + offset;
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (write)
		n = pwrite(fd, buffer, length, at);
	else
		n = pread(fd, (void *)buffer, length, at);
	close(fd);
	return n == (ssize_t)length ? 0 : -EIO;
}

static int cmb_read(struct vt_mem *mem, uint64_t offset, void *dst,
		    size_t length)
{
	return cmb_copy(mem, offset, dst, length, false);
}

static int cmb_write(struct vt_mem *mem, uint64_t offset, const void *src,
		     size_t length)
{
	return cmb_copy(mem, offset, src, length, true);
}

static int cmb_end(struct vt_mem *mem, unsigned long request)
{
	struct peer_bar_addr at = {
		.size = sizeof(at),
		.addr = (uintptr_t)mem->addr,
	};

	return ioctl(mem->fd, request, &at) ? -errno : 0;
}

static int cmb_destroy(struct vt_mem *mem)
{
	return cmb_end(mem, PEER_BAR_IOC_DESTROY);
}

static int cmb_revoke(struct vt_mem *mem)
{
	return cmb_end(mem, PEER_BAR_IOC_REVOKE);
}

const struct vt_mem_kind vt_mem_cmb = {
	.name = "cmb",
	.exporter = node + sizeof(DEV) - 1,
	.module = "peer_cmb",
	.node = node,
	.prepare = cmb_prepare,
	.alloc = cmb_alloc,
	.free = vt_mem_release,
	.read = cmb_read,
	.write = cmb_write,
	.destroy = cmb_destroy,
	.revoke = cmb_revoke,
};
