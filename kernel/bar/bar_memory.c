// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Memories: allocation of ranges of a bar, and their lifetime.
 *
 * The range of a memory is freed with its last reference, or when the bar is
 * removed. A destroyed memory keeps its range while anything still maps it, so
 * that the range is not allocated to another process meanwhile.
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "bar.h"
#include "bar_memory.h"

/* ---- ranges ----------------------------------------------------------- */

u64 bar_available(struct ib_peer_bar *bar)
{
	if (bar->pool)
		return gen_pool_avail(bar->pool);
	return bar_is_shared(bar) ? 0 :
		bar->desc.ops->available(bar->desc.priv);
}

static int bar_alloc_range(struct ib_peer_bar *bar, u64 length, u64 *offset)
{
	unsigned long start;

	*offset = 0;
	if (bar_is_shared(bar))
		return 0;
	if (!bar->pool)
		return bar->desc.ops->alloc(length, offset, bar->desc.priv);
	start = gen_pool_alloc(bar->pool, length);
	if (!start)
		return -ENOSPC;
	*offset = start - bar->desc.start;
	return 0;
}

static void bar_free_range(struct ib_peer_bar *bar, u64 offset, u64 length)
{
	if (bar_is_shared(bar))
		return;
	if (bar->pool)
		gen_pool_free(bar->pool, bar->desc.start + offset, length);
	else
		bar->desc.ops->free(offset, length, bar->desc.priv);
}

/* ---- allocation ------------------------------------------------------- */

/*
 * Erases the data of the previous user. The caller may hold mmap_lock, so a fatal
 * signal ends the loop. Return: 0, -EINTR.
 */
static int bar_memory_clear(struct ib_peer_bar_memory *memory)
{
	void __iomem *io = memory->bar->io + memory->offset;
	u64 done, step;

	if (bar_is_registers(memory->bar))
		return 0;
	for (done = 0; done < memory->length; done += step) {
		step = min_t(u64, memory->length - done, SZ_64K);
		memset_io(io + done, 0, step);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static int bar_memory_alloc_range(struct ib_peer_bar_memory *memory)
{
	struct ib_peer_bar *bar = memory->bar;
	int ret;

	mutex_lock(&bar->lock);
	ret = bar_alloc_range(bar, memory->length, &memory->offset);
	if (!ret) {
		list_add_tail(&memory->node, &bar->memories);
		bar->count++;
	}
	mutex_unlock(&bar->lock);
	return ret;
}

struct ib_peer_bar_memory *bar_memory_create(struct ib_peer_bar *bar,
					     u64 length)
{
	struct ib_peer_bar_memory *memory;
	int ret;

	memory = kzalloc(sizeof(*memory), GFP_KERNEL_ACCOUNT);
	if (!memory)
		return ERR_PTR(-ENOMEM);
	kref_init(&memory->kref);
	memory->bar = bar;
	memory->length = length;
	mutex_init(&memory->lock);
	INIT_LIST_HEAD(&memory->regions);

	ret = bar_memory_alloc_range(memory);
	if (ret) {
		kfree(memory);
		return ERR_PTR(ret);
	}
	bar_get(bar);
	ret = bar_memory_clear(memory);
	if (ret) {
		ib_peer_bar_memory_put(memory);
		return ERR_PTR(ret);
	}
	return memory;
}

/* ---- references ------------------------------------------------------- */

void bar_memory_free_range(struct ib_peer_bar_memory *memory)
{
	lockdep_assert_held(&memory->bar->lock);

	if (list_empty(&memory->node))
		return;
	list_del_init(&memory->node);
	bar_free_range(memory->bar, memory->offset, memory->length);
}

static void bar_memory_free(struct kref *kref)
{
	struct ib_peer_bar_memory *memory =
		container_of(kref, struct ib_peer_bar_memory, kref);
	struct ib_peer_bar *bar = memory->bar;

	mutex_lock(&bar->lock);
	bar_memory_free_range(memory);
	bar->count--;
	mutex_unlock(&bar->lock);
	kfree(memory);
	bar_put(bar);
}

void bar_memory_get(void *memory)
{
	kref_get(&((struct ib_peer_bar_memory *)memory)->kref);
}

void ib_peer_bar_memory_put(struct ib_peer_bar_memory *memory)
{
	kref_put(&memory->kref, bar_memory_free);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_memory_put);

/* ---- end of access ---------------------------------------------------- */

void bar_memory_revoke(struct ib_peer_bar_memory *memory)
{
	struct bar_region *reg, *next;

	lockdep_assert_held(&memory->lock);

	list_for_each_entry_safe(reg, next, &memory->regions, node) {
		ib_peer_revoke(reg->region);
		list_del_init(&reg->node);
	}
}

void bar_memory_destroy(struct ib_peer_bar_memory *memory)
{
	mutex_lock(&memory->lock);
	memory->dead = true;
	bar_memory_revoke(memory);
	unmap_mapping_range(memory->bar->anon_file->f_mapping, memory->offset,
			    memory->length, 1);
	mutex_unlock(&memory->lock);
}
