/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Definitions that the processes of the stress test share.
 *
 *   supervisor    stress.c   starts, kills and replaces workers; counts; checks
 *                            for leaks at the end
 *   4 workers     worker.c   traffic; compares all data with a shadow
 *                 slots.c    the memory of a worker
 *                 victim.c   memory that is revoked or unmapped under traffic
 *   a mover each  mover.c    moves the BOs and pages of its worker
 *   an evictor    mover.c    fills VRAM
 *
 * All BOs that move have the same size, so that the exporter's move counter
 * gives the number of moved pages.
 */
#ifndef STRESS_H
#define STRESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../page_size.h"
#include "lib/buf.h"

#define WORKERS 4
#define PAIRS 2
#define KIB 1024UL
#define MIB (1024 * KIB)
#define PAGE page_size()
#define BO_SIZE (64 * KIB)
#define BO_PAGES (BO_SIZE / PAGE)
#define NUM_BOS 24
#define SLOT 8192UL

/* Layout of the on-demand memory: BOs first, then system memory. */
#define VRAM_SIZE (NUM_BOS * BO_SIZE)
#define HOST_SIZE (6 * MIB)

/* Counters of one worker and its mover, which outlive them. */
struct counters {
	atomic_ulong operations;
	atomic_ulong compared;		/* bytes */
	atomic_ulong wrong;
	atomic_ulong host_moves;	/* pages */
	atomic_ulong destroyed, revoked, unmapped;
	atomic_ulong refused;		/* accesses after a revocation */
	atomic_ulong registered;
};

/* What a worker tells its mover. */
struct layout {
	atomic_uint handle[NUM_BOS];	/* 0: not created yet */
	atomic_uintptr_t host;
};

struct shared {
	struct counters counters[WORKERS];
	struct layout layout[WORKERS];
	atomic_bool stop;
};

/* ---- slots.c: the memory of a worker ---- */

/* @shadow: the expected content; @mr: an MR of it, besides the implicit one */
struct slot {
	uint8_t *at;
	uint8_t *shadow;
	struct ibv_mr **mr;
	uint32_t handle;	/* of the BO; 0: system memory */
	uint32_t offset;	/* in the BO */
	int fd;
	bool taken;		/* in use by an operation */
};

#define PINNED_BOS 2
#define PINNED_HOST (512 * KIB)
#define SLOTS_VRAM (VRAM_SIZE / SLOT)
#define SLOTS_HOST (HOST_SIZE / SLOT)
#define SLOTS_PINNED (PINNED_HOST / SLOT)
#define SLOTS_PINNED_VRAM (PINNED_BOS * BO_SIZE / SLOT)
#define SLOTS (SLOTS_VRAM + SLOTS_HOST + SLOTS_PINNED + SLOTS_PINNED_VRAM)

struct memory {
	struct vt_dev *dev;
	int vram;
	uint8_t *area;			/* VRAM_SIZE + HOST_SIZE bytes */
	uint8_t *shadow;
	struct ibv_mr *mr;		/* on-demand MR of the area */
	struct ibv_mr *everything;	/* implicit MR */
	struct vt_buf host;		/* pinned */
	struct vt_buf pinned[PINNED_BOS];
	struct slot slot[SLOTS];
};

int memory_open(struct memory *memory, struct vt_dev *dev, int vram,
		struct layout *layout, uint64_t seed);
int memory_close(struct memory *memory);
/* Registers one of the MRs again. */
int memory_register(struct memory *memory, uint64_t random);
/* Returns a free slot and marks it as taken. */
struct slot *memory_take(struct memory *memory, uint64_t random);
/* Fills a part of a slot, in memory and in the shadow. */
void slot_fill(struct slot *slot, uint64_t seed, uint32_t offset,
	       uint32_t length);
/* Return: the number of wrong bytes, or -errno; @by_owner: reads by ioctl. */
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
/* Posts operations, then ends access to their memory. */
int victim_start(struct victim *victim, uint64_t random,
		 struct counters *counters);
/* Checks their completions, and that later operations fail. */
int victim_finish(struct victim *victim, struct counters *counters);

/* ---- processes; each function returns an exit status ---- */

int worker_run(struct shared *shared, int index, uint64_t seed);
int mover_run(struct shared *shared, int index, int vram, pid_t worker,
	      uint64_t seed);
int evictor_run(struct shared *shared, uint64_t seed, int ready);

/* Time limit of an operation, in ms. The machine may swap. */
#define WAIT_MS 100000

#endif
