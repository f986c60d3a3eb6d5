/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between peer_test_parts.ko and the test programs. Not an interface for anybody
 * else.
 *
 * An open file of /dev/peer_test_parts is one buffer of 2 MiB, registered by its
 * dma-buf. The CPU maps nothing of it.
 */
#ifndef PEER_TEST_PARTS_H
#define PEER_TEST_PARTS_H

#include <linux/ioctl.h>
#include <linux/types.h>

#define PEER_TEST_PARTS_LENGTH (2UL << 20)

/* A range of pages. */
struct peer_test_parts_range {
	__u32 first;
	__u32 count;
};

/* The bytes, seen by the owner. */
struct peer_test_parts_rw {
	__u32 offset;
	__u32 length;
	__aligned_u64 buffer;
	__u32 write;
	__u32 reserved;
};

/* Return: a dma-buf. */
#define PEER_TEST_PARTS_SHARE	_IO(0xba, 0)
/* These pages are answered for reading only, or for writing again. */
#define PEER_TEST_PARTS_PROTECT	_IOW(0xba, 1, struct peer_test_parts_range)
#define PEER_TEST_PARTS_PERMIT	_IOW(0xba, 2, struct peer_test_parts_range)
/* Nothing is said of these, or something again. */
#define PEER_TEST_PARTS_OMIT	_IOW(0xba, 3, struct peer_test_parts_range)
#define PEER_TEST_PARTS_TELL	_IOW(0xba, 4, struct peer_test_parts_range)
/*
 * They go to another place, with their bytes, and only their part of each region is
 * invalidated. Where they were is filled.
 */
#define PEER_TEST_PARTS_MOVE	_IOW(0xba, 5, struct peer_test_parts_range)
#define PEER_TEST_PARTS_RW	_IOW(0xba, 6, struct peer_test_parts_rw)
/* All regions that there are end; later ones are as good as ever. */
#define PEER_TEST_PARTS_REVOKE	_IO(0xba, 8)
/* Return: how many pages were written where they are not any more. */
#define PEER_TEST_PARTS_WRONG	_IO(0xba, 7)

#endif
