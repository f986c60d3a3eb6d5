/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * PeerDirect clients that behave like those of vendors. Each behavior has its
 * own file. clients_main.c has the common parts. The memory is that of
 * peer_test_mem.ko.
 *
 * Each call for a range is recorded as one letter (PEER_TEST_IOC_CALLS):
 *
 *   A  acquire() claims the range; for range 0: a does not, e fails
 *   G  get_pages(); g fails
 *   D  dma_map(); d fails
 *   S  get_page_size()
 *   U  dma_unmap(); u finds nothing to do, or does nothing
 *   P  put_pages(); p likewise
 *   R  release()
 *   I  the client calls the core's callback; i the callback returns
 *   F  the client itself frees what it had pinned and mapped
 *   x  the memory is freed, and the client does not notify the core
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
 * struct client_type - a client, and how it behaves
 * @product:        the module or driver that registers it; some register two clients
 * @ex:             what it registers
 * @page_size:      page size of its device, to which it aligns ranges
 * @max_pages:      maximum number of pages of a list entry
 * @wants_callback: it requests the invalidation callback
 * @holds_module:   a range holds a reference to the module
 * @invalidate:     invalidates pinned memory; NULL: never
 * @handle:         returned by the registration; NULL: not registered
 * @callback:       the core's invalidation callback
 */
struct client_type {
	const char *product;
	struct peer_memory_client_ex ex;
	unsigned long page_size;
	unsigned long max_pages;
	bool wants_callback;
	bool holds_module;
	void (*invalidate)(struct client_range *range);
	void *handle;
	invalidate_peer_memory callback;
};

/**
 * struct client_range - created by acquire(), freed by release()
 * @type:               its client
 * @kref:               held by the core until release(), and by an invalidation
 * @node:               entry in the list of all ranges, until release()
 * @invalidate_node:    entry in a list of ranges that are being invalidated
 * @number:             its number for recorded calls
 * @object:             the memory
 * @addr:               start address of the range
 * @size:               length of the range in bytes
 * @first:              first page of the object, aligned down to device pages
 * @pages:              number of pages, aligned up
 * @lock:               guards the flags
 * @pinned:             set from get_pages() to the call that undoes it
 * @mapped:             set from dma_map() to the call that undoes it
 * @invalidated:        invalidated, or being invalidated
 * @invalidate_started: completed before the callback is called
 * @invalidate_work:    invalidates the range in another thread
 * @callback_task:      the task that is in the core's callback
 * @core_context:       the core's cookie for the callback
 * @sgt:                the table that dma_map() has returned to the core
 * @dma_device:         the device that dma_map() was called for
 * @pads:               magic values of clients that check their contexts
 */
struct client_range {
	struct client_type *type;
	struct kref kref;
	struct list_head node;
	struct list_head invalidate_node;
	unsigned int number;
	struct peer_test_object *object;
	unsigned long addr;
	size_t size;
	unsigned long first;
	unsigned long pages;
	spinlock_t lock; /* see above */
	bool pinned;
	bool mapped;
	bool invalidated;
	struct completion invalidate_started;
	struct work_struct invalidate_work;
	struct task_struct *callback_task;
	u64 core_context;
	struct sg_table sgt;
	struct device *dma_device;
	u64 pads[2];
};

extern struct client_type type_nv_mem, type_nv_mem_nc, type_nvidia_peermem;
extern struct client_type type_npu, type_amdkfd, type_dmabuf, type_devmm;
extern struct client_type type_mlu;

/* Return: true if the whole range is in the window of device addresses. */
bool client_in_window(unsigned long addr, size_t size);

/*
 * Implements acquire() for @object, and takes over its reference. NULL: not the
 * client's memory. @first: page of the object at @addr
 */
int client_acquire(struct client_type *type, struct peer_test_object *object,
		   unsigned long first, unsigned long addr, size_t size,
		   void **context);
/* The range is pinned if it returns 0. */
int client_get_pages(struct client_range *range, unsigned long addr,
		     size_t size, int write, struct sg_table *sg_head,
		     u64 core_context);
/* Starts dma_map(): checks the arguments. */
int client_begin_map(struct client_range *range, struct device *dma_device,
		     int dmasync);
/* Ends dma_map(): passes range->sgt to the core. */
int client_end_map(struct client_range *range, struct sg_table *sg_head,
		   int entries, int *nmap);
/*
 * Return: true if the table is what dma_map() has returned. Counts an error if
 * not.
 */
bool client_check_table(struct client_range *range, struct sg_table *sg_head);
/* Return: true for the one caller that unmapped, or unpinned, the range. */
bool client_unmap(struct client_range *range);
bool client_unpin(struct client_range *range);
void client_release(struct client_range *range);

/* Calls the core's callback, and records it. */
void client_call_back(struct client_range *range);
/* Invalidation by a client that leaves unmapping to the core. */
void client_invalidate(struct client_range *range);
/* Invalidates in get_page_size() if a test has requested that. */
void client_page_size_event(struct client_range *range);

static inline void client_note(struct client_range *range, char call)
{
	peer_test_record_call(range->number, call);
}

/* Frees the list. Fills it with invalid values first. */
void client_free_table(struct sg_table *sgt);

#endif
