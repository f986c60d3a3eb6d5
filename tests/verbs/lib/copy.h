/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Bytes from one buffer into another by an operation of a pair's end 0, and from
 * shadow to shadow by memcpy(), which is done in any case.
 */
#ifndef VT_COPY_H
#define VT_COPY_H

#include "buf.h"
#include "verbs.h"

/* Return: as vt_do(). */
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
/* Into a receive of end 1, whose completion must tell the length: -EBADMSG. */
int vt_copy_by_send(struct vt_pair *pair,
		    struct vt_buf *to, uint64_t to_offset,
		    struct vt_buf *from, uint64_t from_offset,
		    uint32_t length);

#endif
