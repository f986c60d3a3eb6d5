/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_POOL_NOTIFIER_H
#define PEER_CMB_POOL_NOTIFIER_H

#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_PCI_P2PDMA)
int peer_cmb_pool_init(void);
void peer_cmb_pool_exit(void);
#else
static inline int peer_cmb_pool_init(void)
{
	return 0;
}

static inline void peer_cmb_pool_exit(void)
{
}
#endif

#endif
