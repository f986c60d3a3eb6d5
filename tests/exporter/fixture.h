/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the tests of the kit share. The tests are in headers that exporter_test.c includes,
 * because kselftest_harness.h supports one source file.
 *
 * Most fixtures have a link (lib/link.h) whose buffer "there" is the memory of the node
 * under test, with a pinned or an on-demand MR.
 */
#ifndef EXPORTER_FIXTURE_H
#define EXPORTER_FIXTURE_H

#include <kselftest_harness.h>

#include "../page_size.h"
#include "lib/access_ops.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "node.h"
#include "options.h"

#define PAGE page_size()
#define SIZE et_options.size

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* Variants of a fixture: the kind of MR. */
#define ET_VARIANTS(_fixture)						\
	FIXTURE_VARIANT(_fixture)					\
	{								\
		int on_demand;	/* the access flag, or 0 */		\
	};								\
	FIXTURE_VARIANT_ADD(_fixture, pinned) {};			\
	FIXTURE_VARIANT_ADD(_fixture, on_demand)			\
	{								\
		.on_demand = IBV_ACCESS_ON_DEMAND,			\
	}

static inline void et_open(struct __test_metadata *_metadata,
			   struct vt_link *link, int on_demand)
{
	if (!on_demand && !et_node_can_pin())
		SKIP(return, "the exporter does not pin memory");
	ASSERT_EQ(0, vt_link_open(link, &et_node, SIZE,
				  VT_ACCESS_ALL | on_demand, NULL));
}

/* The exporter has its memory back, whatever the test did. */
static inline void et_close(struct __test_metadata *_metadata,
			    struct vt_link *link)
{
	EXPECT_EQ(0, vt_link_close(link));
	EXPECT_EQ(0, vt_counters_balanced(&et_node));
}

/* All accesses to the memory fail. The shadows are wrong afterwards. */
static inline void et_expect_no_access(struct __test_metadata *_metadata,
				       struct vt_link *link)
{
	struct vt_part part = { .here = 64, .there = PAGE - 9, .length = 100 };
	int i;

	/* WRITE, READ, FETCH_ADD. */
	for (i = 0; i < 3; i++) {
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  vt_access_ops[i].run(link, &part))
			TH_LOG("%s", vt_access_ops[i].name);
		ASSERT_EQ(0, vt_pair_renew(&link->pair));
	}
}

/* A WRITE and a READ across a page boundary, compared. */
static inline void et_expect_access(struct __test_metadata *_metadata,
				    struct vt_link *link)
{
	struct vt_part part = { .here = 11, .there = 2 * PAGE - 9,
				.length = PAGE + 77 };
	int i;

	for (i = 0; i < 2; i++, part.there += PAGE)
		EXPECT_EQ(0, vt_access_ops[i].run(link, &part))
			TH_LOG("%s", vt_access_ops[i].name);
	EXPECT_EQ(0, vt_buf_check_all(&link->there));
}

#endif
