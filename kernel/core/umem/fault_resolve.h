/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Resolves the window of a fault: asks the exporter, or the mm, where the pages are.
 */
#ifndef IB_PEER_FAULT_RESOLVE_H
#define IB_PEER_FAULT_RESOLVE_H

#include "umem/fault_request.h"

/*
 * Each function resolves the window around the wanted pages and publishes it.
 * Return: 0; -EAGAIN the window was stale; -EFAULT nothing there; -EACCES no such
 * access; -ENOMEM; what the exporter returned.
 */

/* The caller holds an active reference to the region, and no lock. */
int ib_peer_resolve_exporter(struct ib_peer_fault *fault,
			     struct ib_peer_region *region);
/* Called with mmap_lock held, which it drops. @vma holds the wanted pages. */
int ib_peer_resolve_system(struct ib_peer_fault *fault,
			   struct vm_area_struct *vma);

#endif
