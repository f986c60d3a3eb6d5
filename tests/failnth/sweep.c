// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See sweep.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/proc.h"
#include "state.h"
#include "sweep.h"

/* More than the allocations of any call: the sweep does not end. */
#define ROUNDS 5000
/* Retries for the case that a new kworker has started meanwhile. */
#define TRIES 20

struct count {
	unsigned int allocations;
	unsigned int errors;
};

static bool is_expected_error(const struct sweep *sweep, int ret)
{
	int i;

	for (i = 0; i < SWEEP_ERRORS; i++)
		if (sweep->errors[i] && ret == -sweep->errors[i])
			return true;
	return ret == -ENOMEM;
}

static int sweep_error(const struct sweep *sweep, unsigned int n,
		    const char *what, int ret)
{
	fprintf(stderr, "# %s, allocation %u: %s: %s\n", sweep->name, n, what,
		strerror(-ret));
	return ret < 0 ? ret : -EPROTO;
}

/* @n: 0 if no allocation fails. Return: as inject_disarm(), or -errno. */
static int run_once(const struct sweep *sweep, struct inject *in,
		      void *env, unsigned int n, int *result)
{
	int injected = 0;
	int ret = 0;

	if (sweep->prepare)
		ret = sweep->prepare(env);
	if (ret)
		return sweep_error(sweep, n, "setup", ret);
	if (n)
		ret = inject_arm(in, n);
	if (ret)
		return sweep_error(sweep, n, "injection", ret);
	*result = sweep->call(env);
	if (n)
		injected = inject_disarm(in);
	if (injected < 0 && injected != -EAGAIN)
		return sweep_error(sweep, n, "injection", injected);
	if (*result && !injected)
		return sweep_error(sweep, n, "failed without injection",
				   *result);
	if (*result && !is_expected_error(sweep, *result))
		return sweep_error(sweep, n, "unexpected error", *result);
	ret = sweep->verify(env, *result);
	if (ret)
		return sweep_error(sweep, n, "verification", ret);
	return injected;
}

/*
 * Return: 1 if an allocation failed, 0 if there is no such allocation, -errno.
 */
static int run_with_failure(const struct sweep *sweep, struct inject *in,
			 void *env, unsigned int n, int *result)
{
	int tries, ret = -EAGAIN;

	for (tries = 0; ret == -EAGAIN && tries < TRIES; tries++)
		ret = run_once(sweep, in, env, n, result);
	return ret;
}

static int run_without_failure(const struct sweep *sweep, struct inject *in,
		       void *env, const struct state *before, unsigned int n)
{
	int result, ret;

	ret = state_same(before);
	if (ret)
		return sweep_error(sweep, n, "state has changed", ret);
	ret = run_once(sweep, in, env, 0, &result);
	if (ret)
		return sweep_error(sweep, n, "next call", ret);
	return 0;
}

static int run_rounds(const struct sweep *sweep, struct inject *in, void *env,
		  struct count *count)
{
	struct state before;
	unsigned int n;
	int result, ret;

	/*
	 * The first call may make permanent allocations. It is not part of the
	 * sweep.
	 */
	ret = run_once(sweep, in, env, 0, &result);
	if (!ret)
		ret = state_read(&before);
	for (n = 1; !ret && n < ROUNDS; n++) {
		ret = run_with_failure(sweep, in, env, n, &result);
		if (ret <= 0)
			break;
		count->allocations++;
		count->errors += !!result;
		ret = run_without_failure(sweep, in, env, &before, n);
	}
	if (n == ROUNDS)
		ret = -E2BIG;
	return ret ? ret : state_same(&before);
}

int sweep_run(const struct sweep *sweep, void *env)
{
	int64_t begin = vt_now_ms();
	struct count count = {};
	struct inject in;
	int ret;

	ret = inject_open(&in);
	if (ret)
		return ret;
	ret = inject_set_target(&in, sweep->target);
	if (!ret)
		ret = run_rounds(sweep, &in, env, &count);
	inject_set_target(&in, INJECT_SELF);
	inject_close(&in);
	printf("# %s: %u allocations failed, %u calls failed (%lld ms)\n",
	       sweep->name, count.allocations, count.errors,
	       (long long)(vt_now_ms() - begin));
	fflush(stdout);
	if (!ret && count.allocations < sweep->min_failures)
		ret = sweep_error(sweep, count.allocations,
				  "too few failures", -ENODATA);
	return ret;
}
