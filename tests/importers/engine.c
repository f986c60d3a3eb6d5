// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See engine.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "engine.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define NODE "/dev/edu_rdma"

int en_load(void)
{
	if (vt_module_is_loaded("edu_rdma"))
		return 0;
	return vt_insmod_test("edu/edu_rdma.ko", NULL);
}

int en_set_bridges(const char *list)
{
	return vt_write_file("/sys/module/ib_peer_mem/parameters/p2p_bridges",
			     list);
}

int en_open(void)
{
	int fd = open(NODE, O_RDWR | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int en_access(int engine, enum edu_rdma_device device, uint32_t key,
	      uint64_t addr, void *buffer, uint64_t length, uint32_t flags)
{
	struct edu_rdma_access access = {
		.device = device,
		.key = key,
		.flags = flags,
		.addr = addr,
		.buffer = (uintptr_t)buffer,
		.length = length,
	};

	return ioctl(engine, EDU_RDMA_ACCESS, &access) ? -errno : 0;
}

int en_stats(int engine, enum edu_rdma_device device,
	     struct edu_rdma_stats *stats)
{
	stats->device = device;
	return ioctl(engine, EDU_RDMA_STATS, stats) ? -errno : 0;
}

/* ---- buffers ---- */

int en_buf_register(struct en_buf *b)
{
	struct vt_mem *mem = &b->buf.mem;
	int ret;

	b->buf.iova = (uintptr_t)mem->addr;
	ret = im_reg_mem(&b->dev, &b->mr, mem, 0, mem->length, b->buf.iova,
			 IM_ACCESS_ALL);
	if (ret)
		b->mr.dev = NULL;
	return ret;
}

int en_buf_deregister(struct en_buf *b)
{
	int ret = b->mr.dev ? im_dereg_mr(&b->mr) : 0;

	if (!ret)
		b->mr.dev = NULL;
	return ret;
}

static int buf_fill(struct en_buf *b, const struct vt_mem_kind *kind,
		    size_t length)
{
	int ret = vt_mem_alloc(&b->buf.mem, kind, length, 0);

	if (ret)
		return ret;
	b->buf.shadow = malloc(length);
	if (!b->buf.shadow)
		return -ENOMEM;
	vt_buf_fill(&b->buf, 1);
	return 0;
}

int en_buf_prepare(struct en_buf *b, enum edu_rdma_device device, enum im_abi abi,
		   const struct vt_mem_kind *kind, size_t length)
{
	char name[8];
	int ret;

	memset(b, 0, sizeof(*b));
	b->device = device;
	b->engine = en_open();
	if (b->engine < 0)
		return b->engine;
	snprintf(name, sizeof(name), "edu%d", device);
	ret = im_open(&b->dev, name, abi);
	if (ret) {
		close(b->engine);
		return ret;
	}
	ret = buf_fill(b, kind, length);
	if (ret)
		en_buf_close(b);
	return ret;
}

int en_buf_open(struct en_buf *b, enum edu_rdma_device device, enum im_abi abi,
		const struct vt_mem_kind *kind, size_t length)
{
	int ret = en_buf_prepare(b, device, abi, kind, length);

	if (ret)
		return ret;
	ret = en_buf_register(b);
	if (ret)
		en_buf_close(b);
	return ret;
}

int en_buf_close(struct en_buf *b)
{
	int ret = en_buf_deregister(b);

	vt_buf_close(&b->buf);
	im_close(&b->dev);
	close(b->engine);
	return ret;
}

int en_buf_write(struct en_buf *b, uint64_t offset, size_t length, uint64_t seed)
{
	uint8_t *data = malloc(length);
	int ret;

	if (!data)
		return -ENOMEM;
	vt_pattern_fill(data, seed, offset, length);
	ret = en_access(b->engine, b->device, b->mr.rkey,
			b->buf.iova + offset, data, length, EDU_RDMA_WRITE);
	if (!ret)
		memcpy(b->buf.shadow + offset, data, length);
	free(data);
	return ret;
}

int en_buf_read(struct en_buf *b, uint64_t offset, size_t length)
{
	uint8_t *data = malloc(length);
	size_t i;
	int ret;

	if (!data)
		return -ENOMEM;
	/* Bytes that the engine does not store must differ from the shadow. */
	for (i = 0; i < length; i++)
		data[i] = ~b->buf.shadow[offset + i];
	ret = en_access(b->engine, b->device, b->mr.rkey,
			b->buf.iova + offset, data, length, 0);
	if (!ret && vt_first_diff(data, b->buf.shadow + offset, length) >= 0)
		ret = -EILSEQ;
	free(data);
	return ret;
}
