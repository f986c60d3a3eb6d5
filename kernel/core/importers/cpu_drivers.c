// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The RDMA drivers that are CPU importers. They call ib_umem_peer_get()
 * themselves, so the DMA hook leaves their devices alone, and queries know
 * that they reach peer memory.
 */
#include <linux/bitops.h>
#include <linux/bug.h>
#include <rdma/ib_umem_peer.h>
#include <rdma/ib_verbs.h>

#include "importers/cpu_drivers.h"
#include "umem/fault_queue.h"

/* Indexed by enum rdma_driver_id. */
#define DRIVERS 64
static DECLARE_BITMAP(cpu_drivers, DRIVERS);

void ib_umem_peer_add_driver(enum rdma_driver_id id)
{
	if (!WARN_ON(id >= DRIVERS))
		set_bit(id, cpu_drivers);
}
EXPORT_SYMBOL_GPL(ib_umem_peer_add_driver);

void ib_umem_peer_remove_driver(enum rdma_driver_id id)
{
	if (!WARN_ON(id >= DRIVERS))
		clear_bit(id, cpu_drivers);
	/* The functions of its work items are about to be unloaded. */
	ib_peer_queue_flush();
}
EXPORT_SYMBOL_GPL(ib_umem_peer_remove_driver);

bool ib_peer_is_importer(const struct ib_device *ibdev)
{
	unsigned int id = ibdev->ops.driver_id;

	return id < DRIVERS && test_bit(id, cpu_drivers);
}
