// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See soon.h. */
#include <errno.h>
#include <unistd.h>

#include "soon.h"
#include "verbs.h"

static void *call_run(void *arg)
{
	struct vt_call *call = arg;

	call->ret = call->make(call->what);
	atomic_store(&call->done, true);
	return NULL;
}

int vt_call_soon(struct vt_call *call, int (*make)(void *what), void *what)
{
	int64_t until = vt_now_ms() + VT_SOON_MS;

	call->make = make;
	call->what = what;
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
