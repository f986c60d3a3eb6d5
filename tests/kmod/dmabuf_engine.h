/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The engine that copies a buffer of peer_test_dmabuf.ko after a move, as the copy
 * engine of a GPU does: the buffer has its new place at once, and a fence says when
 * the bytes are there.
 *
 * When the buffer moves, its bytes go into memory of the engine. The new place is
 * filled with GARBAGE. A copy from the engine's memory into the new place begins when
 * somebody asks for it, takes as long as the test says, and signals its fence. A
 * buffer that moves again before that leaves the copy without effect; its fence
 * signals all the same.
 *
 * Locks: the caller holds the buffer's reservation where @resv is an argument.
 * engine->lock comes after it. Signalling a fence takes engine->lock only, under
 * which nothing allocates memory or waits for a fence.
 */
#ifndef DMABUF_ENGINE_H
#define DMABUF_ENGINE_H

#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct engine_fence;

/**
 * struct engine - of one buffer
 * @staged:  the engine's memory; NULL: the buffer moves without an engine
 * @ms:      how long a copy that begins now takes, or PEER_TEST_DMABUF_UNTIL_FINISH
 * @lock:    covers all below
 * @holds:   the bytes are in @staged and not in the buffer's place
 * @copy:    fence of the copy under way; NULL: none
 * @to:      where that copy goes
 * @fences:  not signalled yet
 * @copies:  begun, ever
 * @early:   copies that found something else than GARBAGE: written too early
 */
struct engine {
	size_t size;
	void *staged;
	u32 ms;
	struct mutex lock; /* see above */
	bool holds;
	struct engine_fence *copy;
	void *to;
	struct list_head fences;
	u32 copies;
	u32 early;
};

/* @staged: with memory of its own. Return: 0 or -ENOMEM. */
int engine_init(struct engine *engine, size_t size, bool staged);
/* Signals all fences that are left. */
void engine_fini(struct engine *engine);

/* The engine takes the bytes of a place that the buffer leaves. */
void engine_take(struct engine *engine, const void *from);
/* The bytes are nowhere any more. */
void engine_drop(struct engine *engine);
bool engine_holds(struct engine *engine);
/* If the engine has the bytes, and no copy is under way, begins one. 0 or -ENOMEM. */
int engine_start(struct engine *engine, struct dma_resv *resv, void *to);

/* Copies bytes of the buffer as its owner sees them. @place: of the buffer */
void engine_rw(struct engine *engine, void *place, size_t offset, void *bounce,
	       size_t length, bool write);

/* Adds a fence that signals at engine_finish(). Return: 0 or -ENOMEM. */
int engine_add_fence(struct engine *engine, struct dma_resv *resv,
		     enum dma_resv_usage usage);
/* Completes the copy and signals all fences before it returns. */
void engine_finish(struct engine *engine);
unsigned int engine_pending(struct engine *engine);

int engine_module_init(void);
void engine_module_exit(void);

#endif
