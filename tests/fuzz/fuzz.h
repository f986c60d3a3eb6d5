/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A fuzzer of the nodes of device memory and of memory regions over it.
 *
 * Every operation is drawn from a table by a stream of numbers that the seed
 * fixes. What it works on is drawn from the world: open nodes, handles,
 * descriptors, a stretch of the address space page by page, memory regions. The
 * world is also the model: it tells what an operation must answer, and which
 * bytes must be where.
 *
 * With several threads the world only says what there is. Nobody can tell then
 * what an operation must answer, and nothing but survival and the end is
 * checked. Its lock covers the tables and is not held over a system call.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_vram.h>

#include "../importers/engine.h"
#include "lib/verbs.h"
#include "rng.h"

#define FZ_PAGE 4096UL
#define FZ_SCRATCH 65536UL

/* ---- what was done ---- */

#define FZ_ARGS 5
#define FZ_RING 48

struct fz_record {
	const char *op;
	uint64_t arg[FZ_ARGS];
	int64_t ret;
	bool done;
};

/* In memory that outlives the process that is tested. */
struct fz_trace {
	bool verbose;
	uint64_t count;
	uint64_t hash;
	struct fz_record ring[FZ_RING];
	char verdict[256];
};

/* ---- the world ---- */

#define FZ_FILES 6
#define FZ_HANDLES 40
#define FZ_SHARES 10
#define FZ_OBJECTS 40
#define FZ_MRS 20
#define FZ_DMA_MRS 12
#define FZ_THREADS 16

/* Fixed, so that addresses are the same each time; nobody else maps there. */
#define FZ_ARENA 0x100000000000UL
#define FZ_THREAD(n) (0x0f0000000000UL + (n) * (1UL << 30))
#define FZ_PAGES 1024

/* Larger ones are closed again at once. */
#define FZ_OBJECT_PAGES 96

struct fz_file {
	int fd;			/* -1: none */
	bool writable;
};

struct fz_handle {
	uint32_t handle;	/* 0: none */
	int file;
	int object;
};

struct fz_share {
	int fd;			/* -1: none */
	int object;
};

/* @known: the shadow is what is in it */
struct fz_object {
	bool used, dead, no_export, revoked, known;
	uint64_t length;
	uint64_t offset;
	uint8_t *shadow;
};

enum fz_kind { FZ_HOLE, FZ_HOST, FZ_VRAM };

struct fz_page {
	enum fz_kind kind;
	int object;
	uint32_t index;		/* in the object */
	int prot;
	bool may_write;
};

/* @object: that it pins, -1: none. @dead: it must not answer any more */
struct fz_mr {
	bool used, dead;
	uint32_t handle, lkey, rkey;
	uint64_t addr, length, iova;
	int access;
	int object;
};

/*
 * Of a device that does DMA. @ending: the process has unmapped some of it; what the
 * region was made of stays reachable for a moment.
 */
struct fz_dma_mr {
	struct fz_mr mr;
	struct im_mr im;
	enum edu_rdma_device device;
	bool ending;
};

struct fz_world {
	pthread_mutex_t lock;
	bool racing;
	bool privileged;
	uint64_t vram_size;
	struct vt_dev dev;
	/* Another open device, for calls that may hit anything in it. */
	struct vt_dev victim;
	struct fz_file files[FZ_FILES];
	struct fz_handle handles[FZ_HANDLES];
	struct fz_share shares[FZ_SHARES];
	struct fz_object objects[FZ_OBJECTS];
	struct fz_page pages[FZ_PAGES];
	struct fz_mr mrs[FZ_MRS];
	struct im_dev dma_devs[EDU_RDMA_DEVICES];
	int engine;
	struct fz_dma_mr dma_mrs[FZ_DMA_MRS];
};

/* A thread. @scratch: FZ_SCRATCH bytes, @args: a page; nothing is behind them. */
struct fz_run {
	struct fz_world *world;
	struct fz_trace *trace;
	struct fz_rng rng;
	struct vt_pair pair;
	struct ibv_mr *scratch_mr;
	uint8_t *scratch, *args;
};

#define FZ_NO_OBJECT (-1)

void fz_lock(struct fz_run *run);
void fz_unlock(struct fz_run *run);

/* Of what a table has, one; -1: nothing. Call with the lock held. */
int fz_pick_file(struct fz_run *run);
int fz_pick_handle(struct fz_run *run);
int fz_pick_share(struct fz_run *run);
int fz_pick_mr(struct fz_run *run);
int fz_pick_dma_mr(struct fz_run *run);

int fz_free_handle(struct fz_world *world);
int fz_free_object(struct fz_world *world);
int fz_find_handle(struct fz_world *world, int file, uint32_t handle);
bool fz_file_has(struct fz_world *world, int file, int object);
void fz_new_object(struct fz_run *run, int object, uint64_t length,
		   uint64_t offset);
void fz_kill_object(struct fz_world *world, int object);
/* Regions over it end. */
void fz_revoke_object(struct fz_world *world, int object);
/* The pages do not show what they showed. */
void fz_unmapped(struct fz_world *world, size_t first, size_t pages);

/* Bytes that were nowhere before. */
void fz_fill_scratch(struct fz_run *run, size_t length);

/* The page at an address of the arena, or NULL. */
struct fz_page *fz_page_at(struct fz_world *world, uint64_t addr);
/* Can the CPU do that to all of the range? */
bool fz_accessible(struct fz_world *world, uint64_t addr, uint64_t length,
		   int prot);
/* What is written there is not known any more. */
void fz_forget_bytes(struct fz_world *world, uint64_t addr, uint64_t length);

/* ---- regions, and accesses to them ---- */

/* What a device may ignore, now or later. */
#define FZ_ACCESS_OPTIONAL 0x3ff00000

/* @out: from the region into the scratch. @remote: the peer names the region */
struct fz_access {
	struct fz_mr mr;
	uint64_t iova;
	uint32_t length;
	bool out, remote, bad_key, atomic;
};

/* Any part of the arena, or of nothing, with any rights. */
void fz_draw_mr(struct fz_run *run, struct fz_mr *mr);
/* One piece of one object, or all host memory; sets the object. */
bool fz_one_owner(struct fz_world *world, struct fz_mr *mr);
/* By its key and rights, to bytes of the region. */
bool fz_is_allowed(const struct fz_access *a);
/* Compares with the model what was read, or writes into it what was written. */
void fz_settle(struct fz_run *run, const struct fz_access *a, bool worked);

/* ---- what must come out ---- */

/* Sets of errnos. */
struct fz_want {
	uint64_t must[3];
	uint64_t may[3];
};

/* The operation has to fail, with one of these. */
void fz_must(struct fz_want *want, int err);
/* It may, with one of these. */
void fz_may(struct fz_want *want, int err);
/* What becomes of the rights of a registration. */
void fz_want_access(int access, struct fz_want *want);
/* Only with one thread. @ret: 0 or more, or -errno */
void fz_check(struct fz_run *run, const struct fz_want *want, long ret);
/* Ends the program. */
void __attribute__((format(printf, 2, 3), noreturn))
fz_fail(struct fz_run *run, const char *format, ...);

/* Around each system call that is under test. */
void fz_begin(struct fz_run *run, const char *op, uint64_t a, uint64_t b,
	      uint64_t c, uint64_t d, uint64_t e);
void fz_end(struct fz_run *run, long ret);
/* The same of what depends on work in the background: not part of the hash. */
void fz_end_either_way(struct fz_run *run, long ret);
void fz_print_record(const struct fz_record *record);

/* ---- the operations ---- */

struct fz_op {
	const char *name;
	unsigned int weight;
	void (*go)(struct fz_run *run);
};

extern const struct fz_op fz_ops_cmb[], fz_ops_dma[], fz_ops_fd[],
	fz_ops_ioctl[], fz_ops_map[], fz_ops_mr[], fz_ops_node[], fz_ops_raw[],
	fz_ops_rdma[];

/* Reads or writes 8 bytes. Return: 0 or the signal. */
int fz_touch(uint64_t addr, uint64_t *value, bool write);

#endif
