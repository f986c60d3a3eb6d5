// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Looks up the PeerDirect API as clients do that are not linked with it.
 * Loading fails if the API is not found.
 */
#include <linux/module.h>
#include <rdma/peer_mem.h>

static int __init peer_test_symbol_init(void)
{
	if (!symbol_get(ib_register_peer_memory_client))
		return -ENOENT;
	symbol_put(ib_register_peer_memory_client);
	return 0;
}

static void __exit peer_test_symbol_exit(void)
{
}

module_init(peer_test_symbol_init);
module_exit(peer_test_symbol_exit);

MODULE_DESCRIPTION("Test of the PeerDirect API by symbol_get()");
MODULE_LICENSE("Dual BSD/GPL");
