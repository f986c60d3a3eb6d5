// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See attempt.h. */
#include "attempt.h"
#include "hold.h"

static void *attempt_run(void *arg)
{
	struct attempt *attempt = arg;

	attempt->ret = attempt->make(attempt->what);
	return NULL;
}

int attempt_start(struct attempt *attempt, const char *point,
		  int (*make)(void *what), void *what)
{
	int ret = hold_arm(point, HOLD_LONG);

	attempt->point = point;
	attempt->make = make;
	attempt->what = what;
	if (!ret)
		ret = -pthread_create(&attempt->thread, NULL, attempt_run,
				      attempt);
	return ret ? ret : hold_wait(point);
}

int attempt_end(struct attempt *attempt)
{
	hold_let_go(attempt->point);
	pthread_join(attempt->thread, NULL);
	return attempt->ret;
}
