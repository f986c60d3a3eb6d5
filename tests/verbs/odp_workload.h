/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * State that the movers and the traffic of odp_move_test.c share: memory under one
 * on-demand MR, divided into slots. Each slot has a lock.
 *
 * A mover that changes the contents or the protection of a slot takes the lock of
 * the slot, and so does an operation on the slot. The result of an operation is
 * therefore unique, while other slots of the same MR, mapping and page table are in
 * use.
 */
#ifndef VT_ODP_WORKLOAD_H
#define VT_ODP_WORKLOAD_H

#include <pthread.h>
#include <stdatomic.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/pattern.h"

#define QPS 4
#define SLOTS 32
#define SLOT (2 * page_size())
#define SIZE (SLOTS * SLOT)
#define BO_SIZE (2 * SLOT)
#define BOS (SLOTS / 2)
#define HUGE (2UL * 1024 * 1024)
#define MIB (1024UL * 1024)

/* State of a mover, shared by two processes. */
struct progress {
	atomic_ulong moves;
	atomic_bool stop;
	atomic_int failed;
};

struct workload;

/* Return: number of moves, 0 if nothing could move, or -errno. */
typedef int (*move_fn)(struct workload *w, uint64_t random);

struct workload {
	struct vt_dev dev;
	struct vt_pair pair[QPS];
	struct vt_pair probe;
	struct vt_buf src, dst;		/* pinned, on the other side */
	struct ibv_mr *mr;
	uint8_t *addr;			/* memory that moves, HUGE bytes */
	uint8_t *spare;			/* addresses for move_address() */
	uint8_t *shadow;
	pthread_mutex_t lock[SLOTS];
	uint64_t seed;
	unsigned long operations;

	int vram;
	uint32_t handle[BOS];
	int shared[BOS];
	struct vt_buf *pinned;
	unsigned int num_pinned;

	move_fn move;
	struct progress *progress;
	pthread_t thread;
	bool threaded;
	pid_t pid;			/* of the mover */
	pid_t owner;			/* of the memory that moves */
};

/* Return: true if the slot, mapped at @at, has its expected contents. */
static inline bool slot_matches(struct workload *w, int slot, const uint8_t *at)
{
	return vt_first_diff(at, w->shadow + slot * SLOT, SLOT) < 0;
}

/* In another process: moves BOs between VRAM and system memory, at random. */
int move_bos(struct workload *w, uint64_t random);
/* Moves other BOs to VRAM, which evicts BOs. */
int move_evict(struct workload *w, uint64_t random);
/* Swaps pages out, or moves them by compaction. */
int move_out(struct workload *w, uint64_t random);
/* Collapses pages into a huge page, and splits it. */
int move_thp(struct workload *w, uint64_t random);

/* In a thread: MADV_DONTNEED, mprotect(), mremap(), fork(). */
int move_drop(struct workload *w, uint64_t random);
int move_rights(struct workload *w, uint64_t random);
int move_address(struct workload *w, uint64_t random);
int move_fork(struct workload *w, uint64_t random);

/* Both return 0 or -errno; mover_stop() also returns an error of the mover. */
int mover_start(struct workload *w, bool process);
int mover_stop(struct workload *w);

#endif
