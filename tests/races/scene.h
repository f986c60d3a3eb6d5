/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What every race needs: two buffers, an operation that is held in the kernel,
 * and something that must wait for it. Functions return 0 or -errno.
 */
#ifndef SCENE_H
#define SCENE_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/link.h"

#define SIZE (64 * 1024)
#define LENGTH 20000

/* Pinned here, on demand there; close it by vt_link_close(). */
int scene_open(struct vt_link *scene, const struct vt_mem_kind *kind);

/*
 * Queue pair and buffer of its own here, the same buffer there: while the scene's own
 * operation is held, its peer tells it to come back, and it may go on before it is let
 * go of, as soon as this one has brought the pages.
 */
int scene_second(struct vt_link *second, const struct vt_link *scene);
void scene_second_close(struct vt_link *second);

/* Ways to lose memory: unmapped; of another object of the same kind now. */
int scene_unmap(struct vt_mem *mem);
int scene_replace(struct vt_mem *mem);

enum kind {
	READ,		/* from the on-demand buffer, by its responder */
	WRITE,		/* into it */
	WRITE_FROM,	/* out of it, by its requester */
};

/* Moves LENGTH bytes. Return: the completion's status or -errno. */
int operate(struct vt_link *scene, enum kind kind);

/* Was what was read, or sent, that what is in the on-demand buffer now? */
int check_read(struct vt_link *scene);
/* Is what was written there? */
int check_written(struct vt_link *scene);

/* An operation in a thread of its own. */
struct operation {
	pthread_t thread;
	struct vt_link *scene;
	enum kind kind;
	int status;
};

/* Starts it and waits until the kernel holds it at @point. */
int operation_start(struct operation *op, struct vt_link *scene, enum kind kind,
		    const char *point);
/* Return: as operate(). */
int operation_end(struct operation *op);

/*
 * A process of its own comes to @point in @run, is killed there, and ends when it
 * is let go. Return: 0, -errno, or how it ended otherwise.
 */
int kill_at(const char *point, void (*run)(const struct vt_mem_kind *kind),
	    const struct vt_mem_kind *kind);

/* Something that has to wait for what is held, in a thread of its own. */
struct ending {
	pthread_t thread;
	struct vt_link *scene;
	int (*end)(struct vt_link *scene);
	atomic_int tid;
	atomic_bool go;
	int ret;
};

/* Makes the thread: its stack needs mmap_lock, which may be held later. */
int ending_prepare(struct ending *ending, struct vt_link *scene,
		   int (*end)(struct vt_link *scene));
/* Lets it begin; returns when it waits in the kernel, and keeps waiting. */
int ending_start(struct ending *ending);
int ending_finish(struct ending *ending);

#endif
