/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A process whose operations wait for pages that never come: what they would come by
 * is a descriptor that the test has, too, so that it does not end with the process.
 */
#ifndef VT_WAITER_H
#define VT_WAITER_H

#include <sys/types.h>

/* @socket: the descriptors come by it, and then how it went. @mrs: there were before */
struct vt_waiter {
	pid_t pid;
	int socket;
	int mrs;
};

/*
 * Starts it. @wait: sends descriptors over the socket (vt_send_fd()), and returns 0
 * when all wait, or -errno. It ends with the caller. Return: 0 or -errno.
 */
int vt_waiter_start(struct vt_waiter *waiter, int (*wait)(int socket));

/* Once its descriptors were received. Return: what @wait did, or -EIO. */
int vt_waiter_ready(struct vt_waiter *waiter);

/* Kills it. Return: 0 it is gone, and so are its registrations; or -ETIMEDOUT. */
int vt_waiter_kill(struct vt_waiter *waiter);

#endif
