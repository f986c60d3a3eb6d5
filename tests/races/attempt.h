/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A call that is held in the kernel, in a thread of its own.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include <pthread.h>

struct attempt {
	pthread_t thread;
	const char *point;
	int (*make)(void *what);
	void *what;
	int ret;
};

/* Starts it; returns when the kernel holds it at @point. Return: 0 or -errno. */
int attempt_start(struct attempt *attempt, const char *point,
		  int (*make)(void *what), void *what);
/* Lets it go. Return: what @make did. */
int attempt_end(struct attempt *attempt);

#endif
