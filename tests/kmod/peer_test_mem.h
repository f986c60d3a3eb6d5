/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between peer_test_mem.ko, which has the memory, and a client
 * module, which offers it to RDMA. As with vendors, these are two modules: the
 * client can be unloaded while programs have the memory mapped and registered.
 */
#ifndef PEER_TEST_MEM_H
#define PEER_TEST_MEM_H

#include <linux/mm.h>
#include <linux/types.h>

#include "peer_test.h"

struct peer_test_object;
struct sg_table;

/*
 * Returns the object that is mapped in all of [addr, addr + size) of this
 * process, with a reference, and the number of the first page. NULL: there is
 * none.
 */
struct peer_test_object *peer_test_object_find(unsigned long addr, size_t size,
					       unsigned long *first_page);
/* The same for any process that is alive. */
struct peer_test_object *peer_test_object_find_in(struct mm_struct *mm,
						  unsigned long addr,
						  size_t size,
						  unsigned long *first_page);
/* The same, but only for the address at which an object is "placed". */
struct peer_test_object *peer_test_object_find_placed(unsigned long addr,
						      size_t size,
						      unsigned long *first_page);
void peer_test_object_put(struct peer_test_object *object);
phys_addr_t peer_test_object_phys(struct peer_test_object *object,
				  unsigned long page);
unsigned long peer_test_object_pages(struct peer_test_object *object);

/**
 * peer_test_fill_table() - list physical addresses as DMA addresses
 * @sgt:       gets the list; free it with sg_free_table()
 * @object:    the memory
 * @first:     first page of the object
 * @pages:     number of pages
 * @max_pages: maximum pages of an entry; entries are as large as memory allows
 *
 * No entry has a struct page.
 *
 * Return: 0 or -ENOMEM
 */
int peer_test_fill_table(struct sg_table *sgt, struct peer_test_object *object,
			 unsigned long first, unsigned long pages,
			 unsigned long max_pages);

/*
 * Aligns a range to pages of a device.
 * @first: page of the object at @addr; aligned down afterwards
 * Return: the number of object pages.
 */
static inline unsigned long peer_test_align(unsigned long page_size,
					    unsigned long addr, size_t size,
					    unsigned long *first)
{
	unsigned long mask = (page_size >> PAGE_SHIFT) - 1;
	unsigned long last = *first +
			     ((offset_in_page(addr) + size - 1) >> PAGE_SHIFT);

	*first &= ~mask;
	return (last | mask) + 1 - *first;
}

/* Return: true if the event was requested. Clears the request. */
bool peer_test_take_event(struct peer_test_object *object,
			  enum peer_test_event event, int *error);

void peer_test_count(enum peer_test_count what);

/* For PEER_TEST_IOC_CALLS: number a new range, and record a call for it. */
unsigned int peer_test_new_range(void);
void peer_test_record_call(unsigned int range, char call);

/* Invalidates the client's pinned ranges of an object. May sleep. */
typedef int (*peer_test_invalidate_t)(struct peer_test_object *object);
/*
 * Sets the client's function. NULL when the client is unloaded; waits for calls
 * in progress. There is one client at a time.
 */
void peer_test_set_invalidate(peer_test_invalidate_t invalidate);

#endif
