/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Controls the hold points of the kernel through debugfs (see
 * kernel/core/hold_point.c). Functions return 0 or -errno.
 */
#ifndef HOLD_H
#define HOLD_H

#include <stdbool.h>

#include "lib/proc.h"

/*
 * Timeout of a held thread that sleeps, in ms. A thread that reaches it
 * continues, and the test fails.
 */
#define HOLD_LONG 20000
/*
 * The same for a thread that spins, in ms. Nothing else may be able to release
 * it. The time starts when a test has seen the thread held.
 */
#define HOLD_SPIN 300

/* Stops the next thread that reaches @point, for at most @ms. */
int hold_arm(const char *point, unsigned int ms);
/* Waits until a thread is held at @point. */
int hold_wait(const char *point);
int hold_release(const char *point);
/* Return: true while a thread is held at @point. */
bool hold_is_held(const char *point);
/* Return: how many times threads have reached @point, or -1 if unknown. */
int hold_count(const char *point);
/*
 * Sets how long an access waits for its pages, in ms. 0 restores the default.
 */
int hold_set_fault_timeout(unsigned int ms);

#endif
