/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The core's node, and questions to it. */
#ifndef TESTS_LIB_NODE_H
#define TESTS_LIB_NODE_H

#include <rdma/peer_mem.h>

int node_open(void);
/* The RDMA device that the tests use. */
const char *node_device(void);
/* Return: 0 or errno. */
int node_call(int fd, unsigned long nr, void *arg);

struct peer_mem_query node_question(const void *addr, __u64 length, int access);

/* The registration after @number. Return: 0 or errno. */
int node_next_mr(int fd, int pid, unsigned int number, struct peer_mem_mr *mr);

#endif
