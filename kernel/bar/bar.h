/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * struct ib_peer_bar, and the terms and lock order of ib_peer_bar.ko.
 *
 *   bar      a range of a PCI BAR, its device node and its exporter
 *   memory   an allocation from the range, or all of it if the range is shared
 *   region   an RDMA registration of a part of a memory
 *
 * Lock order, outermost first:
 *
 *   mmap_lock
 *     ib_peer_bar.alive
 *       ib_peer_bar.lock
 *         ib_peer_bar_memory.lock
 *           i_mmap_rwsem and MMU notifiers (zapping of page tables)
 *           locks of the RDMA core (ib_peer_revoke())
 *
 * Lifetime: mappings and regions hold references to a memory. A memory holds a
 * reference to its bar. The list of the bar holds no references. Removal of the
 * bar destroys every memory. So the BAR can be accessed while memory->lock is
 * held and memory->dead is false.
 */
#ifndef BAR_H
#define BAR_H

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
 * struct ib_peer_bar - a range of a PCI BAR that is peer memory
 * @kref:   held by open files, memories and ib_peer_bar_add()
 * @desc:   copy of the exporter's description; constant
 * @name:   name of the device node; desc.name points here
 * @misc:   the device node
 * @io:     kernel mapping of the whole range
 * @anon_file: empty file. Its address_space has all mappings, at their offset
 *          from desc.start
 * @shared: memory of the whole range, with a reference; NULL: not shared
 * @exporter: the registration with the core
 * @alive:  read: the bar is not removed meanwhile; write: mark it removed
 * @dead:   the bar was removed; protected by @alive
 * @lock:   protects @pool and the fields below it
 * @pool:   allocates CPU physical addresses. NULL: the range is shared, or
 *          desc.ops->alloc() allocates
 * @memories: memories whose range is not freed yet
 * @count:  number of memories, including those whose range is freed
 */
struct ib_peer_bar {
	struct kref kref;
	struct ib_peer_bar_desc desc;
	char name[BAR_NAME_MAX];
	struct miscdevice misc;
	void __iomem *io;
	struct file *anon_file;
	struct ib_peer_bar_memory *shared;
	struct ib_peer_exporter *exporter;

	struct rw_semaphore alive; /* see above */
	bool dead;

	struct mutex lock; /* see above */
	struct gen_pool *pool;
	struct list_head memories;
	u64 count;
};

static inline bool bar_is_shared(const struct ib_peer_bar *bar)
{
	return bar->desc.flags & IB_PEER_BAR_SHARED;
}

static inline bool bar_is_registers(const struct ib_peer_bar *bar)
{
	return bar->desc.flags & IB_PEER_BAR_REGISTERS;
}

void bar_get(struct ib_peer_bar *bar);
void bar_put(struct ib_peer_bar *bar);

#endif
