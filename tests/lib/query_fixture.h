/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What query tests need besides the memory under test: the character device, an RDMA
 * device, two connected queue pairs, and a pinned buffer of system memory for the
 * requester.
 */
#ifndef TESTS_LIB_QUERY_FIXTURE_H
#define TESTS_LIB_QUERY_FIXTURE_H

#include "lib/verbs.h"

struct query_fixture {
	int fd;
	struct vt_dev dev;
	struct vt_pair pair;
	uint8_t *buffer;
	struct ibv_mr *mr;
};

/* A member of a harness fixture: as @common, and each field by its own name. */
#define QUERY_FIXTURE							\
	union {								\
		struct query_fixture common;				\
		struct {						\
			int fd;						\
			struct vt_dev dev;				\
			struct vt_pair pair;				\
			uint8_t *buffer;				\
			struct ibv_mr *mr;				\
		};							\
	}

/* @access: access flags of @mr, over RANGE_SIZE bytes. Return: 0 or -errno. */
int query_fixture_open(struct query_fixture *fixture, int access);
/* Return: 0 or the result of ibv_dereg_mr(). */
int query_fixture_close(struct query_fixture *fixture);

#endif
