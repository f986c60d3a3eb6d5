/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Stress: what its processes share.
 *
 *   supervisor    stress.c   starts, kills and replaces workers; counts; looks
 *                            for what is left over at the end
 *   4 workers     worker.c   traffic, every byte compared with a shadow
 *                 slots.c    the memory that a worker works on
 *                 victim.c   memory that ends under traffic
 *   a mover each  mover.c    moves the objects and pages of its worker
 *   an evictor    mover.c    fills the video memory up
 *
 * All objects that move have the same size, so that the exporter's own counter
 * of moves tells how many pages did.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "lib/buf.h"

#define WORKERS 4
#define PAIRS 2
#define KIB 1024UL
#define MIB (1024 * KIB)
#define PAGE 4096UL
#define OBJECT (64 * KIB)
#define OBJECT_PAGES (OBJECT / PAGE)
#define OBJECTS 24
#define SLOT 8192UL

/* Where the on-demand memory lies: objects first, then host memory. */
#define VRAM_SIZE (OBJECTS * OBJECT)
#define HOST_SIZE (6 * MIB)

/* What one worker and its mover have done; outlives them. */
struct tally {
	atomic_ulong operations;
	atomic_ulong compared;		/* bytes */
	atomic_ulong wrong;
	atomic_ulong host_moves;	/* pages */
	atomic_ulong destroyed, revoked, unmapped;
	atomic_ulong refused;		/* accesses to what had ended */
	atomic_ulong registered;
};

/* What a worker tells its mover. */
struct place {
	atomic_uint handle[OBJECTS];	/* 0: not yet */
	atomic_uintptr_t host;
};

struct shared {
	struct tally tally[WORKERS];
	struct place place[WORKERS];
	atomic_bool stop;
};

/* ---- slots.c: a worker's memory ---- */

/* @shadow: what must be in it; @mr: which covers it, beside the implicit one */
struct slot {
	uint8_t *at;
	uint8_t *shadow;
	struct ibv_mr **mr;
	uint32_t handle;	/* of the object, 0: host memory */
	uint32_t offset;	/* in the object */
	int fd;
	bool taken;		/* by an operation under way */
};

#define PINNED_OBJECTS 2
#define PINNED_HOST (512 * KIB)
#define SLOTS_VRAM (VRAM_SIZE / SLOT)
#define SLOTS_HOST (HOST_SIZE / SLOT)
#define SLOTS_PINNED (PINNED_HOST / SLOT)
#define SLOTS_PINNED_VRAM (PINNED_OBJECTS * OBJECT / SLOT)
#define SLOTS (SLOTS_VRAM + SLOTS_HOST + SLOTS_PINNED + SLOTS_PINNED_VRAM)

struct memory {
	struct vt_dev *dev;
	int vram;
	uint8_t *area;			/* VRAM_SIZE + HOST_SIZE */
	uint8_t *shadow;
	struct ibv_mr *mr;		/* on demand, over all of it */
	struct ibv_mr *everything;	/* implicit */
	struct vt_buf host;		/* pinned */
	struct vt_buf pinned[PINNED_OBJECTS];
	struct slot slot[SLOTS];
};

int memory_open(struct memory *memory, struct vt_dev *dev, int vram,
		struct place *place, uint64_t seed);
int memory_close(struct memory *memory);
/* Registers something anew. */
int memory_register(struct memory *memory, uint64_t random);
/* A slot that is not taken; takes it. */
struct slot *memory_take(struct memory *memory, uint64_t random);
/* New contents for a part of a slot, in memory and shadow. */
void slot_fill(struct slot *slot, uint64_t seed, uint32_t offset,
	       uint32_t length);
/* Return: how many bytes are wrong, or -errno; @by_owner: not by the mapping. */
int slot_check(struct slot *slot, bool by_owner);

/* ---- victim.c ---- */

struct victim {
	struct vt_dev *dev;
	struct vt_pair pair;
	struct vt_buf source;
	struct vt_buf buf;
	int posted;
	bool local;
	int end;
};

int victim_open(struct victim *victim, struct vt_dev *dev);
void victim_close(struct victim *victim);
/* Operations are under way; then the memory ends below them. */
int victim_start(struct victim *victim, uint64_t random, struct tally *tally);
/* How they ended, and that no later one gets through. */
int victim_finish(struct victim *victim, struct tally *tally);

/* ---- the processes; none returns but with an exit status ---- */

int worker_run(struct shared *shared, int index, uint64_t seed);
int mover_run(struct shared *shared, int index, int vram, pid_t worker,
	      uint64_t seed);
int evictor_run(struct shared *shared, uint64_t seed, int ready);

/* How long an operation may take when the machine swaps. */
#define WAIT_MS 100000

#endif
