/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A sweep repeats one call. Its first allocation fails, then its second, and so
 * on, until the call makes no more allocations. After each call the sweep
 * checks that the call did everything or nothing, that the state is as before,
 * and that the same call succeeds when no allocation fails.
 */
#ifndef FN_SWEEP_H
#define FN_SWEEP_H

#include "inject.h"

#define SWEEP_ERRORS 4

/**
 * struct sweep - description of a sweep
 * @name:         name in messages
 * @prepare:      runs before each call, without failures. NULL: nothing to do
 * @call:         the call. Return: 0 or -errno
 * @verify:       runs after each call and gets its return value. Checks the
 *                result and the data, and undoes the call. Return: 0 or -errno
 * @errors:       errnos that the call may return besides ENOMEM
 * @target:       the tasks whose allocations fail
 * @min_failures: the sweep fails if fewer allocations have failed
 */
struct sweep {
	const char *name;
	int (*prepare)(void *env);
	int (*call)(void *env);
	int (*verify)(void *env, int ret);
	int errors[SWEEP_ERRORS];
	enum inject_target target;
	unsigned int min_failures;
};

/* Prints the number of failed allocations to stdout. Return: 0 or -errno. */
int sweep_run(const struct sweep *sweep, void *env);

/*
 * Define a test case that is a sweep over self->w. Arguments after the names
 * are initializers of struct sweep. SWEEP_IF skips the test case unless @_has
 * is true.
 */
#define SWEEP(_fixture, _test, ...)					\
	SWEEP_IF(_fixture, _test, true, "never", __VA_ARGS__)
#define SWEEP_IF(_fixture, _test, _has, _reason, ...)			\
TEST_F_TIMEOUT(_fixture, _test, 300)					\
{									\
	struct sweep sweep = {						\
		.name = #_fixture "." #_test,				\
		__VA_ARGS__						\
	};								\
									\
	if (!(_has))							\
		SKIP(return, _reason);					\
	EXPECT_EQ(0, sweep_run(&sweep, &self->w));			\
}

#endif
