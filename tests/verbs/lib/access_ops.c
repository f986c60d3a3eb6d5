// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See access_ops.h. */
#include <string.h>
#include <unistd.h>

#include "access_ops.h"
#include "copy.h"
#include "proc.h"
#include "raw.h"

/* The caller has updated the shadow of the destination. */
static int check(struct vt_buf *to, uint64_t offset, uint32_t length, int ret)
{
	return ret ? ret : vt_buf_check(to, offset, length);
}

/* ---- on the responder's side ---- */

static int write_to(struct vt_link *link, const struct vt_part *part)
{
	return check(&link->there, part->there, part->length,
		     vt_copy_by_write(&link->pair, &link->there, part->there,
				      &link->here, part->here, part->length));
}

static int read_from(struct vt_link *link, const struct vt_part *part)
{
	return check(&link->here, part->here, part->length,
		     vt_copy_by_read(&link->pair, &link->here, part->here,
				     &link->there, part->there, part->length));
}

static int receive_into(struct vt_link *link, const struct vt_part *part)
{
	return check(&link->there, part->there, part->length,
		     vt_copy_by_send(&link->pair, &link->there, part->there,
				     &link->here, part->here, part->length));
}

static int fetch_add_to(struct vt_link *link, const struct vt_part *part)
{
	struct ibv_sge result = vt_sge(&link->here, 0, 8);
	uint64_t at = part->there & ~7ULL;
	uint64_t *word = (uint64_t *)(link->there.shadow + at);
	int ret = vt_fetch_add(&link->pair.end[0], &result,
			       vt_remote(&link->there, at), 3);

	memcpy(link->here.shadow, word, 8);
	*word += 3;
	ret = check(&link->there, at, 8, ret);
	return check(&link->here, 0, 8, ret);
}

static int atomic_write_to(struct vt_link *link, const struct vt_part *part)
{
	uint64_t value = 0x0123456789abcdefULL + part->here;
	uint64_t at = part->there & ~7ULL;

	memcpy(link->there.shadow + at, &value, sizeof(value));
	return check(&link->there, at, 8,
		     vt_atomic_write(&link->pair.end[0],
				     vt_remote(&link->there, at), value));
}

/* FLUSH needs no pages, but it is queued after a WRITE that does. */
static int flush_after_write(struct vt_link *link, const struct vt_part *part)
{
	struct vt_end *end = &link->pair.end[0];
	struct vt_remote to = vt_remote(&link->there, part->there);
	struct ibv_sge sge = vt_sge(&link->here, part->here, part->length);
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_WRITE,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { to.addr, to.rkey },
	};
	struct ibv_wc wc = { 0 };
	int ret = vt_post_send(end, &wr);

	/* vt_flush() gets the completion of the WRITE, vt_wait() that of the FLUSH. */
	if (!ret)
		ret = vt_flush(end, to, part->length, VT_FLUSH_GLOBAL);
	if (!ret)
		ret = vt_wait(end, &wc, VT_TIMEOUT_MS);
	if (!ret)
		ret = wc.status;
	memcpy(link->there.shadow + part->there,
	       link->here.shadow + part->here, part->length);
	return check(&link->there, part->there, part->length, ret);
}

/* ---- on the requester's side ---- */

static int write_from(struct vt_link *link, const struct vt_part *part)
{
	return check(&link->here, part->here, part->length,
		     vt_copy_by_write(&link->pair, &link->here, part->here,
				      &link->there, part->there, part->length));
}

static int read_to(struct vt_link *link, const struct vt_part *part)
{
	return check(&link->there, part->there, part->length,
		     vt_copy_by_read(&link->pair, &link->there, part->there,
				     &link->here, part->here, part->length));
}

#define ACCESS_OP(function)	{ .name = #function, .run = function }

const struct vt_access_op vt_access_ops[VT_NUM_ACCESS_OPS + 1] = {
	ACCESS_OP(write_to), ACCESS_OP(read_from), ACCESS_OP(fetch_add_to),
	ACCESS_OP(atomic_write_to), ACCESS_OP(flush_after_write), ACCESS_OP(write_from),
	ACCESS_OP(read_to),
	{ .name = "receive_into", .run = receive_into, .srq = true },
};

/* ---- in threads ---- */

static void *access_run(void *arg)
{
	struct vt_access_run *run = arg;
	int64_t start = vt_now_ms();

	run->status = run->op->run(run->link, &run->part);
	run->took_ms = vt_now_ms() - start;
	atomic_store(&run->done, true);
	return NULL;
}

int vt_access_start(struct vt_access_run *run)
{
	atomic_store(&run->done, false);
	return -pthread_create(&run->thread, NULL, access_run, run);
}

bool vt_access_done(struct vt_access_run *run, int timeout_ms)
{
	int64_t until = vt_now_ms() + timeout_ms;

	while (!atomic_load(&run->done) && vt_now_ms() < until)
		usleep(5000);
	return atomic_load(&run->done);
}

int vt_access_end(struct vt_access_run *run)
{
	pthread_join(run->thread, NULL);
	return run->status;
}
