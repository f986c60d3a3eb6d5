/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * ibv_reg_mr() of DMA importers.
 */
#ifndef IB_PEER_DMA_HOOK_H
#define IB_PEER_DMA_HOOK_H

#include <linux/types.h>

#include "importers/importer_type.h"

struct ib_device;

int ib_peer_hook_init(void);
void ib_peer_hook_exit(void);

/*
 * Return: the device reaches peer memory through a DMA bridge. @importer_type: its
 * type, as far as known.
 */
bool ib_peer_hook_serves(const struct ib_device *ibdev,
			 enum ib_peer_importer_type *importer_type);

#endif
