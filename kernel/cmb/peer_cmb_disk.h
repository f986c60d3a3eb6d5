/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_DISK_H
#define PEER_CMB_DISK_H

#include <rdma/ib_peer_bar.h>

/* Operation of struct ib_peer_bar_ops. The private data is the controller. */
long peer_cmb_disk_ioctl(struct ib_peer_bar *bar, unsigned int nr,
			 void __user *arg);

#endif
