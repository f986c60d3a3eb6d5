/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * ib_peer_bar, private header.
 *
 * Words:
 *   bar      a range of device memory and its node
 *   memory   a piece of it that was allocated, or all of a shared one
 *   region   an RDMA registration of a part of a memory
 *
 * Lock order, outermost first:
 *
 *   mmap_lock
 *     alive of a bar
 *       lock of the bar
 *         lock of a memory
 *           i_mmap_rwsem and MMU notifiers (page tables are zapped)
 *           locks of the RDMA core (ib_peer_revoke())
 *
 * Lifetime: mappings, regions and the bar's list refer to a memory, the list
 * without a reference; a memory refers to its bar. Removal of the bar kills
 * every memory, so "not dead, and lock held" means that the BAR is there.
 */
#ifndef BAR_PRIV_H
#define BAR_PRIV_H

#include <linux/fs.h>
#include <linux/genalloc.h>
#include <linux/kref.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <rdma/ib_peer_bar.h>
#include <rdma/peer_mem.h>

#define BAR_NAME_MAX 32

/**
 * struct ib_peer_bar - what is offered
 * @desc:   the exporter's; constant
 * @name:   of the node; desc.name points here
 * @io:     kernel mapping of all of it
 * @space:  an empty file; all mappings are of its address_space, by offset from
 *          desc.start
 * @shared: the memory that all share, with a reference, or NULL
 * @client: of the core
 * @alive:  read: the bar stays; write: it goes
 * @dead:   under @alive
 * @lock:   covers @pool and what follows
 * @pool:   hands out CPU physical addresses; NULL: desc.ops->alloc() does, or
 *          nothing is handed out
 * @memories: whose bytes were not given back
 * @count:  memories there are, with and without bytes
 */
struct ib_peer_bar {
	struct kref kref;
	struct ib_peer_bar_desc desc;
	char name[BAR_NAME_MAX];
	struct miscdevice misc;
	void __iomem *io;
	struct file *space;
	struct ib_peer_bar_memory *shared;
	struct ib_peer_client *client;

	struct rw_semaphore alive; /* see above */
	bool dead;

	struct mutex lock; /* see above */
	struct gen_pool *pool;
	struct list_head memories;
	u64 count;
};

/**
 * struct ib_peer_bar_memory - a piece
 * @bar:     holds a reference
 * @node:    in ib_peer_bar.memories, empty once given back; under its lock
 * @offset:  from desc.start
 * @length:  bytes
 * @lock:    covers what follows, and over "report where it is" and "revoke"
 * @regions: that are not revoked
 * @dead:    no access any more, and no way back
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

static inline bool bar_is_shared(const struct ib_peer_bar *bar)
{
	return bar->desc.flags & IB_PEER_BAR_SHARED;
}

static inline bool bar_is_registers(const struct ib_peer_bar *bar)
{
	return bar->desc.flags & IB_PEER_BAR_REGISTERS;
}

/* bar.c */
void bar_get(struct ib_peer_bar *bar);
void bar_put(struct ib_peer_bar *bar);

/* bar_memory.c */
struct ib_peer_bar_memory *bar_memory_create(struct ib_peer_bar *bar,
					     u64 length);
void bar_memory_get(void *memory);
void bar_memory_kill(struct ib_peer_bar_memory *memory);
void bar_memory_give_back(struct ib_peer_bar_memory *memory);
u64 bar_available(struct ib_peer_bar *bar);

/* bar_mmap.c */
int bar_mmap(struct file *filp, struct vm_area_struct *vma);
unsigned long bar_get_unmapped_area(struct file *filp, unsigned long addr,
				    unsigned long length, unsigned long pgoff,
				    unsigned long flags);
struct ib_peer_bar_memory *bar_find(struct ib_peer_bar *bar,
				    struct mm_struct *mm, unsigned long start,
				    size_t length, bool write, u64 *offset);

/* bar_region.c */
extern const struct ib_peer_ops bar_region_ops;

void bar_regions_revoke(struct ib_peer_bar_memory *memory);

/* bar_ioctl.c */
long bar_ioctl(struct file *filp, unsigned int nr, unsigned long arg);

#endif
