/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Holding a thread of the kernel at a point; see kernel/core/hold.c. Functions
 * return 0 or -errno.
 */
#ifndef HOLD_H
#define HOLD_H

#include <stdbool.h>

#include "lib/proc.h"

/* Time after which a sleeping thread goes on by itself; spoils the test. */
#define HOLD_LONG 20000
/* The same of a spinning one, which nothing else lets go, once it was seen. */
#define HOLD_SPIN 300

/* The next thread that comes to @point stops there, for @ms at most. */
int hold_arm(const char *point, unsigned int ms);
/* Waits until one has come there. */
int hold_wait(const char *point);
int hold_let_go(const char *point);
/* Is it still there? */
bool hold_held(const char *point);
/* How often has anybody come to @point? -1: it cannot be told. */
int hold_passed(const char *point);
/* Accesses wait so long for their pages from now on; 0: as long as ever. */
int hold_fault_timeout(unsigned int ms);

#endif
