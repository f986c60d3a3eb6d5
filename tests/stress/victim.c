// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memory to which access ends under traffic: a BO that is destroyed, revoked or
 * unmapped. Operations in progress succeed, or fail with the error of a revoked
 * MR. Later operations fail. It has its own queue pairs: others must not
 * notice.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "lib/proc.h"
#include "stress.h"

#define DEPTH 8
#define LENGTH 8192
#define STATUS(name) (1U << IBV_WC_##name)

enum end { DESTROY, REVOKE, UNMAP, ENDS };

int victim_open(struct victim *v, struct vt_dev *dev)
{
	struct vt_pair_opts opts = { .timeout = 20 };
	int ret;

	v->dev = dev;
	ret = vt_pair_open(&v->pair, dev, &opts);
	if (!ret)
		ret = vt_buf_open(&v->source, dev, &vt_mem_host, BO_SIZE, NULL);
	return ret;
}

void victim_close(struct victim *v)
{
	vt_pair_close(&v->pair);
	vt_buf_close(&v->source);
}

/*
 * Odd operations read, even ones write; the victim is the remote or local
 * buffer.
 */
static int post(struct victim *v, int i)
{
	uint64_t at = i * LENGTH % BO_SIZE;
	struct ibv_sge sge = vt_sge(v->local ? &v->buf : &v->source, at, LENGTH);
	struct vt_remote remote = vt_remote(v->local ? &v->source : &v->buf, at);
	struct ibv_send_wr wr = {
		.opcode = i & 1 ? IBV_WR_RDMA_READ : IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { remote.addr, remote.rkey },
	};

	return vt_post_send(&v->pair.end[0], &wr);
}

/* Maps PROT_NONE there, so that no other memory appears at the address. */
static int unmap(struct victim *v)
{
	return mmap(v->buf.mem.addr, BO_SIZE, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE,
		    -1, 0) == MAP_FAILED ? -errno : 0;
}

static int end_access(struct victim *v, struct counters *counters)
{
	switch (v->end) {
	case DESTROY:
		atomic_fetch_add(&counters->destroyed, 1);
		return vt_mem_destroy(&v->buf.mem);
	case REVOKE:
		atomic_fetch_add(&counters->revoked, 1);
		return vt_mem_revoke(&v->buf.mem);
	default:
		atomic_fetch_add(&counters->unmapped, 1);
		return unmap(v);
	}
}

int victim_start(struct victim *v, uint64_t random, struct counters *counters)
{
	struct vt_buf_opts opts = {
		.access = VT_ACCESS_ALL |
			  (random & 1 ? IBV_ACCESS_ON_DEMAND : 0),
	};
	struct ibv_sge sge;
	int ret;

	v->local = random & 2;
	v->end = random / 4 % ENDS;
	ret = vt_buf_open(&v->buf, v->dev, &vt_mem_vram_named, BO_SIZE, &opts);
	if (ret)
		return ret;
	/* An on-demand MR has nothing to revoke before its first access. */
	sge = vt_sge(&v->source, 0, 8);
	ret = vt_rdma_write(&v->pair.end[0], &sge, 1, vt_remote(&v->buf, 0));
	for (v->posted = 0; v->posted < DEPTH && !ret; v->posted++)
		ret = post(v, v->posted);
	return ret ? ret : end_access(v, counters);
}

/* Soft-RoCE sometimes loses the reason of a local error; see docs/errors.md. */
static unsigned int error_statuses(struct victim *v)
{
	return v->local ? STATUS(LOC_PROT_ERR) | STATUS(WR_FLUSH_ERR) :
			  STATUS(REM_ACCESS_ERR);
}

static int expect(struct victim *v, unsigned int statuses)
{
	struct ibv_wc wc;
	int ret = vt_wait(&v->pair.end[0], &wc, WAIT_MS);

	if (ret || statuses & 1U << wc.status)
		return ret;
	fprintf(stderr, "# %s memory %s: completed with \"%s\"\n",
		v->local ? "local" : "remote", v->end == DESTROY ? "destroyed" :
		v->end == REVOKE ? "revoked" : "unmapped",
		ibv_wc_status_str(wc.status));
	return -EPROTO;
}

int victim_finish(struct victim *v, struct counters *counters)
{
	int ret = 0;

	while (v->posted && !ret) {
		ret = expect(v, STATUS(SUCCESS) | STATUS(WR_FLUSH_ERR) |
				error_statuses(v));
		v->posted--;
	}
	if (!ret)
		ret = vt_pair_renew(&v->pair);
	if (!ret)
		ret = post(v, 0);
	if (!ret)
		ret = expect(v, error_statuses(v));
	atomic_fetch_add(&counters->refused, !ret);
	if (!ret)
		ret = vt_buf_close(&v->buf);
	return ret ? ret : vt_pair_renew(&v->pair);
}
