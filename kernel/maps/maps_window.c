// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Kernel mappings of what a process has mapped: as large as what lies side by
 * side, with the caching that the process has. Of a region each page has at most
 * one, and it stays until the page has moved, or to the region's end; there are
 * never more in all than max_windows.
 */
#include <linux/atomic.h>
#include <linux/errno.h>
#include <linux/interval_tree.h>
#include <linux/io.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>

#include "maps_priv.h"

struct maps_window {
	struct interval_tree_node span;
	phys_addr_t phys;
	pgprot_t prot;
	void __iomem *place;
};

static unsigned int max_windows = 65536;
module_param(max_windows, uint, 0644);
MODULE_PARM_DESC(max_windows, "Kernel mappings in all, of up to 2 MiB each");

static atomic_t windows;

static struct maps_window *window_at(struct maps_region *maps,
				     const struct maps_run *run)
{
	struct interval_tree_node *node;

	node = interval_tree_iter_first(&maps->windows, run->start,
					run->end - 1);
	return node ? container_of(node, struct maps_window, span) : NULL;
}

/* Is the run where it was when the window was made, and all in it? */
static bool window_has(const struct maps_window *window,
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
	iounmap(window->place);
	atomic_dec(&windows);
	kfree(window);
}

/*
 * Other pages of the window may be in use. Of a pinned region none are: it is
 * asked for its pages only until all are there, and from the first on if some
 * have moved meanwhile.
 */
static void window_retire(struct maps_region *maps, struct maps_window *window)
{
	struct ib_peer_region *region = maps->region;

	if (!maps->pinned)
		ib_peer_invalidate(region, window->span.start - region->start,
				   window->span.last - window->span.start + 1);
	window_unmap(maps, window);
}

static struct maps_window *window_make(struct maps_region *maps,
				       const struct maps_run *run)
{
	struct maps_window *window;

	if (atomic_inc_return(&windows) > READ_ONCE(max_windows))
		goto err_count;
	window = kzalloc(sizeof(*window), GFP_KERNEL_ACCOUNT);
	if (!window)
		goto err_count;
	window->span.start = run->start;
	window->span.last = run->end - 1;
	window->phys = run->phys;
	window->prot = run->prot;
	window->place = ioremap_prot(run->phys, maps_run_size(run),
				     pgprot_val(run->prot));
	if (!window->place)
		goto err_free;
	interval_tree_insert(&window->span, &maps->windows);
	return window;

err_free:
	kfree(window);
err_count:
	atomic_dec(&windows);
	return NULL;
}

/* Return: 0 with the mapping of the run's first page, -ENOMEM. */
int maps_window_map(struct maps_region *maps, const struct maps_run *run,
		    struct iosys_map *map)
{
	struct maps_window *window;

	lockdep_assert_held(&maps->lock);

	while ((window = window_at(maps, run)) && !window_has(window, run))
		window_retire(maps, window);
	if (!window)
		window = window_make(maps, run);
	if (!window)
		return -ENOMEM;
	iosys_map_set_vaddr_iomem(map, window->place +
				  (run->start - window->span.start));
	return 0;
}

/* The region is over. */
void maps_window_unmap_all(struct maps_region *maps)
{
	struct rb_node *node;

	while ((node = rb_first_cached(&maps->windows)))
		window_unmap(maps, rb_entry(node, struct maps_window, span.rb));
}
