// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See node.h. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <infiniband/verbs.h>

#include "../lib/chardev.h"
#include "lib/mem_kind.h"
#include "node.h"
#include "options.h"

#define LOAD_TRIES 100

static char exporter[PEER_MEM_NAME_MAX];
static bool can_pin;

/* ---- bytes ---- */

static __thread sigjmp_buf no_memory;

static void on_sigbus(int signal)
{
	(void)signal;
	siglongjmp(no_memory, 1);
}

/* Return: 0, or -EFAULT if one of them raises SIGBUS. */
static int copy_or_fault(void *to, const void *from, size_t length)
{
	struct sigaction before, caught = { .sa_handler = on_sigbus };
	int ret = 0;

	sigaction(SIGBUS, &caught, &before);
	if (sigsetjmp(no_memory, 1))
		ret = -EFAULT;
	else
		memcpy(to, from, length);
	sigaction(SIGBUS, &before, NULL);
	return ret;
}

static int node_read(struct vt_mem *mem, uint64_t offset, void *dst,
		     size_t length)
{
	return copy_or_fault(dst, mem->addr + offset, length);
}

static int node_write(struct vt_mem *mem, uint64_t offset, const void *src,
		      size_t length)
{
	return copy_or_fault(mem->addr + offset, src, length);
}

/* ---- mappings ---- */

static int node_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	int ret;

	if (flags & VT_MEM_NO_EXPORT)
		return -EOPNOTSUPP;
	mem->fd = open(et_options.node, O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	ret = vt_mem_map(mem, mem->fd, et_options.offset, length, flags);
	if (ret)
		vt_mem_release(mem);
	return ret;
}

struct vt_mem_kind et_node = {
	.name = "node",
	.alloc = node_alloc,
	.free = vt_mem_release,
	.read = node_read,
	.write = node_write,
};

int et_node_map_at(void *addr, size_t length)
{
	int fd = open(et_options.node, O_RDWR | O_CLOEXEC);
	void *there;

	if (fd < 0)
		return -errno;
	there = mmap(addr, length, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_FIXED, fd, et_options.offset);
	close(fd);
	return there == addr ? 0 : -errno;
}

int et_node_wait(void)
{
	struct vt_mem mem;
	int tries, ret;

	for (tries = 0; tries < LOAD_TRIES; tries++) {
		ret = vt_mem_alloc(&mem, &et_node, et_options.size, 0);
		if (!ret) {
			vt_mem_free(&mem);
			return 0;
		}
		usleep(100000);
	}
	return ret;
}

/* ---- the exporter ---- */

int et_query(const void *addr, size_t length, struct peer_mem_query *query)
{
	int fd = chardev_open();
	int ret;

	if (fd < 0)
		return -errno;
	*query = new_query(addr, length,
			   IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE);
	ret = -chardev_call(fd, PEER_MEM_IOC_QUERY, query);
	close(fd);
	return ret;
}

static int fail(int ret, const char *what, const char *name)
{
	fprintf(stderr, "peermem-exporter-test: %s %s: %s\n", what, name,
		strerror(-ret));
	return ret;
}

int et_node_probe(void)
{
	struct peer_mem_query query;
	struct vt_mem mem;
	int ret;

	ret = vt_mem_alloc(&mem, &et_node, et_options.size, 0);
	if (ret)
		return fail(ret, "cannot map", et_options.node);
	ret = et_query(mem.addr, mem.length, &query);
	vt_mem_free(&mem);
	if (ret)
		return fail(ret, "/dev/peer_mem cannot query the memory for",
			    chardev_rdma_device());
	if (!query.exporter[0])
		return fail(-ENXIO, "no exporter claims the memory of",
			    et_options.node);
	strcpy(exporter, et_options.exporter ?: query.exporter);
	et_node.exporter = exporter;
	can_pin = query.pinned.status != PEER_MEM_NO_PIN;
	printf("# %s: exporter %s, %zu bytes%s\n", et_options.node,
	       query.exporter, et_options.size,
	       can_pin ? "" : ", does not pin");
	return 0;
}

bool et_node_can_pin(void)
{
	return can_pin;
}
