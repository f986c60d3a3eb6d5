// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See world.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/pattern.h"
#include "world.h"

/* Of one operation: three packets, and over a border of pages. */
#define PIECE 2500UL

int world_open(struct world *w)
{
	/* On a slow machine answers are late, and Soft-RoCE asks again too soon. */
	struct vt_pair_opts opts = { .timeout = 18 };
	int ret = vt_mem_prepare(w->kind);

	if (!w->length)
		w->length = SIZE;
	if (!ret)
		ret = vt_dev_open(&w->dev);
	if (!ret)
		ret = vt_pair_open(&w->pair, &w->dev, &opts);
	if (!ret)
		ret = vt_buf_open(&w->other, &w->dev, &vt_mem_host, SIZE, NULL);
	return ret;
}

int world_close(struct world *w)
{
	int ret = vt_buf_close(&w->other);

	vt_pair_close(&w->pair);
	vt_dev_close(&w->dev);
	return ret;
}

int world_alloc(struct world *w)
{
	uint8_t bytes[PIECE];
	int ret = vt_mem_alloc(&w->mem, w->kind, w->length, 0);

	vt_pattern_fill(bytes, ++w->seed, 0, sizeof(bytes));
	return ret ? ret : vt_mem_write(&w->mem, 0, bytes, sizeof(bytes));
}

void world_free(struct world *w)
{
	vt_mem_free(&w->mem);
}

int world_register(struct world *w)
{
	if (w->implicit)
		w->mr = ibv_reg_mr(w->dev.pd, NULL, SIZE_MAX, w->access);
	else
		w->mr = vt_reg_mem(w->dev.pd, &w->mem, 0, w->length,
				   (uintptr_t)w->mem.addr, w->access);
	return w->mr ? 0 : -errno;
}

int world_deregister(struct world *w)
{
	int ret = w->mr ? vt_dereg_mem(&w->mem, w->mr) : 0;

	if (!ret)
		w->mr = NULL;
	return ret;
}

int world_make(struct world *w)
{
	int ret = world_alloc(w);

	return ret ? ret : world_register(w);
}

int world_unmake(struct world *w)
{
	int ret = world_deregister(w);

	world_free(w);
	return ret;
}

struct ibv_sge world_sge(struct world *w, uint64_t offset, uint32_t length)
{
	return (struct ibv_sge){
		.addr = (uintptr_t)w->mem.addr + offset,
		.length = length,
		.lkey = w->mr->lkey,
	};
}

struct vt_remote world_at(struct world *w, uint64_t offset)
{
	return (struct vt_remote){
		.addr = (uintptr_t)w->mem.addr + offset,
		.rkey = w->mr->rkey,
	};
}

static int wrong(const char *what, int status)
{
	fprintf(stderr, "# %s: %d (%s)\n", what, status,
		status < 0 ? strerror(-status) : ibv_wc_status_str(status));
	return -EPROTO;
}

static int compare(struct world *w, const char *what, uint64_t offset,
		   const uint8_t *want)
{
	uint8_t have[PIECE];
	ssize_t at;
	int ret = vt_mem_read(&w->mem, offset, have, PIECE);

	if (ret)
		return ret;
	at = vt_first_diff(have, want, PIECE);
	if (at < 0)
		return 0;
	fprintf(stderr, "# %s, at %llu: byte %zd is %02x, not %02x\n", what,
		(unsigned long long)offset, at, have[at], want[at]);
	return -EILSEQ;
}

static int write_piece(struct world *w, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, PIECE);
	int status;

	vt_pattern_fill(w->other.mem.addr, ++w->seed, 0, PIECE);
	status = vt_rdma_write(&w->pair.end[0], &sge, 1, world_at(w, offset));
	if (status)
		return wrong("WRITE", status);
	return compare(w, "WRITE", offset, w->other.mem.addr);
}

static int read_piece(struct world *w, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&w->other, 2 * PAGE, PIECE);
	int status;

	memset(w->other.mem.addr + 2 * PAGE, 0x5a, PIECE);
	status = vt_rdma_read(&w->pair.end[0], &sge, 1, world_at(w, offset));
	if (status)
		return wrong("READ", status);
	return compare(w, "READ", offset, w->other.mem.addr + 2 * PAGE);
}

int world_use(struct world *w)
{
	int ret = write_piece(w, 2 * PAGE - 1000);

	return ret ? ret : read_piece(w, w->length - PIECE);
}

int world_read(struct world *w)
{
	return read_piece(w, 0);
}

int world_refused(struct world *w, uint64_t offset, bool write)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int status;

	if (write)
		status = vt_rdma_write(&w->pair.end[0], &sge, 1,
				       world_at(w, offset));
	else
		status = vt_rdma_read(&w->pair.end[0], &sge, 1,
				      world_at(w, offset));
	if (status != IBV_WC_REM_ACCESS_ERR)
		return wrong("access to what is gone", status);
	return vt_pair_renew(&w->pair);
}
