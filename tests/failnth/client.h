/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Loads and unloads the PeerDirect client in this thread, not through a
 * command, so that allocations of this thread can be created to fail.
 */
#ifndef FN_CLIENT_H
#define FN_CLIENT_H

#define CLIENT "/sys/kernel/mm/memory_peers/peerdirect_test"

/* Return: 0 or -errno. */
int load_client(void);
int unload_client(void);

#endif
