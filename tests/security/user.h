/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Users without privileges, as the node's rule in udev admits them: a group may
 * open the node, and no capability is needed for anything.
 */
#ifndef TESTS_SECURITY_USER_H
#define TESTS_SECURITY_USER_H

#include <stdint.h>
#include <sys/types.h>

#include <rdma/peer_vram.h>

/* The one who attacks, and another one. */
#define USER_SPY 65534
#define USER_OWNER 65533

/* For the group of both; the virtual machine has no udev. As root. */
int user_grant_node(void);

/*
 * No capabilities, no other groups; for good. The process may still be traced
 * and look at its own /proc/self. Return: 0 or -errno.
 */
int user_become(uid_t uid);

/*
 * Runs @fn as a user in a process of its own.
 * Return: what it returned (0 or a small -errno), -EINTR if it was killed by a
 * signal, -ETIMEDOUT.
 */
int user_run(uid_t uid, int (*fn)(void *arg), void *arg, int timeout_ms);

#endif
