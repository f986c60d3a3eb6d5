/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_POOL_H
#define PEER_CMB_POOL_H

#include <linux/list.h>
#include <linux/types.h>

#include "peer_cmb_node.h"

struct pci_dev;

/**
 * struct peer_cmb_pool - a p2pmem pool that is peer memory
 * @list:  in peer_cmb_pools
 * @pdev:  the controller
 * @node:  its device node
 * @start: first CPU physical address that allocations may have
 * @size:  bytes from there
 * @used:  bytes allocated by this driver; protected by the lock of the bar, which
 *         is held over the operations below
 */
struct peer_cmb_pool {
	struct list_head list;
	struct pci_dev *pdev;
	struct peer_cmb_node node;
	phys_addr_t start;
	u64 size;
	u64 used;
};

/* Sets @start and @size to the largest contiguous range. Size 0: there is none. */
void peer_cmb_pool_find_size(struct peer_cmb_pool *pool);

/* Kernel address of the pages at an offset from @start. */
void *peer_cmb_pool_addr(struct peer_cmb_pool *pool, u64 offset);

/* Operations of struct ib_peer_bar_ops. @priv is the pool. */
int peer_cmb_pool_alloc(u64 length, u64 *offset, void *priv);
void peer_cmb_pool_free(u64 offset, u64 length, void *priv);
u64 peer_cmb_pool_available(void *priv);

#endif
