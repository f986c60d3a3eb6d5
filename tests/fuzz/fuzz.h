/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A fuzzer of the device files of device memory, and of MRs of such memory.
 *
 * A pseudo-random sequence, which the seed determines, selects each operation from
 * a table. The operation selects its arguments from the world: open files, handles,
 * dma-bufs, the pages of a part of the address space, MRs. The world is also the
 * model: it predicts the result of an operation, and the data of each BO.
 *
 * With several threads the world only lists what exists. Results depend on races,
 * so the fuzzer only checks that nothing hangs and nothing is left at the end.
 *
 * fz_world.lock guards the tables. It is not held during the system calls under
 * test, except short ones whose results change the tables.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <rdma/peer_vram.h>

#include "../importers/engine.h"
#include "../page_size.h"
#include "lib/verbs.h"
#include "rng.h"

#define FZ_PAGE page_size()
#define FZ_MAX_PAGE 65536UL	/* largest page size of any architecture */
#define FZ_SCRATCH 65536UL

/* ---- trace of operations ---- */

#define FZ_ARGS 5
#define FZ_RING 48

struct fz_record {
	const char *op;
	uint64_t arg[FZ_ARGS];
	int64_t ret;
	bool done;
};

/* In shared memory, which outlives the process under test. */
struct fz_trace {
	bool verbose;
	uint64_t count;
	uint64_t hash;
	struct fz_record ring[FZ_RING];
	char message[256];
};

/* ---- the world ---- */

#define FZ_FILES 6
#define FZ_HANDLES 40
#define FZ_DMABUFS 10
#define FZ_BOS 40
#define FZ_MRS 20
#define FZ_DMA_MRS 12
#define FZ_THREADS 16

/* Fixed addresses, so that runs are reproducible. Nothing else is mapped there. */
#define FZ_ARENA 0x100000000000UL
#define FZ_THREAD(n) (0x0f0000000000UL + (n) * (1UL << 30))
#define FZ_PAGES 1024

/* The model does not record larger BOs; they are closed immediately. */
#define FZ_BO_PAGES 96

struct fz_file {
	int fd;			/* -1: none */
	bool writable;
};

struct fz_handle {
	uint32_t handle;	/* 0: none */
	int file;
	int bo;
};

struct fz_dmabuf {
	int fd;			/* -1: none */
	int bo;
};

/* @known: @shadow has the content of the BO */
struct fz_bo {
	bool used, dead, no_export, revoked, known;
	uint64_t length;
	uint64_t offset;
	uint8_t *shadow;
};

enum fz_kind { FZ_HOLE, FZ_HOST, FZ_VRAM };

struct fz_page {
	enum fz_kind kind;
	int bo;
	uint32_t index;		/* page number in the BO */
	int prot;
	bool may_write;
};

/* @bo: the BO that it pins, or FZ_NO_BO; @dead: all accesses must fail */
struct fz_mr {
	bool used, dead;
	uint32_t handle, lkey, rkey;
	uint64_t addr, length, iova;
	int access;
	int bo;
};

/*
 * MR of a DMA importer. @ending: a part of it was unmapped. The MR ends
 * asynchronously, so its old memory may stay reachable for a short time.
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
	/* A separate context, for corrupted calls that may destroy its objects. */
	struct vt_dev victim;
	struct fz_file files[FZ_FILES];
	struct fz_handle handles[FZ_HANDLES];
	struct fz_dmabuf dmabufs[FZ_DMABUFS];
	struct fz_bo bos[FZ_BOS];
	struct fz_page pages[FZ_PAGES];
	struct fz_mr mrs[FZ_MRS];
	struct im_dev dma_devs[EDU_RDMA_DEVICES];
	int engine;
	struct fz_dma_mr dma_mrs[FZ_DMA_MRS];
};

/* A thread. @scratch: FZ_SCRATCH bytes; @args: a page; no memory follows either */
struct fz_run {
	struct fz_world *world;
	struct fz_trace *trace;
	struct fz_rng rng;
	struct vt_pair pair;
	struct ibv_mr *scratch_mr;
	uint8_t *scratch, *args;
};

#define FZ_NO_BO (-1)

void fz_lock(struct fz_run *run);
void fz_unlock(struct fz_run *run);

/* Return: a random used index of the table, or -1. Call with the lock held. */
int fz_pick_file(struct fz_run *run);
int fz_pick_handle(struct fz_run *run);
int fz_pick_dmabuf(struct fz_run *run);
int fz_pick_mr(struct fz_run *run);
int fz_pick_dma_mr(struct fz_run *run);

int fz_free_handle(struct fz_world *world);
int fz_free_bo(struct fz_world *world);
int fz_find_handle(struct fz_world *world, int file, uint32_t handle);
bool fz_file_has(struct fz_world *world, int file, int bo);
void fz_new_bo(struct fz_run *run, int bo, uint64_t length,
	       uint64_t offset);
void fz_kill_bo(struct fz_world *world, int bo);
/* Marks its pinned MRs as dead. */
void fz_revoke_bo(struct fz_world *world, int bo);
/* The pages of the arena were unmapped. */
void fz_unmapped(struct fz_world *world, size_t first, size_t pages);

/* Fills the scratch buffer with a new pattern. */
void fz_fill_scratch(struct fz_run *run, size_t length);

/* Return: the page at the address, or NULL if it is outside of the arena. */
struct fz_page *fz_page_at(struct fz_world *world, uint64_t addr);
/* Return: true if the CPU can access the whole range with @prot. */
bool fz_accessible(struct fz_world *world, uint64_t addr, uint64_t length,
		   int prot);
/* The content of the BOs in the range is unknown from now on. */
void fz_mark_unknown(struct fz_world *world, uint64_t addr, uint64_t length);

/* ---- MRs and accesses ---- */

/* Optional access flags, which a device may ignore. */
#define FZ_ACCESS_OPTIONAL 0x3ff00000

/* @out: from the MR to the scratch buffer; @remote: uses the rkey, not the lkey */
struct fz_access {
	struct fz_mr mr;
	uint64_t iova;
	uint32_t length;
	bool out, remote, bad_key, atomic;
};

/* Any range of the arena or elsewhere, with any access flags. */
void fz_random_mr(struct fz_run *run, struct fz_mr *mr);
/* Is the range a contiguous part of one BO, or system memory only? Sets mr->bo. */
bool fz_has_one_exporter(struct fz_world *world, struct fz_mr *mr);
/* Are key, access flags and range valid for the access? */
bool fz_is_allowed(const struct fz_access *a);
/* Compares data that was read with the model; stores written data in the model. */
void fz_update_model(struct fz_run *run, const struct fz_access *a, bool worked);

/* ---- expected results ---- */

/* Sets of errnos, as bitmaps. */
struct fz_want {
	uint64_t must[3];
	uint64_t may[3];
};

/* The operation must fail, with one of the errnos added so far. */
void fz_must(struct fz_want *want, int err);
/* The operation may fail with this errno. */
void fz_may(struct fz_want *want, int err);
/* Adds the errnos for the access flags of a registration. */
void fz_want_access(int access, struct fz_want *want);
/* Checks a result (0 or more, or -errno). No check with several threads. */
void fz_check(struct fz_run *run, const struct fz_want *want, long ret);
/* Stores the message and exits. */
void __attribute__((format(printf, 2, 3), noreturn))
fz_fail(struct fz_run *run, const char *format, ...);

/* Record each system call under test, before and after it. */
void fz_begin(struct fz_run *run, const char *op, uint64_t a, uint64_t b,
	      uint64_t c, uint64_t d, uint64_t e);
void fz_end(struct fz_run *run, long ret);
/* The same, but not part of the hash: the result depends on background work. */
void fz_end_unhashed(struct fz_run *run, long ret);
void fz_print_record(const struct fz_record *record);

/* ---- operations ---- */

struct fz_op {
	const char *name;
	unsigned int weight;
	void (*func)(struct fz_run *run);
};

extern const struct fz_op fz_ops_cmb[], fz_ops_dma[], fz_ops_fd[],
	fz_ops_ioctl[], fz_ops_map[], fz_ops_mr[], fz_ops_node[], fz_ops_raw[],
	fz_ops_rdma[];

/* Reads or writes 8 bytes. Return: 0 or the signal that this raised. */
int fz_touch(uint64_t addr, uint64_t *value, bool write);

#endif
