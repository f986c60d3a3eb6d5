// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_cmb: memory buffers of NVMe controllers (CMB) as peer memory.
 *
 * ib_peer_bar gives the memory out; this module finds it. In controllers that it
 * was given and drives itself (peer_cmb_own.c), and moves bytes from and to the
 * disks of (peer_cmb_disk.c); and, on kernels with P2PDMA, in pools that the
 * kernel's nvme driver publishes (peer_cmb_pool.c). This file has the module, and
 * the names of nodes.
 */
#include <linux/err.h>
#include <linux/idr.h>
#include <linux/module.h>

#include "peer_cmb_priv.h"

static DEFINE_IDA(peer_cmb_ida);

int peer_cmb_node_init(struct peer_cmb_node *node)
{
	node->id = ida_alloc(&peer_cmb_ida, GFP_KERNEL);
	if (node->id < 0)
		return node->id;
	snprintf(node->name, sizeof(node->name), "peer_cmb%d", node->id);
	return 0;
}

void peer_cmb_node_fini(struct peer_cmb_node *node)
{
	ida_free(&peer_cmb_ida, node->id);
}

int peer_cmb_offer(struct peer_cmb_node *node, struct ib_peer_bar_desc *desc)
{
	struct ib_peer_bar *bar;

	desc->name = node->name;
	desc->owner = THIS_MODULE;
	bar = ib_peer_bar_add(desc);
	if (IS_ERR(bar)) {
		dev_err(desc->device, "%s: cannot be offered: %pe\n",
			node->name, bar);
		return PTR_ERR(bar);
	}
	node->bar = bar;
	dev_info(desc->device, "%s: controller memory buffer, %llu KiB\n",
		 node->name, (u64)desc->size >> 10);
	return 0;
}

void peer_cmb_withdraw(struct peer_cmb_node *node)
{
	ib_peer_bar_remove(node->bar);
	node->bar = NULL;
}

static int __init peer_cmb_init(void)
{
	int ret;

	ret = peer_cmb_own_init();
	if (ret)
		return ret;
	ret = peer_cmb_pool_init();
	if (ret)
		peer_cmb_own_exit();
	return ret;
}

static void __exit peer_cmb_exit(void)
{
	peer_cmb_pool_exit();
	peer_cmb_own_exit();
}

module_init(peer_cmb_init);
module_exit(peer_cmb_exit);

MODULE_DESCRIPTION("Controller memory buffers of NVMe as peer memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION("0.1.0");
