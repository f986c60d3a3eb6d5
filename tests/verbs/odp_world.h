/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the movers and the traffic of odp_move_test.c share: memory below one
 * on-demand MR, in slots, each with a lock.
 *
 * Who changes what a slot holds or allows takes the slot's lock, and so does who
 * does an operation on it: there is always one right answer, while the slots
 * around it, in the same MR, mapping and page table, are in use.
 */
#ifndef VT_ODP_WORLD_H
#define VT_ODP_WORLD_H

#include <pthread.h>
#include <stdatomic.h>

#include "lib/buf.h"
#include "lib/pattern.h"

#define QPS 4
#define SLOTS 32
#define SLOT 8192
#define SIZE (SLOTS * SLOT)
#define OBJECT (16 * 1024)
#define OBJECTS (SIZE / OBJECT)
#define HUGE (2UL * 1024 * 1024)
#define MIB (1024UL * 1024)

/* What two processes see of a mover. */
struct progress {
	atomic_ulong moves;
	atomic_bool stop;
	atomic_int failed;
};

struct world;

/* Return: how many moved, 0 if there was no chance to, or -errno. */
typedef int (*move_fn)(struct world *world, uint64_t random);

struct world {
	struct vt_dev dev;
	struct vt_pair pair[QPS];
	struct vt_pair probe;
	struct vt_buf src, dst;		/* pinned, the other side */
	struct ibv_mr *mr;
	uint8_t *addr;			/* the memory that moves: HUGE */
	uint8_t *spare;			/* room elsewhere */
	uint8_t *shadow;
	pthread_mutex_t lock[SLOTS];
	uint64_t seed;
	unsigned long operations;

	int vram;
	uint32_t handle[OBJECTS];
	int shared[OBJECTS];
	struct vt_buf *pinned;
	unsigned int num_pinned;

	move_fn move;
	struct progress *progress;
	pthread_t thread;
	bool threaded;
	pid_t pid;			/* the mover's */
	pid_t owner;
};

/* Is in the slot what must be? @at: where it is mapped. */
static inline bool same(struct world *w, int slot, const uint8_t *at)
{
	return vt_first_diff(at, w->shadow + slot * SLOT, SLOT) < 0;
}

/* In another process: objects between video and system memory, at random. */
int move_objects(struct world *w, uint64_t random);
/* Other objects take the room in video memory. */
int move_evict(struct world *w, uint64_t random);
/* Pages go to the swap space, or elsewhere by compaction. */
int move_out(struct world *w, uint64_t random);
/* Pages become a huge page, and that becomes pages. */
int move_thp(struct world *w, uint64_t random);

/* In a thread: contents dropped, rights taken, address changed, copied. */
int move_drop(struct world *w, uint64_t random);
int move_rights(struct world *w, uint64_t random);
int move_address(struct world *w, uint64_t random);
int move_fork(struct world *w, uint64_t random);

/* Both return 0 or -errno, the second also what befell the mover. */
int mover_start(struct world *w, bool process);
int mover_stop(struct world *w);

#endif
