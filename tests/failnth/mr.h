/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* A fixture with MRs of each kind of memory. */
#ifndef FN_MR_H
#define FN_MR_H

#include <kselftest_harness.h>

#include "sweep.h"
#include "env.h"

FIXTURE(mr)
{
	struct env w;
};

FIXTURE_VARIANT(mr)
{
	struct env w;
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
	ASSERT_EQ(0, env_open(&self->w));
}

FIXTURE_TEARDOWN(mr)
{
	EXPECT_EQ(0, env_close(&self->w));
}

static inline bool on_demand(const struct env *w)
{
	return w->access & IBV_ACCESS_ON_DEMAND;
}

#endif
