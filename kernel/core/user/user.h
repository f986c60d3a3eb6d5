/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The calls of /dev/peer_mem (include/uapi/rdma/peer_mem.h), each in a file of its own.
 */
#ifndef IB_PEER_USER_H
#define IB_PEER_USER_H

struct dma_buf;
struct peer_mem_export;
struct peer_mem_mr;
struct peer_mem_query;

int ib_peer_query(struct peer_mem_query *user);
int ib_peer_next_mr(struct peer_mem_mr *user);
struct dma_buf *ib_peer_export(const struct peer_mem_export *user);

/* chardev.c */
int ib_peer_chardev_init(void);
void ib_peer_chardev_exit(void);

#endif
