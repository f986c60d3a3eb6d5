/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between peer_test_parts.ko and the test programs. No one else may
 * use it.
 *
 * An open file of /dev/peer_test_parts is one buffer of 2 MiB, which is
 * registered through its dma-buf. The CPU cannot map it.
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

/* Reads or writes the data for the owner. */
struct peer_test_parts_rw {
	__u32 offset;
	__u32 length;
	__aligned_u64 buffer;
	__u32 write;
	__u32 reserved;
};

/* Return: a dma-buf. */
#define PEER_TEST_PARTS_EXPORT	_IO(0xba, 0)
/* Resolve these pages read-only, or read-write again. */
#define PEER_TEST_PARTS_PROTECT	_IOW(0xba, 1, struct peer_test_parts_range)
#define PEER_TEST_PARTS_PERMIT	_IOW(0xba, 2, struct peer_test_parts_range)
/* Omit these pages from resolve, or include them again. */
#define PEER_TEST_PARTS_OMIT	_IOW(0xba, 3, struct peer_test_parts_range)
#define PEER_TEST_PARTS_INCLUDE	_IOW(0xba, 4, struct peer_test_parts_range)
/*
 * Moves the pages with their data, and invalidates only that part of each
 * region. The old location is filled with POISON.
 */
#define PEER_TEST_PARTS_MOVE	_IOW(0xba, 5, struct peer_test_parts_range)
#define PEER_TEST_PARTS_RW	_IOW(0xba, 6, struct peer_test_parts_rw)
/* Revokes all present regions. Later registrations succeed. */
#define PEER_TEST_PARTS_REVOKE	_IO(0xba, 8)
/* Return: the number of pages that were written at their old location. */
#define PEER_TEST_PARTS_WRONG	_IO(0xba, 7)

#endif
