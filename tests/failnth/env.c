// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See env.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../page_size.h"
#include "lib/pattern.h"
#include "env.h"

/* Length of an operation: three packets, across a page boundary. */
#define PIECE 2500UL

int env_open(struct env *w)
{
	/*
	 * On a slow machine responses are late, and Soft-RoCE would retransmit
	 * too early.
	 */
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

int env_close(struct env *w)
{
	int ret = vt_buf_close(&w->other);

	vt_pair_close(&w->pair);
	vt_dev_close(&w->dev);
	return ret;
}

int env_alloc(struct env *w)
{
	uint8_t bytes[PIECE];
	int ret = vt_mem_alloc(&w->mem, w->kind, w->length, 0);

	vt_pattern_fill(bytes, ++w->seed, 0, sizeof(bytes));
	return ret ? ret : vt_mem_write(&w->mem, 0, bytes, sizeof(bytes));
}

void env_free(struct env *w)
{
	vt_mem_free(&w->mem);
}

int env_register(struct env *w)
{
	if (w->implicit)
		w->mr = ibv_reg_mr(w->dev.pd, NULL, SIZE_MAX, w->access);
	else
		w->mr = vt_reg_mem(w->dev.pd, &w->mem, 0, w->length,
				   (uintptr_t)w->mem.addr, w->access);
	return w->mr ? 0 : -errno;
}

int env_deregister(struct env *w)
{
	int ret = w->mr ? vt_dereg_mem(&w->mem, w->mr) : 0;

	if (!ret)
		w->mr = NULL;
	return ret;
}

int env_create(struct env *w)
{
	int ret = env_alloc(w);

	return ret ? ret : env_register(w);
}

int env_destroy(struct env *w)
{
	int ret = env_deregister(w);

	env_free(w);
	return ret;
}

struct ibv_sge env_sge(struct env *w, uint64_t offset, uint32_t length)
{
	return (struct ibv_sge){
		.addr = (uintptr_t)w->mem.addr + offset,
		.length = length,
		.lkey = w->mr->lkey,
	};
}

struct vt_remote env_remote(struct env *w, uint64_t offset)
{
	return (struct vt_remote){
		.addr = (uintptr_t)w->mem.addr + offset,
		.rkey = w->mr->rkey,
	};
}

static int unexpected(const char *what, int status)
{
	fprintf(stderr, "# %s: %d (%s)\n", what, status,
		status < 0 ? strerror(-status) : ibv_wc_status_str(status));
	return -EPROTO;
}

static int compare(struct env *w, const char *what, uint64_t offset,
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
	fprintf(stderr, "# %s, at %llu: byte %zd is %02x, want %02x\n", what,
		(unsigned long long)offset, at, have[at], want[at]);
	return -EILSEQ;
}

static int write_piece(struct env *w, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, PIECE);
	int status;

	vt_pattern_fill(w->other.mem.addr, ++w->seed, 0, PIECE);
	status = vt_rdma_write(&w->pair.end[0], &sge, 1, env_remote(w, offset));
	if (status)
		return unexpected("WRITE", status);
	return compare(w, "WRITE", offset, w->other.mem.addr);
}

static int read_piece(struct env *w, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&w->other, 2 * page_size(), PIECE);
	int status;

	memset(w->other.mem.addr + 2 * page_size(), 0x5a, PIECE);
	status = vt_rdma_read(&w->pair.end[0], &sge, 1, env_remote(w, offset));
	if (status)
		return unexpected("READ", status);
	return compare(w, "READ", offset, w->other.mem.addr + 2 * page_size());
}

int env_check_access(struct env *w)
{
	int ret = write_piece(w, 2 * page_size() - 1000);

	return ret ? ret : read_piece(w, w->length - PIECE);
}

int env_check_read(struct env *w)
{
	return read_piece(w, 0);
}

int env_check_denied(struct env *w, uint64_t offset, bool write)
{
	struct ibv_sge sge = vt_sge(&w->other, 0, 8);
	int status;

	if (write)
		status = vt_rdma_write(&w->pair.end[0], &sge, 1,
				       env_remote(w, offset));
	else
		status = vt_rdma_read(&w->pair.end[0], &sge, 1,
				      env_remote(w, offset));
	if (status != IBV_WC_REM_ACCESS_ERR)
		return unexpected("access to revoked memory", status);
	return vt_pair_renew(&w->pair);
}
