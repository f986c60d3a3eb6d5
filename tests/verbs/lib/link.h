/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Most that a test of operations needs: a device, two queue pairs, and a
 * registered buffer for each: here, where the requester is, of host memory, and
 * there, where the responder is, of the memory that is tested.
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

/* In a fixture: all of it as @link, and each part by its own name. */
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
 * Both buffers are filled, with streams 1 and 2.
 * @opts: of the pair, @access: of the MR there; NULL and 0 are good defaults
 * Return: 0 or -errno.
 */
int vt_link_open(struct vt_link *link, const struct vt_mem_kind *there,
		 size_t length, int access, const struct vt_pair_opts *opts);
/* A buffer may be closed before. Return: 0 or what an MR's end said. */
int vt_link_close(struct vt_link *link);

/* Variants of a fixture: by memory, and whether its MR is on demand. */
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
