// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Device nodes /dev/peer_cmb<N>: their numbers, and their registration with
 * ib_peer_bar.
 *
 * A node keeps its number while it is not registered, for example during a reset
 * of the controller.
 */
#include <linux/device.h>
#include <linux/err.h>
#include <linux/idr.h>
#include <linux/module.h>

#include "peer_cmb_node.h"

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

int peer_cmb_node_register(struct peer_cmb_node *node,
			   struct ib_peer_bar_desc *desc)
{
	struct ib_peer_bar *bar;

	desc->name = node->name;
	desc->owner = THIS_MODULE;
	bar = ib_peer_bar_add(desc);
	if (IS_ERR(bar)) {
		dev_err(desc->device, "%s: registration failed: %pe\n",
			node->name, bar);
		return PTR_ERR(bar);
	}
	node->bar = bar;
	dev_info(desc->device, "%s: controller memory buffer, %llu KiB\n",
		 node->name, (u64)desc->size >> 10);
	return 0;
}

void peer_cmb_node_unregister(struct peer_cmb_node *node)
{
	ib_peer_bar_remove(node->bar);
	node->bar = NULL;
}
