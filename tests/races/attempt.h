/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A call that runs in its own thread. The kernel holds it at a hold point, or
 * makes it wait.
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
 * Creates the thread, which waits for attempt_go(). Create it early: the stack
 * of a new thread needs mmap_lock, which another thread may hold later. Return:
 * 0 or -errno.
 */
int attempt_prepare(struct attempt *attempt, int (*make)(void *what),
		    void *what);
void attempt_go(struct attempt *attempt);
/* Waits for the end of the call. Return: the return value of @make. */
int attempt_join(struct attempt *attempt);
/* Ends an attempt that was prepared and never started. */
void attempt_cancel(struct attempt *attempt);
/* Return: true if the call has returned. */
bool attempt_is_done(struct attempt *attempt);

/*
 * Prepares and starts the call. Returns when the kernel holds it at @point.
 * Return: 0 or -errno.
 */
int attempt_start(struct attempt *attempt, const char *point,
		  int (*make)(void *what), void *what);
/* Releases the hold point and waits. Return: the return value of @make. */
int attempt_end(struct attempt *attempt);

#endif
