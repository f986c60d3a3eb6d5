/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Users that go on until they fail, each a thread: for what goes away under them.
 */
#ifndef TESTS_CMB_USERS_H
#define TESTS_CMB_USERS_H

#include <pthread.h>
#include <stdatomic.h>

/**
 * struct user - one of them
 * @use:  what it does again and again, until that is not 0
 * @what: for @use
 * @last: what @use returned last
 */
struct user {
	int (*use)(void *what);
	void *what;
	int last;
	atomic_int rounds;
	pthread_t thread;
};

/*
 * Starts all, and waits until each is at work.
 * Return: 0, -errno, or -ETIMEDOUT: one is not.
 */
int users_start(struct user *users, int count, int timeout_ms);
/* Until all have failed. Return: 0 or -errno. */
int users_join(struct user *users, int count);

#endif
