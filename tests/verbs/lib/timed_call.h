/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A call in a thread, with a time limit: for calls that must not wait for a missing
 * page or another process.
 */
#ifndef VT_TIMED_CALL_H
#define VT_TIMED_CALL_H

#include <pthread.h>
#include <stdatomic.h>

#include "proc.h"

/* Longer than any call takes on a busy emulated machine. */
#define VT_CALL_TIMEOUT_MS (vt_slow_kernel() ? 60000 : 20000)

/* Must stay valid after -ETIMEDOUT: the thread still uses it. */
struct vt_timed_call {
	int (*function)(void *arg);
	void *arg;
	pthread_t thread;
	atomic_bool done;
	int ret;
};

/* Return: what @function returns, or -ETIMEDOUT; then the thread continues. */
int vt_timed_call(struct vt_timed_call *call, int (*function)(void *arg), void *arg);

#endif
