/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memories: allocations from a bar, and the list of regions of each.
 */
#ifndef BAR_MEMORY_H
#define BAR_MEMORY_H

#include <linux/kref.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <rdma/peer_mem.h>

struct ib_peer_bar;

/**
 * struct ib_peer_bar_memory - an allocation from a bar
 * @kref:    held by mappings, regions and, for a shared range, by the bar
 * @bar:     with a reference
 * @node:    in ib_peer_bar.memories, protected by ib_peer_bar.lock. Empty after
 *           the range was freed
 * @offset:  bytes from desc.start
 * @length:  bytes
 * @lock:    protects the fields below. Held over ib_peer_fault_add() and over
 *           ib_peer_revoke(), so that a revoked region is not reported
 * @regions: regions that are not revoked
 * @dead:    the memory was destroyed; permanent
 */
struct ib_peer_bar_memory {
	struct kref kref;
	struct ib_peer_bar *bar;
	struct list_head node;
	u64 offset;
	u64 length;

	struct mutex lock; /* see above */
	struct list_head regions;
	bool dead;
};

/**
 * struct bar_region - the private data of a struct ib_peer_region
 * @node:   in ib_peer_bar_memory.regions, under its lock. Empty after revocation
 * @region: the region of the core
 * @memory: with a reference
 * @offset: start of the region, in bytes from desc.start
 */
struct bar_region {
	struct list_head node;
	struct ib_peer_region *region;
	struct ib_peer_bar_memory *memory;
	u64 offset;
};

/*
 * Allocates and clears a memory. The caller holds bar->alive, or the bar is not
 * published yet. Return: the memory with a reference, or ERR_PTR of -ENOSPC,
 * -ENOMEM, -EINTR (fatal signal), or what desc.ops->alloc() returned.
 */
struct ib_peer_bar_memory *bar_memory_create(struct ib_peer_bar *bar,
					     u64 length);

/* The parameter has the type that ib_peer_find_mapping() needs. */
void bar_memory_get(void *memory);

/* Revokes all regions permanently. The caller holds memory->lock. */
void bar_memory_revoke(struct ib_peer_bar_memory *memory);

/* Ends all access, by the CPU and by RDMA, permanently. Keeps the range. */
void bar_memory_destroy(struct ib_peer_bar_memory *memory);

/* Frees the range, once. The caller holds the lock of the bar. */
void bar_memory_free_range(struct ib_peer_bar_memory *memory);

/* Free bytes. The caller holds the lock of the bar. */
u64 bar_available(struct ib_peer_bar *bar);

#endif
