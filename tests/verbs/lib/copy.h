/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Copies bytes from one buffer into another by an operation that end 0 of a pair
 * posts, and from shadow to shadow by memcpy(). The shadow is updated even if the
 * operation fails.
 */
#ifndef VT_COPY_H
#define VT_COPY_H

#include "buf.h"
#include "verbs.h"

/* Return: as vt_post_and_wait(). */
typedef int (*vt_copy_fn)(struct vt_pair *pair,
			  struct vt_buf *to, uint64_t to_offset,
			  struct vt_buf *from, uint64_t from_offset,
			  uint32_t length);

int vt_copy_by_write(struct vt_pair *pair,
		     struct vt_buf *to, uint64_t to_offset,
		     struct vt_buf *from, uint64_t from_offset,
		     uint32_t length);
int vt_copy_by_read(struct vt_pair *pair,
		    struct vt_buf *to, uint64_t to_offset,
		    struct vt_buf *from, uint64_t from_offset,
		    uint32_t length);
/* SEND into a receive of end 1. -EBADMSG: its completion has an error or another length. */
int vt_copy_by_send(struct vt_pair *pair,
		    struct vt_buf *to, uint64_t to_offset,
		    struct vt_buf *from, uint64_t from_offset,
		    uint32_t length);

#endif
