/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between peer_test_mem.ko, which has the memory, and a client module, which
 * offers it to RDMA. Two modules, as in the field: the client can be unloaded
 * while programs have the memory mapped and registered.
 */
#ifndef PEER_TEST_MEM_H
#define PEER_TEST_MEM_H

#include <linux/types.h>

#include "peer_test.h"

struct peer_test_object;

/*
 * The object that is mapped at all of [addr, addr + size) of this process, with
 * a reference, and the number of the first page; NULL if there is none.
 */
struct peer_test_object *peer_test_object_find(unsigned long addr, size_t size,
					       unsigned long *first_page);
void peer_test_object_put(struct peer_test_object *object);
phys_addr_t peer_test_object_phys(struct peer_test_object *object,
				  unsigned long page);
unsigned long peer_test_object_pages(struct peer_test_object *object);

/* Is this event due? Only once. */
bool peer_test_due(struct peer_test_object *object, enum peer_test_event event,
		   int *error);

void peer_test_count(enum peer_test_count what);

/* Invalidates the client's pinned ranges of an object. May sleep. */
typedef int (*peer_test_invalidate_t)(struct peer_test_object *object);
/* One client at a time; NULL when it leaves. Waits for calls under way. */
void peer_test_set_invalidate(peer_test_invalidate_t invalidate);

#endif
