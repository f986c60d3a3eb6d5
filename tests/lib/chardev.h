/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Ioctls of /dev/peer_mem, without the library. */
#ifndef TESTS_LIB_CHARDEV_H
#define TESTS_LIB_CHARDEV_H

#include <rdma/peer_mem.h>

/* Return: a descriptor, or -1 and errno. */
int chardev_open(void);
/* The name of the RDMA device under test. */
const char *chardev_rdma_device(void);
/* Return: 0 or errno. */
int chardev_call(int fd, unsigned long nr, void *arg);

/* Return: a query for chardev_rdma_device(). */
struct peer_mem_query new_query(const void *addr, __u64 length, int access);

/* Reads the registration after @number. Return: 0 or errno. */
int chardev_next_mr(int fd, int pid, unsigned int number, struct peer_mem_mr *mr);

#endif
