/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Which RDMA devices are CPU importers.
 */
#ifndef IB_PEER_CPU_DRIVERS_H
#define IB_PEER_CPU_DRIVERS_H

#include <linux/types.h>

struct ib_device;

bool ib_peer_is_importer(const struct ib_device *ibdev);

#endif
