/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Allocations of the kernel that fail on purpose: number n of a task, by
 * /proc/<pid>/fail-nth.
 *
 * with_injection.sh has set the knobs; without it nothing here works.
 */
#ifndef FN_INJECT_H
#define FN_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

#define INJECT_WORKERS 256
/* Descriptors of this module; a caller that looks for lost ones looks below. */
#define INJECT_FIRST_FD 512

/* Whose allocations. */
enum inject_whom {
	INJECT_SELF,		/* the calling thread's, all of them */
	INJECT_SELF_IN_CORE,	/* its, below functions of ib_peer_mem */
	INJECT_SELF_IN_VRAM,	/* its, below functions of peer_vram */
	INJECT_WORKERS_IN_CORE,	/* kworkers', below functions of ib_peer_mem */
};

/*
 * @self:    of the thread that called inject_open()
 * @workers: kworkers that are known, up to process @newest
 */
struct inject {
	enum inject_whom whom;
	int self;
	struct {
		pid_t pid;
		int fd;
	} workers[INJECT_WORKERS];
	int num_workers;
	pid_t newest;
};

/* Return: 0, -EOPNOTSUPP the kernel cannot or the knobs are not set, -errno. */
int inject_open(struct inject *in);
void inject_close(struct inject *in);

/* Who is meant from now on. */
int inject_aim(struct inject *in, enum inject_whom whom);

/* Allocation number @n from now on fails. Return: 0 or -errno. */
int inject_arm(struct inject *in, unsigned int n);

/*
 * No more of that. Return: 1 an allocation did fail, 0 there were not so many,
 * -EAGAIN there is a worker that was not aimed at, so who knows; -errno.
 */
int inject_disarm(struct inject *in);

#endif
