// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See buf.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../page_size.h"
#include "buf.h"
#include "pattern.h"
#include "raw.h"

static struct ibv_mr *reg_dmabuf(struct ibv_pd *pd, const struct vt_mem *mem,
				 uint64_t offset, uint64_t length,
				 uint64_t iova, int access)
{
	struct ibv_mr *mr = calloc(1, sizeof(*mr));
	int ret;

	if (!mr)
		return NULL;
	ret = vt_reg_dmabuf_mr(mr, pd, offset, length, iova, mem->dmabuf,
			       access);
	if (!ret)
		return mr;
	free(mr);
	errno = -ret;
	return NULL;
}

struct ibv_mr *vt_reg_mem(struct ibv_pd *pd, const struct vt_mem *mem,
			  uint64_t offset, uint64_t length, uint64_t iova,
			  int access)
{
	if (mem->dmabuf >= 0)
		return reg_dmabuf(pd, mem, offset, length, iova, access);
	return ibv_reg_mr_iova(pd, mem->addr + offset, length, iova, access);
}

int vt_dereg_mem(const struct vt_mem *mem, struct ibv_mr *mr)
{
	int ret;

	if (mem->dmabuf < 0)
		return -ibv_dereg_mr(mr);
	ret = vt_dereg_dmabuf_mr(mr);
	if (!ret)
		free(mr);
	return ret;
}

static int buf_register(struct vt_buf *buf, struct vt_dev *dev,
			const struct vt_buf_opts *opts)
{
	uint64_t start = (uintptr_t)buf->mem.addr + opts->skip;
	size_t length = buf->mem.length - opts->skip - opts->tail;
	int access = opts->access;
	uint64_t iova = start;

	if (opts->iova)
		iova = (opts->iova == ULLONG_MAX ? 0 : opts->iova) +
		       start % page_size();
	if (!access)
		access = buf->mem.dmabuf < 0 ? VT_ACCESS_ALL : VT_ACCESS_DMABUF;
	buf->iova = iova - opts->skip;
	buf->mr = vt_reg_mem(opts->pd ? opts->pd : dev->pd, &buf->mem,
			     opts->skip, length, iova, access);
	return buf->mr ? 0 : -errno;
}

int vt_buf_open(struct vt_buf *buf, struct vt_dev *dev,
		const struct vt_mem_kind *kind, size_t length,
		const struct vt_buf_opts *opts)
{
	static const struct vt_buf_opts none;
	int ret;

	memset(buf, 0, sizeof(*buf));
	ret = vt_mem_alloc(&buf->mem, kind, length, 0);
	if (ret)
		return ret;
	buf->shadow = calloc(1, length);
	ret = buf->shadow ? buf_register(buf, dev, opts ? opts : &none)
			  : -ENOMEM;
	if (ret)
		vt_buf_close(buf);
	return ret;
}

int vt_buf_close(struct vt_buf *buf)
{
	int ret = 0;

	if (buf->mr)
		ret = vt_dereg_mem(&buf->mem, buf->mr);
	vt_mem_free(&buf->mem);
	free(buf->shadow);
	memset(buf, 0, sizeof(*buf));
	return ret;
}

void vt_buf_fill(struct vt_buf *buf, uint64_t seed)
{
	vt_pattern_fill(buf->shadow, seed, 0, buf->mem.length);
	memcpy(buf->mem.addr, buf->shadow, buf->mem.length);
}

int vt_buf_fill_by_owner(struct vt_buf *buf, uint64_t seed)
{
	vt_pattern_fill(buf->shadow, seed, 0, buf->mem.length);
	return vt_mem_write(&buf->mem, 0, buf->shadow, buf->mem.length);
}

static int compare(const struct vt_buf *buf, const char *how,
		   const uint8_t *have, uint64_t offset, size_t length)
{
	const uint8_t *want = buf->shadow + offset;
	ssize_t at = vt_first_diff(have, want, length);

	if (at < 0)
		return 0;
	fprintf(stderr, "# %s, %s: byte %llu is %02x, not %02x\n",
		buf->mem.kind->name, how, (unsigned long long)(offset + at),
		have[at], want[at]);
	return -EILSEQ;
}

static int check_range(struct vt_buf *buf, uint64_t offset, size_t length)
{
	uint8_t *copy = malloc(length);
	int ret, owner;

	if (!copy)
		return -ENOMEM;
	ret = compare(buf, "mapping", buf->mem.addr + offset, offset, length);
	owner = vt_mem_read(&buf->mem, offset, copy, length);
	if (!owner)
		owner = compare(buf, "exporter", copy, offset, length);
	free(copy);
	return ret ? ret : owner;
}

int vt_buf_check(struct vt_buf *buf, uint64_t offset, size_t length)
{
	uint64_t page = page_size();
	uint64_t start = offset > page ? offset - page : 0;
	uint64_t end = offset + length + page;

	if (end > buf->mem.length)
		end = buf->mem.length;
	return check_range(buf, start, end - start);
}

int vt_buf_check_all(struct vt_buf *buf)
{
	return check_range(buf, 0, buf->mem.length);
}

struct ibv_sge vt_sge(const struct vt_buf *buf, uint64_t offset,
		      uint32_t length)
{
	return (struct ibv_sge){
		.addr = buf->iova + offset,
		.length = length,
		.lkey = buf->mr->lkey,
	};
}

struct vt_remote vt_remote(const struct vt_buf *buf, uint64_t offset)
{
	return (struct vt_remote){
		.addr = buf->iova + offset,
		.rkey = buf->mr->rkey,
	};
}
