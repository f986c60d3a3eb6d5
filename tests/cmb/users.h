/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Threads that use a device until the use fails, because a test removes the
 * device.
 */
#ifndef TESTS_CMB_USERS_H
#define TESTS_CMB_USERS_H

#include <pthread.h>
#include <stdatomic.h>

/**
 * struct user - a thread that uses a device
 * @use:    called in a loop until it does not return 0
 * @what:   argument of @use
 * @last:   out: last return value of @use
 * @rounds: number of calls of @use so far
 * @thread: the thread
 */
struct user {
	int (*use)(void *what);
	void *what;
	int last;
	atomic_int rounds;
	pthread_t thread;
};

/*
 * Starts all threads and waits until each has called @use twice.
 * Return: 0, -errno, or -ETIMEDOUT.
 */
int users_start(struct user *users, int count, int timeout_ms);
/* Waits until all threads have ended. Return: 0 or -errno. */
int users_join(struct user *users, int count);

#endif
