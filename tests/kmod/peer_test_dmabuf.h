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
	/*
	 * An engine copies the bytes after a move, and a fence says when: from the
	 * first use on, or from the move itself on. A fixed buffer with an engine
	 * moves while nobody has it mapped.
	 */
	PEER_TEST_DMABUF_ENGINE = 1 << 4,
	PEER_TEST_DMABUF_ENGINE_EAGER = 1 << 5,
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
 * @copies:   that the engine began, ever
 * @pending:  fences that have not signalled
 * @wrong:    written after a move to where it was; mapped still after the
 *            notification; mapped outside of an access; written before the engine
 *            had copied
 */
struct peer_test_dmabuf_stats {
	__s32 fd;		/* in */
	__u32 attached;
	__u32 mapped;
	__u32 accesses;
	__u32 maps;
	__u32 copies;
	__u32 pending;
	__u32 wrong;
};

/* Copies of the engine that begin from now on take so long. It begins with 20 ms. */
#define PEER_TEST_DMABUF_UNTIL_FINISH 0xffffffff

struct peer_test_dmabuf_speed {
	__s32 fd;
	__u32 ms;
};

/* A fence that signals at FINISH, as one of the exporter or of a user. */
enum peer_test_dmabuf_fence_usage {
	PEER_TEST_DMABUF_FENCE_KERNEL,
	PEER_TEST_DMABUF_FENCE_WRITE,
	PEER_TEST_DMABUF_FENCE_READ,
};

struct peer_test_dmabuf_fence {
	__s32 fd;
	__u32 usage;
};

/* The bytes, seen by the owner. */
struct peer_test_dmabuf_rw {
	__s32 fd;
	__u32 write;
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer;
};

#define PEER_TEST_DMABUF_CREATE _IOWR(0xd6, 0, struct peer_test_dmabuf_create)
#define PEER_TEST_DMABUF_STATS	_IOWR(0xd6, 1, struct peer_test_dmabuf_stats)
/*
 * These two with a descriptor: elsewhere, with the same bytes; nowhere, also if it
 * is pinned. EBUSY: it is pinned.
 */
#define PEER_TEST_DMABUF_MOVE	_IO(0xd6, 2)
#define PEER_TEST_DMABUF_REVOKE	_IO(0xd6, 3)
#define PEER_TEST_DMABUF_RW	_IOW(0xd6, 4, struct peer_test_dmabuf_rw)
#define PEER_TEST_DMABUF_SPEED	_IOW(0xd6, 5, struct peer_test_dmabuf_speed)
#define PEER_TEST_DMABUF_FENCE	_IOW(0xd6, 6, struct peer_test_dmabuf_fence)
/*
 * With a descriptor: copies under way are done, and all fences signal. Without it a
 * fence signals after 100 seconds at the latest, or at the end of the buffer.
 */
#define PEER_TEST_DMABUF_FINISH	_IO(0xd6, 7)

#endif
