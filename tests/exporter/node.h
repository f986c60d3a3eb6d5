/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory of the device node under test, as a kind of memory of the verbs tests.
 *
 * The kit knows of the memory only what mmap() shows. So vt_mem_read() and
 * vt_mem_write() use the mapping. They return -EFAULT if it raises SIGBUS: the
 * exporter has ended the memory.
 */
#ifndef EXPORTER_NODE_H
#define EXPORTER_NODE_H

#include <stdbool.h>

#include <rdma/peer_mem.h>

#include "lib/mem.h"

/* et_node_probe() sets the exporter. */
extern struct vt_mem_kind et_node;

/*
 * Maps the node, and finds out who exports it. Prints what is wrong to stderr. Return:
 * 0 or -errno.
 */
int et_node_probe(void);
/* After et_node_probe(): the exporter pins memory. */
bool et_node_can_pin(void);

/* Maps new memory of the node at @addr, instead of what is there. Return: as mmap(). */
int et_node_map_at(void *addr, size_t length);

/* Waits until the node can be mapped, after the exporter was loaded. Return: 0 or -errno. */
int et_node_wait(void);

/* What /dev/peer_mem reports about a range, for registrations that write. */
int et_query(const void *addr, size_t length, struct peer_mem_query *query);

#endif
