/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * One call, with its first, its second, ... allocation failing, until it makes
 * no more. After each: it did all or nothing, everything is as before, and the
 * same call works when nothing fails.
 */
#ifndef FN_SWEEP_H
#define FN_SWEEP_H

#include "inject.h"

#define SWEEP_ERRORS 4

/**
 * struct sweep - what to do
 * @name:    for the report
 * @arrange: before each call; nothing fails. NULL: nothing to do
 * @call:    0 or -errno
 * @settle:  after each call, with what it returned: was that true, and is the
 *           data right? Then undoes it all. Return: 0 or -errno
 * @errors:  beside -ENOMEM, what the call may fail with
 * @whom:    whose allocations fail
 * @at_least: so many must have failed, or the sweep proves nothing
 */
struct sweep {
	const char *name;
	int (*arrange)(void *world);
	int (*call)(void *world);
	int (*settle)(void *world, int ret);
	int errors[SWEEP_ERRORS];
	enum inject_whom whom;
	unsigned int at_least;
};

/* Says on stdout how many allocations failed. Return: 0 or -errno. */
int sweep_run(const struct sweep *sweep, void *world);

/*
 * A test that is a sweep of the fixture's world, self->w; what follows the names
 * are members of struct sweep. And one that is, unless it is not for a variant.
 */
#define SWEEP(_fixture, _test, ...)					\
	SWEEP_IF(_fixture, _test, true, "never", __VA_ARGS__)
#define SWEEP_IF(_fixture, _test, _has, _why_not, ...)			\
TEST_F_TIMEOUT(_fixture, _test, 300)					\
{									\
	struct sweep sweep = {						\
		.name = #_fixture "." #_test,				\
		__VA_ARGS__						\
	};								\
									\
	if (!(_has))							\
		SKIP(return, _why_not);					\
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));			\
}

#endif
