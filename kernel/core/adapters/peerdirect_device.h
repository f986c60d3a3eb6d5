/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The device for which PeerDirect clients map on behalf of CPU importers.
 */
#ifndef IB_PEERDIRECT_DEVICE_H
#define IB_PEERDIRECT_DEVICE_H

struct device;

int ib_peerdirect_device_init(void);
void ib_peerdirect_device_exit(void);
struct device *ib_peerdirect_device(void);

#endif
