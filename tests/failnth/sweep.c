// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See sweep.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/proc.h"
#include "state.h"
#include "sweep.h"

/* More than any call makes; a sweep that comes here does not end. */
#define ROUNDS 5000
/* For a worker that came into being meanwhile. */
#define TRIES 20

struct count {
	unsigned int allocations;
	unsigned int errors;
};

static bool may_fail_so(const struct sweep *sweep, int ret)
{
	int i;

	for (i = 0; i < SWEEP_ERRORS; i++)
		if (sweep->errors[i] && ret == -sweep->errors[i])
			return true;
	return ret == -ENOMEM;
}

static int complain(const struct sweep *sweep, unsigned int n,
		    const char *what, int ret)
{
	fprintf(stderr, "# %s, allocation %u: %s: %s\n", sweep->name, n, what,
		strerror(-ret));
	return ret < 0 ? ret : -EPROTO;
}

/* @n: 0: nothing fails. Return: as inject_disarm(), or -errno. */
static int round_once(const struct sweep *sweep, struct inject *in,
		      void *world, unsigned int n, int *result)
{
	int injected = 0;
	int ret = 0;

	if (sweep->arrange)
		ret = sweep->arrange(world);
	if (ret)
		return complain(sweep, n, "before the call", ret);
	if (n)
		ret = inject_arm(in, n);
	if (ret)
		return complain(sweep, n, "injection", ret);
	*result = sweep->call(world);
	if (n)
		injected = inject_disarm(in);
	if (injected < 0 && injected != -EAGAIN)
		return complain(sweep, n, "injection", injected);
	if (*result && !injected)
		return complain(sweep, n, "fails for no reason", *result);
	if (*result && !may_fail_so(sweep, *result))
		return complain(sweep, n, "fails with", *result);
	ret = sweep->settle(world, *result);
	if (ret)
		return complain(sweep, n, "after the call", ret);
	return injected;
}

/* Return: 1 an allocation failed, 0 there is no such, -errno. */
static int round_failing(const struct sweep *sweep, struct inject *in,
			 void *world, unsigned int n, int *result)
{
	int tries, ret = -EAGAIN;

	for (tries = 0; ret == -EAGAIN && tries < TRIES; tries++)
		ret = round_once(sweep, in, world, n, result);
	return ret;
}

static int round_plain(const struct sweep *sweep, struct inject *in,
		       void *world, const struct state *before, unsigned int n)
{
	int result, ret;

	ret = state_same(before);
	if (ret)
		return complain(sweep, n, "left behind", ret);
	ret = round_once(sweep, in, world, 0, &result);
	if (ret)
		return complain(sweep, n, "the call after it", ret);
	return 0;
}

static int rounds(const struct sweep *sweep, struct inject *in, void *world,
		  struct count *count)
{
	struct state before;
	unsigned int n;
	int result, ret;

	/* Once as it is: what comes once and stays is there from now on. */
	ret = round_once(sweep, in, world, 0, &result);
	if (!ret)
		ret = state_read(&before);
	for (n = 1; !ret && n < ROUNDS; n++) {
		ret = round_failing(sweep, in, world, n, &result);
		if (ret <= 0)
			break;
		count->allocations++;
		count->errors += !!result;
		ret = round_plain(sweep, in, world, &before, n);
	}
	if (n == ROUNDS)
		ret = -E2BIG;
	return ret ? ret : state_same(&before);
}

int sweep_run(const struct sweep *sweep, void *world)
{
	int64_t begin = vt_now_ms();
	struct count count = {};
	struct inject in;
	int ret;

	ret = inject_open(&in);
	if (ret)
		return ret;
	ret = inject_aim(&in, sweep->whom);
	if (!ret)
		ret = rounds(sweep, &in, world, &count);
	inject_aim(&in, INJECT_SELF);
	inject_close(&in);
	printf("# %s: %u allocations failed, so did %u calls (%lld ms)\n",
	       sweep->name, count.allocations, count.errors,
	       (long long)(vt_now_ms() - begin));
	fflush(stdout);
	if (!ret && count.allocations < sweep->at_least)
		ret = complain(sweep, count.allocations, "too few", -ENODATA);
	return ret;
}
