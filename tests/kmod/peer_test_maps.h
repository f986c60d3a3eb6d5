/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Between peer_test_maps.ko and the test programs. Not an interface for anybody
 * else.
 */
#ifndef PEER_TEST_MAPS_H
#define PEER_TEST_MAPS_H

#include <linux/ioctl.h>

/* Where the driver's memory is. */
enum peer_test_place {
	PEER_TEST_BAR,		/* at the begin of BAR 2, as it comes */
	PEER_TEST_SCATTERED,	/* behind it, the last page first */
	PEER_TEST_SYSTEM,	/* in system memory */
	PEER_TEST_ONE_AWAY,	/* as it comes, but for the first page */
	PEER_TEST_NUM_PLACES,
};

#define PEER_TEST_MAPS_LENGTH (512UL << 10)

/* Moves it there, with what is in it; the argument is the place. */
#define PEER_TEST_IOC_MOVE _IO(0xd4, 32)
/* Returns how many pages were about to be written since. */
#define PEER_TEST_IOC_WRITTEN _IO(0xd4, 33)

#endif
