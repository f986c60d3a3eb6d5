/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The RDMA devices, by name.
 */
#ifndef IB_PEER_DEVICE_LIST_H
#define IB_PEER_DEVICE_LIST_H

struct ib_device;

int ib_peer_device_list_init(void);
void ib_peer_device_list_exit(void);

/*
 * Return: the device that has this name in the network namespace of the caller,
 * for ib_device_put(); NULL: there is none, or it is being removed.
 */
struct ib_device *ib_peer_device_get(const char *name);

#endif
