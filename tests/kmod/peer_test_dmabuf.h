/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between peer_test_dmabuf.ko and the test programs. No one else may
 * use it.
 */
#ifndef PEER_TEST_DMABUF_H
#define PEER_TEST_DMABUF_H

#include <linux/ioctl.h>
#include <linux/types.h>

enum peer_test_dmabuf_flags {
	PEER_TEST_DMABUF_FIXED = 1 << 0,	/* does not move */
	PEER_TEST_DMABUF_IOMEM = 1 << 1,	/* is mapped as I/O memory */
	PEER_TEST_DMABUF_READ_ONLY = 1 << 2,	/* the descriptor is read-only */
	PEER_TEST_DMABUF_DMA = 1 << 3,		/* can also be mapped for DMA */
	/*
	 * An engine copies the data after a move, and a fence signals its end.
	 * The copy starts at the first use, or with the move (EAGER). A fixed
	 * buffer with an engine moves while it is not mapped.
	 */
	PEER_TEST_DMABUF_ENGINE = 1 << 4,
	PEER_TEST_DMABUF_ENGINE_EAGER = 1 << 5,
	PEER_TEST_DMABUF_NO_VMAP = 1 << 6,	/* the CPU cannot map it */
};

struct peer_test_dmabuf_create {
	__aligned_u64 length;
	__u32 flags;
	__s32 fd;		/* out */
};

/**
 * struct peer_test_dmabuf_stats - what importers have done
 * @fd:       the dma-buf
 * @attached: current attachments
 * @mapped:   current mappings, for the CPU and for DMA
 * @accesses: CPU accesses that have begun and not ended
 * @maps:     all mappings so far
 * @copies:   all copies that the engine has started
 * @pending:  fences that have not signalled
 * @wrong:    errors: written at the old location after a move, still mapped after
 *            the notification, mapped outside of an access, written before the
 *            engine had copied
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

/* Sets the duration of copies that start later. The default is 20 ms. */
#define PEER_TEST_DMABUF_UNTIL_FINISH 0xffffffff

struct peer_test_dmabuf_speed {
	__s32 fd;
	__u32 ms;
};

/* A fence of the exporter or of a user, which signals at FINISH. */
enum peer_test_dmabuf_fence_usage {
	PEER_TEST_DMABUF_FENCE_KERNEL,
	PEER_TEST_DMABUF_FENCE_WRITE,
	PEER_TEST_DMABUF_FENCE_READ,
};

struct peer_test_dmabuf_fence {
	__s32 fd;
	__u32 usage;
};

/* Reads or writes the data for the owner. */
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
 * Both take a descriptor. MOVE moves the buffer with its data; EBUSY: it is
 * pinned. REVOKE removes it, also if it is pinned.
 */
#define PEER_TEST_DMABUF_MOVE	_IO(0xd6, 2)
#define PEER_TEST_DMABUF_REVOKE	_IO(0xd6, 3)
#define PEER_TEST_DMABUF_RW	_IOW(0xd6, 4, struct peer_test_dmabuf_rw)
#define PEER_TEST_DMABUF_SPEED	_IOW(0xd6, 5, struct peer_test_dmabuf_speed)
#define PEER_TEST_DMABUF_FENCE	_IOW(0xd6, 6, struct peer_test_dmabuf_fence)
/*
 * Takes a descriptor. Completes copies in progress and signals all fences.
 * Otherwise a fence signals after 100 seconds at the latest, or when the buffer
 * is freed.
 */
#define PEER_TEST_DMABUF_FINISH	_IO(0xd6, 7)

#endif
