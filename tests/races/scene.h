/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What every race needs: two buffers, an operation that is held in the kernel,
 * and something that must wait for it. Functions return 0 or -errno.
 */
#ifndef SCENE_H
#define SCENE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/buf.h"

#define SIZE (64 * 1024)
#define LENGTH 20000

/* @local: pinned host memory; @odp: the on-demand MR */
struct scene {
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_buf odp;
};

int scene_open(struct scene *scene, const struct vt_mem_kind *kind);
int scene_close(struct scene *scene);

enum kind {
	READ,		/* from the on-demand buffer, by its responder */
	WRITE,		/* into it */
	WRITE_FROM,	/* out of it, by its requester */
};

/* Moves LENGTH bytes. Return: the completion's status or -errno. */
int operate(struct scene *scene, enum kind kind);

/* Was what was read, or sent, that what is in the on-demand buffer now? */
int check_read(struct scene *scene);
/* Is what was written there? */
int check_written(struct scene *scene);

/* An operation in a thread of its own. */
struct operation {
	pthread_t thread;
	struct scene *scene;
	enum kind kind;
	int status;
};

/* Starts it and waits until the kernel holds it at @point. */
int operation_start(struct operation *op, struct scene *scene, enum kind kind,
		    const char *point);
/* Return: as operate(). */
int operation_end(struct operation *op);

/* Something that has to wait for what is held, in a thread of its own. */
struct ending {
	pthread_t thread;
	struct scene *scene;
	int (*end)(struct scene *scene);
	atomic_int tid;
	atomic_bool go;
	int ret;
};

/* Makes the thread: its stack needs mmap_lock, which may be held later. */
int ending_prepare(struct ending *ending, struct scene *scene,
		   int (*end)(struct scene *scene));
/* Lets it begin; returns when it waits in the kernel, and keeps waiting. */
int ending_start(struct ending *ending);
int ending_finish(struct ending *ending);

#endif
