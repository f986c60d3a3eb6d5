/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef PEER_CMB_NODE_H
#define PEER_CMB_NODE_H

#include <rdma/ib_peer_bar.h>

/**
 * struct peer_cmb_node - the device node of a controller memory buffer
 * @id:   number of the node, allocated for as long as the controller is known
 * @name: "peer_cmb" and the number
 * @bar:  NULL: not registered at present
 */
struct peer_cmb_node {
	int id;
	char name[32];
	struct ib_peer_bar *bar;
};

/* Allocates the number. Return: 0, or -errno of ida_alloc(). */
int peer_cmb_node_init(struct peer_cmb_node *node);
void peer_cmb_node_fini(struct peer_cmb_node *node);

/*
 * Registers the memory and creates the device node. @desc: all fields but name and
 * owner. Return: 0, or as ib_peer_bar_add().
 */
int peer_cmb_node_register(struct peer_cmb_node *node,
			   struct ib_peer_bar_desc *desc);

/* Ends all use of the memory. Does not wait for users. */
void peer_cmb_node_unregister(struct peer_cmb_node *node);

#endif
