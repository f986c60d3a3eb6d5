/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The RDMA operations that access registered memory, on the responder's and on
 * the requester's side, and helpers that run them in threads.
 */
#ifndef VT_ACCESS_OPS_H
#define VT_ACCESS_OPS_H

#include <pthread.h>
#include <stdatomic.h>

#include "link.h"

/*
 * Offsets into the two buffers of a link. Atomic operations use the aligned 8-byte
 * word that contains @there.
 */
struct vt_part {
	uint64_t here;
	uint64_t there;
	uint32_t length;
};

/**
 * struct vt_access_op - an operation that accesses link->there
 * @name: for messages; NULL ends the array of operations
 * @srq:  the pair must have an SRQ
 * @run:  does the operation on the memory and on the shadows, then compares the
 *        destination. Returns the status of the completion, -EILSEQ, or -errno
 */
struct vt_access_op {
	const char *name;
	bool srq;
	int (*run)(struct vt_link *link, const struct vt_part *part);
};

#define VT_NUM_ACCESS_OPS 8

/* The entry after the last operation has no name. */
extern const struct vt_access_op vt_access_ops[VT_NUM_ACCESS_OPS + 1];

/* An operation that runs in its own thread. */
struct vt_access_run {
	const struct vt_access_op *op;
	struct vt_link *link;
	struct vt_part part;
	pthread_t thread;
	atomic_bool done;
	int status;
	int64_t took_ms;
};

/* The caller sets op, link and part of @run. Return: 0 or -errno. */
int vt_access_start(struct vt_access_run *run);
/* Return: true if the operation has ended within @timeout_ms. */
bool vt_access_done(struct vt_access_run *run, int timeout_ms);
/* Waits for the operation. Return: what the operation returned. */
int vt_access_end(struct vt_access_run *run);

#endif
