/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef IB_PEER_DMABUF_H
#define IB_PEER_DMABUF_H

int ib_peer_dmabuf_adapter_init(void);
void ib_peer_dmabuf_adapter_exit(void);

#endif
