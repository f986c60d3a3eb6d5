/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Every way in which an RDMA operation accesses memory, on the responder's and on the
 * requester's side, and such operations in threads of their own.
 */
#ifndef VT_ACCESS_OPS_H
#define VT_ACCESS_OPS_H

#include <pthread.h>
#include <stdatomic.h>

#include "link.h"

/* Bytes of a link's two buffers. Operations on 8 bytes use the word at @there. */
struct vt_part {
	uint64_t here;
	uint64_t there;
	uint32_t length;
};

/**
 * struct vt_access_op - an operation that accesses link->there
 * @srq: needs a pair with an SRQ
 * @run: does it, and the same to the shadows, and compares the bytes at its
 *       destination. Return: the completion's status, -EILSEQ, or -errno.
 */
struct vt_access_op {
	const char *name;
	bool srq;
	int (*run)(struct vt_link *link, const struct vt_part *part);
};

#define VT_NUM_ACCESS_OPS 8

/* Behind the last one is one without a name. */
extern const struct vt_access_op vt_access_ops[VT_NUM_ACCESS_OPS + 1];

/* An operation in a thread of its own. */
struct vt_access_run {
	const struct vt_access_op *op;
	struct vt_link *link;
	struct vt_part part;
	pthread_t thread;
	atomic_bool done;
	int status;
	int64_t took_ms;
};

/* @run: op, link and part are set. Return: 0 or -errno. */
int vt_access_start(struct vt_access_run *run);
/* Has it ended within that time? */
bool vt_access_done(struct vt_access_run *run, int timeout_ms);
/* Waits for its end. Return: as the operation. */
int vt_access_end(struct vt_access_run *run);

#endif
