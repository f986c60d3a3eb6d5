/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between peer_test_mem.ko, which has the memory, and a client module, which
 * offers it to RDMA. Two modules, as in the field: the client can be unloaded
 * while programs have the memory mapped and registered.
 */
#ifndef PEER_TEST_MEM_H
#define PEER_TEST_MEM_H

#include <linux/mm.h>
#include <linux/types.h>

#include "peer_test.h"

struct peer_test_object;
struct sg_table;

/*
 * The object that is mapped at all of [addr, addr + size) of this process, with
 * a reference, and the number of the first page; NULL if there is none.
 */
struct peer_test_object *peer_test_object_find(unsigned long addr, size_t size,
					       unsigned long *first_page);
/* The same in any process, which is alive. */
struct peer_test_object *peer_test_object_find_in(struct mm_struct *mm,
						  unsigned long addr,
						  size_t size,
						  unsigned long *first_page);
/* The same, but what it is mapped at does not count: only where it is "placed". */
struct peer_test_object *peer_test_object_find_placed(unsigned long addr,
						      size_t size,
						      unsigned long *first_page);
void peer_test_object_put(struct peer_test_object *object);
phys_addr_t peer_test_object_phys(struct peer_test_object *object,
				  unsigned long page);
unsigned long peer_test_object_pages(struct peer_test_object *object);

/**
 * peer_test_fill_table() - lists physical addresses, as DMA addresses
 * @sgt:   gets a list, for sg_free_table()
 * @first: page of the object
 * @pages: how many
 * @most:  pages of an entry, which is as large as physical memory lets it be
 *
 * No entry has a struct page. Return: 0 or -ENOMEM.
 */
int peer_test_fill_table(struct sg_table *sgt, struct peer_test_object *object,
			 unsigned long first, unsigned long pages,
			 unsigned long most);

/*
 * The pages of a device, in pages of the object, that bytes lie in.
 * @first: of the object, at @addr; aligned down afterwards
 * Return: how many.
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

/* Is this event due? Only once. */
bool peer_test_due(struct peer_test_object *object, enum peer_test_event event,
		   int *error);

void peer_test_count(enum peer_test_count what);

/* For PEER_TEST_IOC_CALLS: the number of a new range; a call for that range. */
unsigned int peer_test_new_range(void);
void peer_test_called(unsigned int range, char call);

/* Invalidates the client's pinned ranges of an object. May sleep. */
typedef int (*peer_test_invalidate_t)(struct peer_test_object *object);
/* One client at a time; NULL when it leaves. Waits for calls under way. */
void peer_test_set_invalidate(peer_test_invalidate_t invalidate);

#endif
