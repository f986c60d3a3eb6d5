/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Users without privileges that the udev rule admits: a group may open the
 * device file, and no capability is needed.
 */
#ifndef TESTS_SECURITY_USER_H
#define TESTS_SECURITY_USER_H

#include <stdint.h>
#include <sys/types.h>

#include <rdma/peer_vram.h>

/* The attacker, and another user. */
#define USER_ATTACKER 65534
#define USER_OWNER 65533

/*
 * Lets the group of both users open the device file. The virtual machine has no
 * udev. Call it as root.
 */
int user_grant_device(void);

/*
 * Drops all capabilities and other groups, permanently. The process can still
 * be traced and can read its own /proc/self. Return: 0 or -errno.
 */
int user_become(uid_t uid);

/*
 * Runs @fn as a user in a child process. Return: the return value of @fn (0 or
 * a small -errno), -EINTR if a signal killed the child, or -ETIMEDOUT.
 */
int user_run(uid_t uid, int (*fn)(void *arg), void *arg, int timeout_ms);

#endif
