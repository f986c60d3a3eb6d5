/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between peer_test_dmabuf.ko and the test programs. Not an interface for
 * anybody else.
 */
#ifndef PEER_TEST_DMABUF_H
#define PEER_TEST_DMABUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum peer_test_dmabuf_flags {
	PEER_TEST_DMABUF_FIXED = 1 << 0,	/* does not move */
	PEER_TEST_DMABUF_IOMEM = 1 << 1,	/* is called I/O memory */
	PEER_TEST_DMABUF_READ_ONLY = 1 << 2,	/* the descriptor is */
	PEER_TEST_DMABUF_DMA = 1 << 3,		/* has addresses for DMA, too */
};

struct peer_test_dmabuf_create {
	__aligned_u64 length;
	__u32 flags;
	__s32 fd;		/* out */
};

/**
 * struct peer_test_dmabuf_stats - what importers did
 * @attached: now
 * @mapped:   now, for the CPU or for DMA
 * @accesses: begun, not ended
 * @maps:     ever
 * @wrong:    written after a move to where it was; mapped still after the
 *            notification; mapped outside of an access
 */
struct peer_test_dmabuf_stats {
	__s32 fd;		/* in */
	__u32 attached;
	__u32 mapped;
	__u32 accesses;
	__u32 maps;
	__u32 wrong;
};

/* The bytes, seen by the owner. */
struct peer_test_dmabuf_rw {
	__s32 fd;
	__u32 write;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer;
};

#define PEER_TEST_DMABUF_CREATE _IOWR(0xb9, 0, struct peer_test_dmabuf_create)
#define PEER_TEST_DMABUF_STATS	_IOWR(0xb9, 1, struct peer_test_dmabuf_stats)
/*
 * These two with a descriptor: elsewhere, with the same bytes; nowhere, also if it
 * is pinned. EBUSY: it is pinned.
 */
#define PEER_TEST_DMABUF_MOVE	_IO(0xb9, 2)
#define PEER_TEST_DMABUF_REVOKE	_IO(0xb9, 3)
#define PEER_TEST_DMABUF_RW	_IOW(0xb9, 4, struct peer_test_dmabuf_rw)

#endif
