/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A memory region of each kind, for sweeps of what is done to it.
 */
#ifndef FN_MR_H
#define FN_MR_H

#include <kselftest_harness.h>

#include "sweep.h"
#include "world.h"

FIXTURE(mr)
{
	struct world w;
};

FIXTURE_VARIANT(mr)
{
	struct world w;
};

#define MR_VARIANT(_name, _kind, _access, ...)				\
	FIXTURE_VARIANT_ADD(mr, _name)					\
	{								\
		.w = {							\
			.kind = &vt_mem_##_kind,			\
			.access = _access,				\
			__VA_ARGS__					\
		},							\
	}

FIXTURE_SETUP(mr)
{
	self->w = variant->w;
	ASSERT_EQ(0, world_open(&self->w));
}

FIXTURE_TEARDOWN(mr)
{
	EXPECT_EQ(0, world_close(&self->w));
}

static inline bool on_demand(const struct world *w)
{
	return w->access & IBV_ACCESS_ON_DEMAND;
}

#endif
