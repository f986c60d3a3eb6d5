// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Windows: kernel mappings of device memory that a process has mapped.
 *
 * A window covers a physically contiguous run, with the cache attributes of the
 * process's mapping. Windows of a region do not overlap. A window exists until a
 * page of it has moved, or until the end of the region. There are at most
 * max_windows of all regions together.
 */
#include <compat/mm.h>
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "maps_pages.h"
#include "maps_region.h"
#include "maps_window.h"

/**
 * struct maps_window - a kernel mapping
 * @span: addresses in the process, in maps_region.windows
 * @phys: CPU physical address of the first page
 * @prot: page protection, as in struct maps_run
 * @io:   kernel address
 */
struct maps_window {
	struct interval_tree_node span;
	phys_addr_t phys;
	pgprot_t prot;
	void __iomem *io;
};

static unsigned int max_windows = 65536;
module_param(max_windows, uint, 0644);
MODULE_PARM_DESC(max_windows, "Maximum number of kernel mappings, of up to 2 MiB each");

static atomic_t nr_windows;

/* Return: the first window that overlaps the run, or NULL. */
static struct maps_window *window_find(struct maps_region *maps,
				       const struct maps_run *run)
{
	struct interval_tree_node *node;

	node = interval_tree_iter_first(&maps->windows, run->start,
					run->end - 1);
	return node ? container_of(node, struct maps_window, span) : NULL;
}

/* Does the window cover the whole run, at its present physical address? */
static bool window_covers(const struct maps_window *window,
			  const struct maps_run *run)
{
	return window->span.start <= run->start &&
	       run->end - 1 <= window->span.last &&
	       window->phys + (run->start - window->span.start) == run->phys &&
	       pgprot_val(window->prot) == pgprot_val(run->prot);
}

static void window_unmap(struct maps_region *maps, struct maps_window *window)
{
	interval_tree_remove(&window->span, &maps->windows);
	iounmap(window->io);
	atomic_dec(&nr_windows);
	kfree(window);
}

/*
 * Removes a window that is out of date. Other pages of it may be in use, so it
 * invalidates them first. Pages of a pinned region are not in use: the core asks for
 * them only until all are present, and asks for all of them again if some have moved
 * meanwhile.
 */
static void window_discard(struct maps_region *maps, struct maps_window *window)
{
	struct ib_peer_region *region = maps->region;

	if (!maps->pinned)
		ib_peer_invalidate(region, window->span.start - region->start,
				   window->span.last - window->span.start + 1);
	window_unmap(maps, window);
}

static struct maps_window *window_create(struct maps_region *maps,
					 const struct maps_run *run)
{
	struct maps_window *window;

	if (atomic_inc_return(&nr_windows) > READ_ONCE(max_windows))
		goto err_count;
	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		goto err_count;
	window->span.start = run->start;
	window->span.last = run->end - 1;
	window->phys = run->phys;
	window->prot = run->prot;
	window->io = peer_ioremap_prot(run->phys, maps_run_size(run), run->prot);
	if (!window->io)
		goto err_free;
	interval_tree_insert(&window->span, &maps->windows);
	return window;

err_free:
	kfree(window);
err_count:
	atomic_dec(&nr_windows);
	return NULL;
}

int maps_window_map(struct maps_region *maps, const struct maps_run *run,
		    struct iosys_map *map)
{
	struct maps_window *window;

	lockdep_assert_held(&maps->lock);

	while ((window = window_find(maps, run)) && !window_covers(window, run))
		window_discard(maps, window);
	if (!window)
		window = window_create(maps, run);
	if (!window)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(map, window->io +
				  (run->start - window->span.start));
	return 0;
}

void maps_window_unmap_all(struct maps_region *maps)
{
	struct rb_node *node;

	while ((node = rb_first_cached(&maps->windows)))
		window_unmap(maps, rb_entry(node, struct maps_window, span.rb));
}
