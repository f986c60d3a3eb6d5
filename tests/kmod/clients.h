/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Clients of the PeerDirect API that behave as those in the field do. A file for
 * each way to behave; clients_main.c has what they share, and the memory is that
 * of peer_test_mem.ko.
 *
 * Each call for a range is noted with a letter (PEER_TEST_IOC_CALLS):
 *
 *   A  acquire() says yes; under number 0: a no, e an error
 *   G  get_pages(); g it fails
 *   D  dma_map(); d it fails
 *   S  get_page_size()
 *   U  dma_unmap(); u it finds that there is nothing to do, or leaves it undone
 *   P  put_pages(); p likewise
 *   R  release()
 *   I  the client calls the core's callback; i and is back from it
 *   F  the client frees what it had pinned and mapped, by itself
 *   x  the memory goes, and the client tells nobody
 */
#ifndef PEER_TEST_CLIENTS_H
#define PEER_TEST_CLIENTS_H

#include <linux/completion.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/workqueue.h>
#include <rdma/peer_mem.h>

#include "peer_test_mem.h"

struct client_range;

/**
 * struct like - a client, and what it is like
 * @product:   a module, or a driver, that registers it; some register two
 * @ex:        what it registers
 * @page_size: of its device: what it pins is aligned to that
 * @most:      pages of an entry of its lists
 * @invalidates: it asks for a callback
 * @holds_module: a range keeps its module
 * @take_back: memory that is pinned goes; NULL: that never happens
 * @handle:    from registering; NULL: it is not registered
 */
struct like {
	const char *product;
	struct peer_memory_client_ex ex;
	unsigned long page_size;
	unsigned long most;
	bool invalidates;
	bool holds_module;
	void (*take_back)(struct client_range *range);
	void *handle;
	invalidate_peer_memory callback;
};

/**
 * struct client_range - what acquire() makes and release() ends
 * @node:   in the list of all, until release()
 * @back:   of those that are being taken back
 * @number: for the notes
 * @first:  page of the object, aligned down to the device's pages
 * @pages:  likewise aligned up
 * @lock:   guards the flags
 * @pinned: between get_pages() and what undoes it
 * @mapped: between dma_map() and what undoes it
 * @taken:  was taken back, or is being
 * @back_begins: done when the core is about to be told of that
 * @callback_task: is in the core's callback
 * @sgt:    what dma_map() gave to the core, to the bit
 * @pads:   of clients that want to know whether this is still a context
 */
struct client_range {
	struct like *like;
	struct kref kref;
	struct list_head node;
	struct list_head back;
	unsigned int number;
	struct peer_test_object *object;
	unsigned long addr;
	size_t size;
	unsigned long first;
	unsigned long pages;
	spinlock_t lock; /* see above */
	bool pinned;
	bool mapped;
	bool taken;
	struct completion back_begins;
	struct work_struct back_work;
	struct task_struct *callback_task;
	u64 core_context;
	struct sg_table sgt;
	struct device *dma_device;
	u64 pads[2];
};

extern struct like like_nv_mem, like_nv_mem_nc, like_nvidia_peermem, like_npu;
extern struct like like_amdkfd, like_dmabuf, like_devmm, like_mlu;

/* Is all of it in the window of addresses that is the device's? */
bool client_in_window(unsigned long addr, size_t size);

/*
 * What acquire() returns of @object, whose reference it takes; NULL: not mine.
 * @first: page of the object at @addr
 */
int client_acquire(struct like *like, struct peer_test_object *object,
		   unsigned long first, unsigned long addr, size_t size,
		   void **context);
/* The range is pinned if it returns 0. */
int client_get_pages(struct client_range *range, unsigned long addr,
		     size_t size, int write, struct sg_table *sg_head,
		     u64 core_context);
/* To begin a dma_map() with. */
int client_may_map(struct client_range *range, struct device *dma_device,
		   int dmasync);
/* To end it with: range->sgt is what the core gets. */
int client_mapped(struct client_range *range, struct sg_table *sg_head,
		  int entries, int *nmap);
/* Is it what dma_map() gave? Counted if not. */
bool client_has_table(struct client_range *range, struct sg_table *sg_head);
/* Was it mapped, or pinned, until now? For one of all who ask. */
bool client_unmap(struct client_range *range);
bool client_unpin(struct client_range *range);
void client_release(struct client_range *range);

/* Calls the core's callback, with the notes. */
void client_call_back(struct client_range *range);
/* The memory goes: a client that leaves all to the core. */
void client_take_back(struct client_range *range);
/* It goes within @range's get_page_size(), if that is planned. */
void client_asked(struct client_range *range);

static inline void client_note(struct client_range *range, char call)
{
	peer_test_called(range->number, call);
}

/* Frees the list. Whoever still reads it reads nonsense. */
void client_free_table(struct sg_table *sgt);

#endif
