/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Common parts of the race tests: two connected buffers, an RDMA operation that
 * the kernel holds, and a call that must block. Functions return 0 or -errno.
 */
#ifndef RACE_H
#define RACE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/link.h"

#define SIZE (64 * 1024)
#define LENGTH 20000

/*
 * Opens a link with a pinned local buffer and an on-demand remote buffer.
 * vt_link_close() closes it.
 */
int race_open(struct vt_link *link, const struct vt_mem_kind *kind);

/*
 * Opens a second link with its own queue pair and local buffer, to the same
 * remote buffer. It is needed while an operation of the first link is held: the
 * responder has sent RNR NAK to the requester of that operation, and the
 * operation can complete as soon as the second link has faulted in the pages.
 */
int race_open_second(struct vt_link *second, const struct vt_link *link);
void race_close_second(struct vt_link *second);

/*
 * Removes the memory: unmaps it, or maps another buffer of the same kind there.
 */
int race_unmap(struct vt_mem *mem);
int race_replace(struct vt_mem *mem);

enum kind {
	READ,		/* reads the on-demand buffer, through its responder */
	WRITE,		/* writes the on-demand buffer, through its responder */
	WRITE_FROM,	/* sends the on-demand buffer, through its requester */
};

/* Transfers LENGTH bytes. Return: the completion's status or -errno. */
int run_operation(struct vt_link *link, enum kind kind);

/* Checks that the data read, or sent, is what the on-demand buffer contains. */
int check_read(struct vt_link *link);
/* Checks that the on-demand buffer contains the data written. */
int check_written(struct vt_link *link);

/* An RDMA operation that runs in its own thread. */
struct operation {
	pthread_t thread;
	struct vt_link *link;
	enum kind kind;
	int status;
};

/* Starts the operation and waits until the kernel holds it at @point. */
int operation_start(struct operation *op, struct vt_link *link, enum kind kind,
		    const char *point);
/* Return: as run_operation(). */
int operation_end(struct operation *op);

/*
 * Forks a process that calls @run and reaches @point. Kills it there, then
 * releases the hold point. Return: 0 if the process died by SIGKILL, -errno, or
 * its exit status.
 */
int kill_at(const char *point, void (*run)(const struct vt_mem_kind *kind),
	    const struct vt_mem_kind *kind);

/* A call that runs in its own thread and must block on the held thread. */
struct blocked_call {
	pthread_t thread;
	struct vt_link *link;
	int (*call)(struct vt_link *link);
	atomic_int tid;
	atomic_bool go;
	int ret;
};

/*
 * Creates the thread. Create it early: its stack needs mmap_lock, which another
 * thread may hold later.
 */
int blocked_call_prepare(struct blocked_call *blocked, struct vt_link *link,
			 int (*call)(struct vt_link *link));
/*
 * Starts the call. Returns when the thread stays blocked in the kernel (state
 * D).
 */
int blocked_call_start(struct blocked_call *blocked);
int blocked_call_finish(struct blocked_call *blocked);

#endif
