/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef BAR_REGION_H
#define BAR_REGION_H

#include <rdma/peer_mem.h>

extern const struct ib_peer_ops bar_region_ops;

#endif
