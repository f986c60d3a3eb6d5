// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * References to a bar, and critical sections in which it is not removed.
 *
 * A reference keeps the struct, not the device. Between ib_peer_bar_enter() and
 * ib_peer_bar_exit() the device stays, too: removal waits for bar->alive.
 */
#include <linux/err.h>
#include <linux/file.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "bar.h"

void bar_get(struct ib_peer_bar *bar)
{
	kref_get(&bar->kref);
}

static void bar_free(struct kref *kref)
{
	struct ib_peer_bar *bar = container_of(kref, struct ib_peer_bar, kref);

	if (bar->anon_file)
		fput(bar->anon_file);
	kfree(bar);
}

void bar_put(struct ib_peer_bar *bar)
{
	kref_put(&bar->kref, bar_free);
}

void *ib_peer_bar_enter(struct ib_peer_bar *bar)
{
	down_read(&bar->alive);
	if (!bar->dead)
		return bar->desc.priv;
	up_read(&bar->alive);
	return ERR_PTR(-ENODEV);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_enter);

void ib_peer_bar_exit(struct ib_peer_bar *bar)
{
	up_read(&bar->alive);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_exit);
