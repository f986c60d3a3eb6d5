/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the sweeps of the exporter's node share: an object that stays, whatever
 * fails, and those that calls make.
 */
#ifndef FN_NODE_H
#define FN_NODE_H

#include <sys/mman.h>

#include "../vram/vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define LENGTH (128 * KIB)
#define SEED 5

/**
 * struct node - the node and its objects
 * @fd, @handle, @map: the object that stays, with pattern SEED
 * @other, @made, @made_map: what a call made, or is to end
 * @flags: of an object that a call makes
 * @domain: where the object that stays is before a call
 * @hoard: the object that leaves no room for another
 */
struct node {
	int fd;
	uint32_t handle;
	char *map;
	int other;
	uint32_t made;
	char *made_map;
	uint32_t flags;
	uint32_t domain;
	uint32_t hoard;
};

/* All return 0 or -errno. */
int node_open(struct node *n);
/* Nothing is left in the video memory. */
int node_close(struct node *n);

/* What an object has, by the owner's own view: the pattern, or zeroes. */
int check_bytes(int fd, uint32_t handle);
int check_zero(int fd, uint32_t handle);
int check_domain(struct node *n, uint32_t handle, uint32_t domain);

/* For sweeps: the object that stays is where and what it was. */
int settle_same(void *node, int ret);

#endif
