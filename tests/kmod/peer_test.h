/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Interface between the PeerDirect test modules and the test programs. It
 * changes with the tests; no one else may use it.
 *
 * An open file of /dev/peer_test_mem is one object. The first mmap() sets its
 * length.
 */
#ifndef PEER_TEST_H
#define PEER_TEST_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Counters of calls into the client, and of errors in them. */
enum peer_test_count {
	PEER_TEST_ACQUIRE,
	PEER_TEST_ACQUIRED,	/* acquire() that claimed the range */
	PEER_TEST_GET_PAGES,
	PEER_TEST_DMA_MAP,
	PEER_TEST_GET_PAGE_SIZE,
	PEER_TEST_DMA_UNMAP,
	PEER_TEST_PUT_PAGES,
	PEER_TEST_RELEASE,
	PEER_TEST_SELF_UNMAP,	/* by the client, after an invalidation */
	PEER_TEST_LATE_UNMAP,	/* by the core, after the client has unmapped */
	PEER_TEST_INVALIDATE,	/* calls of the core's callback */
	/*
	 * release() while the client still unmaps by itself. Clients must
	 * accept it during deregistration, but not otherwise.
	 */
	PEER_TEST_EARLY_RELEASE,
	PEER_TEST_ERR_ORDER,	/* a call out of order, or twice */
	PEER_TEST_ERR_TABLE,	/* not the sg_table of dma_map() */
	PEER_TEST_ERR_DEVICE,	/* no DMA device, or another one */
	PEER_TEST_ERR_CONTRACT,	/* still mapped after the callback */
	PEER_TEST_ERR_ARGUMENT,	/* arguments other than the API specifies */
	PEER_TEST_NUM_COUNTS,
};

struct peer_test_stats {
	__aligned_u64 count[PEER_TEST_NUM_COUNTS];
};

/*
 * An event that happens once, for the next range of this file's object: a call
 * fails, or the range is invalidated during registration.
 */
enum peer_test_event {
	PEER_TEST_NO_EVENT,
	PEER_TEST_FAIL_ACQUIRE,
	PEER_TEST_FAIL_GET_PAGES,
	PEER_TEST_FAIL_DMA_MAP,
	PEER_TEST_INVALIDATE_WITHIN,	/* by get_pages() itself */
	PEER_TEST_INVALIDATE_BESIDE,	/* by another thread, before dma_map() */
	PEER_TEST_INVALIDATE_ASKED,	/* by get_page_size() itself */
};

struct peer_test_plan {
	__u32 event;		/* enum peer_test_event */
	__s32 error;		/* -ERRNO of the failure */
};

struct peer_test_rw {
	__aligned_u64 offset;
	__aligned_u64 length;
	__aligned_u64 buffer;
	__u32 write;
	__u32 reserved;
};

/*
 * Calls into a client for one range, in order, one letter each (see clients.h).
 * Ranges are numbered from 1 in the order of acquire(). Range 0 has the
 * acquire() calls that claimed no range.
 */
#define PEER_TEST_MAX_RANGES 64
#define PEER_TEST_MAX_CALLS  56

struct peer_test_calls {
	__u32 range;		/* in */
	__u32 ranges;		/* number of ranges */
	char calls[PEER_TEST_MAX_CALLS];
};

#define PEER_TEST_IOC_STATS	 _IOR(0xd4, 0, struct peer_test_stats)
#define PEER_TEST_IOC_CLEAR	 _IO(0xd4, 1)
#define PEER_TEST_IOC_RW	 _IOW(0xd4, 2, struct peer_test_rw)
#define PEER_TEST_IOC_PLAN	 _IOW(0xd4, 3, struct peer_test_plan)
/* Invalidates all pinned ranges of the object. */
#define PEER_TEST_IOC_INVALIDATE _IO(0xd4, 4)
/*
 * Places the object at this address of the process without a mapping: memory
 * that only devices can access. 0 ends that. Closing the file invalidates the
 * memory of a placed object.
 */
#define PEER_TEST_IOC_PLACE	 _IOW(0xd4, 5, __u64)
#define PEER_TEST_IOC_CALLS	 _IOWR(0xd4, 6, struct peer_test_calls)

#endif
