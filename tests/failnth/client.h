/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The client of the PeerDirect API, loaded and unloaded not by a command but by
 * this thread, whose allocations can be made to fail.
 */
#ifndef FN_CLIENT_H
#define FN_CLIENT_H

#define CLIENT "/sys/kernel/mm/memory_peers/peerdirect_test"

/* Return: 0 or -errno. */
int client_load(void);
int client_unload(void);

#endif
