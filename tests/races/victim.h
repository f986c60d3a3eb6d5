/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Another process, which gets the place in the video memory that a buffer has left:
 * by an object that takes all that is free, with bytes of its own. It is a process
 * since it allocates while a lock of this one's address space is held. Functions
 * return 0 or -errno.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/mem.h"

struct victim {
	pid_t pid;
	int socket;
};

/* Before there is any memory: a child would keep it. */
int victim_start(struct victim *victim);
/* -ENOENT: the place @bar of the device is not among what it got. */
int victim_take(struct victim *victim, uint64_t bar);
/* Are its bytes its own? -EILSEQ: no. */
int victim_check(struct victim *victim);
void victim_end(struct victim *victim);

/* Where in the device the first byte of @mem is. */
int victim_place(struct vt_mem *mem, uint64_t *bar);

#endif
