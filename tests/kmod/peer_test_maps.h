/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between peer_test_maps.ko and the test programs. No one else may
 * use it.
 */
#ifndef PEER_TEST_MAPS_H
#define PEER_TEST_MAPS_H

#include <linux/ioctl.h>

/* Location of the driver's memory. */
enum peer_test_place {
	PEER_TEST_BAR,		/* at the start of BAR 2, in order */
	PEER_TEST_SCATTERED,	/* behind that, in reverse order of pages */
	PEER_TEST_SYSTEM,	/* in system memory */
	PEER_TEST_ONE_AWAY,	/* as PEER_TEST_BAR, but for the first page */
	PEER_TEST_NUM_PLACES,
};

#define PEER_TEST_MAPS_LENGTH (512UL << 10)

/* Moves the memory and its data; the argument is the location. */
#define PEER_TEST_IOC_MOVE _IO(0xd4, 32)
/* Returns the number of pages made writable since the last move. */
#define PEER_TEST_IOC_WRITTEN _IO(0xd4, 33)

#endif
