// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See timed_call.h. */
#include <errno.h>
#include <unistd.h>

#include "timed_call.h"
#include "verbs.h"

static void *call_run(void *arg)
{
	struct vt_timed_call *call = arg;

	call->ret = call->function(call->arg);
	atomic_store(&call->done, true);
	return NULL;
}

int vt_timed_call(struct vt_timed_call *call, int (*function)(void *arg), void *arg)
{
	int64_t until = vt_now_ms() + VT_CALL_TIMEOUT_MS;

	call->function = function;
	call->arg = arg;
	atomic_store(&call->done, false);
	if (pthread_create(&call->thread, NULL, call_run, call))
		return -EAGAIN;
	while (!atomic_load(&call->done) && vt_now_ms() < until)
		usleep(5000);
	if (!atomic_load(&call->done))
		return -ETIMEDOUT;
	pthread_join(call->thread, NULL);
	return call->ret;
}
