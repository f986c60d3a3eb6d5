/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_POOL_IO_H
#define PEER_CMB_POOL_IO_H

#include <rdma/ib_peer_bar.h>

/* Operation of struct ib_peer_bar_ops. The private data of the bar is the pool. */
long peer_cmb_pool_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg);

#endif
