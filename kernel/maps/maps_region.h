/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The regions of peer_maps.ko. See docs/mappings.md.
 *
 * A region gives access to what the page table of the process contains, for as long
 * as it does. Nothing is pinned, no page reference is held, and the driver of the
 * mapping is not asked. If the driver takes a page back, the mmu notifier of the
 * core invalidates it.
 *
 * Lock order, outermost first:
 *
 *   mmap_lock, device_lock()
 *     maps_policy_lock    the entries, and the regions that each allows
 *   maps_region.lock      the kernel mappings of one region
 *
 * Locks of the core are taken inside all of them. While another driver is called
 * (by a page fault), only mmap_lock is held.
 */
#ifndef MAPS_REGION_H
#define MAPS_REGION_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rbtree_types.h>
#include <linux/types.h>
#include <rdma/peer_mem.h>

struct maps_entry;
struct maps_run;
struct pci_dev;

/**
 * struct maps_region - the private data of a struct ib_peer_region
 * @region:  the region of the core
 * @node:    in the list of regions of maps_policy.c
 * @entry:   the entry that allows the region; NULL: it was removed. Protected by
 *           maps_policy_lock, as @node and @device are
 * @device:  the PCI device that has the memory, with a reference; NULL: none is
 *           known yet, or system memory
 * @pinned:  pinned MR: no access starts before all pages are present
 * @lock:    protects the fields below
 * @windows: kernel mappings, by address in the process
 * @run:     the pages that are being reported to the core
 */
struct maps_region {
	struct ib_peer_region *region;
	struct list_head node;
	const struct maps_entry *entry;
	struct pci_dev *device;
	bool pinned;
	struct mutex lock; /* see above */
	struct rb_root_cached windows;
	const struct maps_run *run;
};

#endif
