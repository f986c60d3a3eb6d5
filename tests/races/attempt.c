// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See attempt.h. */
#include <errno.h>
#include <string.h>

#include "attempt.h"
#include "hold.h"

static void *attempt_run(void *arg)
{
	struct attempt *attempt = arg;

	while (sem_wait(&attempt->go) && errno == EINTR)
		;
	if (!attempt->cancelled)
		attempt->ret = attempt->make(attempt->what);
	atomic_store(&attempt->done, true);
	return NULL;
}

int attempt_prepare(struct attempt *attempt, int (*make)(void *what),
		    void *what)
{
	memset(attempt, 0, sizeof(*attempt));
	attempt->make = make;
	attempt->what = what;
	sem_init(&attempt->go, 0, 0);
	return -pthread_create(&attempt->thread, NULL, attempt_run, attempt);
}

void attempt_go(struct attempt *attempt)
{
	sem_post(&attempt->go);
}

int attempt_join(struct attempt *attempt)
{
	pthread_join(attempt->thread, NULL);
	sem_destroy(&attempt->go);
	return attempt->ret;
}

void attempt_cancel(struct attempt *attempt)
{
	attempt->cancelled = true;
	attempt_go(attempt);
	attempt_join(attempt);
}

bool attempt_is_done(struct attempt *attempt)
{
	return atomic_load(&attempt->done);
}

int attempt_start(struct attempt *attempt, const char *point,
		  int (*make)(void *what), void *what)
{
	int ret = attempt_prepare(attempt, make, what);

	if (ret)
		return ret;
	attempt->point = point;
	ret = hold_arm(point, HOLD_LONG);
	if (ret) {
		attempt_cancel(attempt);
		return ret;
	}
	attempt_go(attempt);
	return hold_wait(point);
}

int attempt_end(struct attempt *attempt)
{
	hold_release(attempt->point);
	return attempt_join(attempt);
}
