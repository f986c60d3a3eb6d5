// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See example.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "example.h"
#include "lib/mem_kind.h"
#include "lib/proc.h"

static int example_prepare(void)
{
	const char *ko = getenv("PEERMEM_EXAMPLE");
	const char *const load[] = { "insmod", ko, NULL };

	if (vt_module_is_loaded("peer_example"))
		return 0;
	return ko ? vt_run(20000, load) : -ENOENT;
}

static int example_alloc(struct vt_mem *mem, size_t length, unsigned int flags)
{
	mem->fd = open("/dev/peer_example", O_RDWR | O_CLOEXEC);
	if (mem->fd < 0)
		return -errno;
	return vt_mem_map(mem, mem->fd, 0, length, flags);
}

/* It has no other way to its bytes than the mapping. */
static int example_read(struct vt_mem *mem, uint64_t offset, void *dst,
			size_t length)
{
	memcpy(dst, mem->addr + offset, length);
	return 0;
}

static int example_write(struct vt_mem *mem, uint64_t offset, const void *src,
			 size_t length)
{
	memcpy(mem->addr + offset, src, length);
	return 0;
}

/* One place is as good as another. */
static int example_move(struct vt_mem *mem, bool home)
{
	return write(mem->fd, "move", 4) < 0 ? -errno : 0;
}

const struct vt_mem_kind vt_mem_example = {
	.name = "example",
	.exporter = "peer_example",
	.module = "peer_example",
	.prepare = example_prepare,
	.alloc = example_alloc,
	.free = vt_mem_release,
	.read = example_read,
	.write = example_write,
	.move = example_move,
};
