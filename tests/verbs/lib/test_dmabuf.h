/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Calls of peer_test_dmabuf.ko for memory of its kinds (vt_mem_moving and others).
 * Functions return 0 or -errno.
 */
#ifndef VT_TEST_DMABUF_H
#define VT_TEST_DMABUF_H

#include "../../kmod/peer_test_dmabuf.h"
#include "mem.h"

int vt_test_dmabuf_stats(const struct vt_mem *mem,
			 struct peer_test_dmabuf_stats *stats);
/* @ms: duration of later copies of the engine, or PEER_TEST_DMABUF_UNTIL_FINISH */
int vt_test_dmabuf_speed(const struct vt_mem *mem, uint32_t ms);
/* Adds a fence that vt_test_dmabuf_finish() signals. */
int vt_test_dmabuf_fence(const struct vt_mem *mem,
			 enum peer_test_dmabuf_fence_usage usage);
/* Ends the current copies and signals all fences. */
int vt_test_dmabuf_finish(const struct vt_mem *mem);

#endif
