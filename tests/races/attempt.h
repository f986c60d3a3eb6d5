/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A call in a thread of its own, that is held in the kernel or has to wait there.
 */
#ifndef ATTEMPT_H
#define ATTEMPT_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>

struct attempt {
	pthread_t thread;
	const char *point;
	int (*make)(void *what);
	void *what;
	sem_t go;
	bool cancelled;
	atomic_bool done;
	int ret;
};

/*
 * Makes the thread, which waits for attempt_go(): a new thread's stack needs
 * mmap_lock, which may be held later. Return: 0 or -errno.
 */
int attempt_prepare(struct attempt *attempt, int (*make)(void *what),
		    void *what);
void attempt_go(struct attempt *attempt);
/* Waits until it is over. Return: what @make did. */
int attempt_join(struct attempt *attempt);
/* The end of one that did not go. */
void attempt_cancel(struct attempt *attempt);
/* Is it over? */
bool attempt_is_done(struct attempt *attempt);

/* Both; returns when the kernel holds it at @point. Return: 0 or -errno. */
int attempt_start(struct attempt *attempt, const char *point,
		  int (*make)(void *what), void *what);
/* Lets it go. Return: what @make did. */
int attempt_end(struct attempt *attempt);

#endif
