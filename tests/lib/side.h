/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What tests of questions have beside the memory that they ask about: the node, a
 * device, and a pinned buffer of system memory where accesses come from.
 */
#ifndef TESTS_LIB_SIDE_H
#define TESTS_LIB_SIDE_H

#include "lib/verbs.h"

struct side {
	int fd;
	struct vt_dev dev;
	struct vt_pair pair;
	uint8_t *buffer;
	struct ibv_mr *mr;
};

/* In a fixture: all of it as @side, and each part by its own name. */
#define SIDE								\
	union {								\
		struct side side;					\
		struct {						\
			int fd;						\
			struct vt_dev dev;				\
			struct vt_pair pair;				\
			uint8_t *buffer;				\
			struct ibv_mr *mr;				\
		};							\
	}

/* @access: of @mr, over RANGE_SIZE bytes. Return: 0 or -errno. */
int side_open(struct side *side, int access);
/* Return: 0 or what ibv_dereg_mr() said. */
int side_close(struct side *side);

#endif
