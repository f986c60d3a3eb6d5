// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See revoked.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "proc.h"
#include "raw.h"
#include "revoked.h"

#define LENGTH 8

struct probe {
	struct vt_pair pair;
	struct vt_buf *dead;
	struct vt_buf host;
};

/* Operations of end 0. @dead is the memory of the responder, or (local) of end 0. */
static int remote_write(struct probe *p)
{
	struct ibv_sge sge = vt_sge(&p->host, 0, 100);

	return vt_rdma_write(&p->pair.end[0], &sge, 1, vt_remote(p->dead, 0));
}

static int remote_read(struct probe *p)
{
	struct ibv_sge sge = vt_sge(&p->host, 0, 100);

	return vt_rdma_read(&p->pair.end[0], &sge, 1, vt_remote(p->dead, 0));
}

static int remote_fetch_add(struct probe *p)
{
	struct ibv_sge sge = vt_sge(&p->host, 0, LENGTH);

	return vt_fetch_add(&p->pair.end[0], &sge, vt_remote(p->dead, 0), 1);
}

static int remote_cmp_swap(struct probe *p)
{
	struct ibv_sge sge = vt_sge(&p->host, 0, LENGTH);

	return vt_cmp_swap(&p->pair.end[0], &sge, vt_remote(p->dead, 8), 0, 1);
}

static int remote_atomic_write(struct probe *p)
{
	return vt_atomic_write(&p->pair.end[0], vt_remote(p->dead, 0), 1);
}

static int remote_flush(struct probe *p)
{
	return vt_flush(&p->pair.end[0], vt_remote(p->dead, 0), LENGTH,
			VT_FLUSH_GLOBAL);
}

static int local_send(struct probe *p)
{
	struct ibv_sge from = vt_sge(p->dead, 0, LENGTH);
	struct ibv_sge to = vt_sge(&p->host, 0, LENGTH);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_SEND, .sg_list = &from, .num_sge = 1,
	};
	int ret = vt_post_recv(&p->pair.end[1], &to, 1);

	return ret ? ret : vt_post_and_wait(&p->pair.end[0], &wr);
}

static int local_write(struct probe *p)
{
	struct ibv_sge sge = vt_sge(p->dead, 0, 5000);

	return vt_rdma_write(&p->pair.end[0], &sge, 1, vt_remote(&p->host, 0));
}

static int local_read(struct probe *p)
{
	struct ibv_sge sge = vt_sge(p->dead, 0, 5000);

	return vt_rdma_read(&p->pair.end[0], &sge, 1, vt_remote(&p->host, 0));
}

static int local_atomic_result(struct probe *p)
{
	struct ibv_sge sge = vt_sge(p->dead, 0, LENGTH);

	return vt_fetch_add(&p->pair.end[0], &sge, vt_remote(&p->host, 0), 1);
}

/* Return: the status of the sender. The receiver must report a local error. */
static int receive(struct probe *p)
{
	struct ibv_sge from = vt_sge(&p->host, 0, LENGTH);
	struct ibv_sge to = vt_sge(p->dead, 0, LENGTH);
	struct ibv_wc wc = { 0 };
	int status;

	status = vt_send_recv(&p->pair, &from, 1, &to, 1, &wc);
	if (wc.status != IBV_WC_LOC_PROT_ERR &&
	    wc.status != IBV_WC_LOC_QP_OP_ERR) {
		fprintf(stderr, "# receiver's status is %s\n",
			ibv_wc_status_str(wc.status));
		return -EPROTO;
	}
	return status;
}

#define STATUS(name) (1U << IBV_WC_##name)

/*
 * If the requester cannot read its own memory, Soft-RoCE may flush the request, and
 * LOC_PROT_ERR is lost. This is the same with host memory.
 */
#define NOT_READABLE (STATUS(LOC_PROT_ERR) | STATUS(WR_FLUSH_ERR))

static const struct {
	const char *name;
	int (*access)(struct probe *p);
	unsigned int want; /* any of these */
} accesses[] = {
	{ "remote WRITE", remote_write, STATUS(REM_ACCESS_ERR) },
	{ "remote READ", remote_read, STATUS(REM_ACCESS_ERR) },
	{ "remote FETCH_ADD", remote_fetch_add, STATUS(REM_ACCESS_ERR) },
	{ "remote CMP_SWAP", remote_cmp_swap, STATUS(REM_ACCESS_ERR) },
	{ "remote ATOMIC WRITE", remote_atomic_write, STATUS(REM_ACCESS_ERR) },
	{ "remote FLUSH", remote_flush, STATUS(REM_ACCESS_ERR) },
	{ "SEND from it", local_send, NOT_READABLE },
	{ "WRITE from it", local_write, NOT_READABLE },
	{ "READ into it", local_read, STATUS(LOC_PROT_ERR) },
	{ "atomic's result into it", local_atomic_result,
	  STATUS(LOC_PROT_ERR) },
	{ "RECV into it", receive, STATUS(REM_OP_ERR) },
};

static int count_wrong(struct probe *p, struct vt_dev *dev)
{
	int wrong = 0, status, ret;
	int64_t start, took;
	size_t i;

	for (i = 0; i < sizeof(accesses) / sizeof(accesses[0]); i++) {
		ret = vt_pair_open(&p->pair, dev, NULL);
		if (ret)
			return ret;
		start = vt_now_ms();
		status = accesses[i].access(p);
		took = vt_now_ms() - start;
		vt_pair_close(&p->pair);
		if (status >= 0 && 1U << status & accesses[i].want)
			continue;
		fprintf(stderr, "# %s: %d (%s) after %lld ms\n",
			accesses[i].name, status,
			status < 0 ? strerror(-status)
				   : ibv_wc_status_str(status),
			(long long)took);
		wrong++;
	}
	return wrong;
}

int vt_count_not_revoked(struct vt_dev *dev, struct vt_buf *dead)
{
	struct probe p = { .dead = dead };
	int ret;

	ret = vt_buf_open(&p.host, dev, &vt_mem_host, 8192, NULL);
	if (ret)
		return ret;
	vt_buf_fill(&p.host, 77);
	ret = count_wrong(&p, dev);
	vt_buf_close(&p.host);
	return ret;
}

int vt_keys_not_reused(struct vt_dev *dev, struct ibv_mr *mr, int rounds)
{
	static uint8_t byte;
	struct ibv_mr *other;
	int taken = 0;

	while (rounds-- && !taken) {
		other = ibv_reg_mr(dev->pd, &byte, 1, 0);
		if (!other)
			return -errno;
		taken = other->rkey == mr->rkey || other->lkey == mr->lkey ||
			other->rkey >> 8 == mr->rkey >> 8;
		ibv_dereg_mr(other);
	}
	return taken ? -EEXIST : 0;
}
