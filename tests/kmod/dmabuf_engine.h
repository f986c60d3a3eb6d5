/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The engine that copies a buffer of peer_test_dmabuf.ko after a move, like the
 * copy engine of a GPU: the buffer has its new location at once, and a fence
 * signals when the data is there.
 *
 * When the buffer moves, its data is saved in memory of the engine, and the new
 * location is filled with GARBAGE. A request starts the copy from the engine's
 * memory to the new location. The copy takes as long as the test has set, and
 * then signals its fence. If the buffer moves again before that, the copy has
 * no effect, but its fence still signals.
 *
 * Locks: the caller holds the buffer's reservation where @resv is an argument.
 * engine->lock comes after it. Signalling a fence takes engine->lock only.
 * Nothing allocates memory or waits for a fence while holding engine->lock.
 */
#ifndef DMABUF_ENGINE_H
#define DMABUF_ENGINE_H

#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>

struct engine_fence;

/**
 * struct engine - the engine of one buffer
 * @size:    size of the buffer in bytes
 * @staged:  the engine's memory; NULL: the buffer moves without an engine
 * @ms:      duration of the next copy, or PEER_TEST_DMABUF_UNTIL_FINISH
 * @lock:    guards all members below
 * @holds:   the data is in @staged, not at the buffer's location
 * @copy:    fence of the copy in progress, or NULL
 * @to:      destination of that copy
 * @fences:  fences that have not signalled
 * @copies:  number of copies started
 * @early:   copies that found data other than GARBAGE: someone wrote too early
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

/* @staged: the engine has memory of its own. Return: 0 or -ENOMEM. */
int engine_init(struct engine *engine, size_t size, bool staged);
/* Signals all remaining fences. */
void engine_fini(struct engine *engine);

/* Saves the data of a location that the buffer leaves. */
void engine_take(struct engine *engine, const void *from);
/* Discards the data. */
void engine_drop(struct engine *engine);
bool engine_holds(struct engine *engine);
/*
 * Starts a copy if the engine has the data and no copy is in progress. Return:
 * 0 or -ENOMEM.
 */
int engine_start(struct engine *engine, struct dma_resv *resv, void *to);

/* Reads or writes the buffer for its owner. @place: location of the buffer */
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
