/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A call that must not wait for what never comes: a page, another process.
 */
#ifndef VT_SOON_H
#define VT_SOON_H

#include <pthread.h>
#include <stdatomic.h>

#include "proc.h"

/* What no call takes, on a busy emulated machine. */
#define VT_SOON_MS (vt_slow_kernel() ? 60000 : 20000)

/* Must stay there when the call did not end. */
struct vt_call {
	int (*make)(void *what);
	void *what;
	pthread_t thread;
	atomic_bool done;
	int ret;
};

/* Return: what the call did, or -ETIMEDOUT: it goes on. */
int vt_call_soon(struct vt_call *call, int (*make)(void *what), void *what);

#endif
