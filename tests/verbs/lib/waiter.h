/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A process whose operations wait for pages that never arrive. The test holds a
 * duplicate of the userfaultfd, so that the waits do not end with the process.
 */
#ifndef VT_WAITER_H
#define VT_WAITER_H

#include <sys/types.h>

/*
 * @socket: receives descriptors and then the result of the process
 * @mrs: number of MRs before the start
 */
struct vt_waiter {
	pid_t pid;
	int socket;
	int mrs;
};

/*
 * Starts the process, which the kernel kills when the caller ends. @wait runs in it:
 * it sends descriptors over the socket (vt_send_fd()), and returns 0 when all
 * operations wait, or -errno. Return: 0 or -errno.
 */
int vt_waiter_start(struct vt_waiter *waiter, int (*wait)(int socket));

/* Call it after receiving the descriptors. Return: what @wait returned, or -EIO. */
int vt_waiter_ready(struct vt_waiter *waiter);

/* Kills the process. Return: 0 if it and its MRs are gone, or -ETIMEDOUT. */
int vt_waiter_kill(struct vt_waiter *waiter);

#endif
