/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The setup of most tests of operations: a device, two connected queue pairs, and a
 * registered buffer on each side. "here" is host memory on the requester's side,
 * "there" is the memory under test on the responder's side.
 */
#ifndef VT_LINK_H
#define VT_LINK_H

#include "buf.h"
#include "verbs.h"

struct vt_link {
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf here;
	struct vt_buf there;
};

/* For a fixture: the whole as @link, and each member by its own name. */
#define VT_LINK								\
	union {								\
		struct vt_link link;					\
		struct {						\
			struct vt_dev dev;				\
			struct vt_pair pair;				\
			struct vt_buf here;				\
			struct vt_buf there;				\
		};							\
	}

/*
 * Fills the buffer here with stream 1, the buffer there with stream 2.
 * @access: flags of the MR there, 0: the default; @opts: options of the pair, NULL:
 * the defaults. Return: 0 or -errno.
 */
int vt_link_open(struct vt_link *link, const struct vt_mem_kind *there,
		 size_t length, int access, const struct vt_pair_opts *opts);
/* A buffer may be closed already. Return: 0 or -errno of a deregistration. */
int vt_link_close(struct vt_link *link);

/* Variants of a fixture: kind of memory, with a pinned or an on-demand MR. */
#define VT_VARIANTS(_fixture)						\
	FIXTURE_VARIANT(_fixture)					\
	{								\
		const struct vt_mem_kind *kind;				\
		int on_demand;	/* the access flag, or 0 */		\
	}

#define VT_PINNED(_fixture, _memory)					\
	FIXTURE_VARIANT_ADD(_fixture, _memory)				\
	{								\
		.kind = &vt_mem_##_memory,				\
	}

#define VT_ON_DEMAND(_fixture, _memory)					\
	FIXTURE_VARIANT_ADD(_fixture, on_demand_##_memory)		\
	{								\
		.kind = &vt_mem_##_memory,				\
		.on_demand = IBV_ACCESS_ON_DEMAND,			\
	}

#endif
