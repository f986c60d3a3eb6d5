/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Fault injection: makes allocation number n of a task fail, through
 * /proc/<pid>/fail-nth. It needs the settings of with_injection.sh.
 */
#ifndef FN_INJECT_H
#define FN_INJECT_H

#include <stdbool.h>
#include <sys/types.h>

#define INJECT_WORKERS 256
/*
 * Lowest file descriptor of this module. A caller that looks for leaked
 * descriptors looks below it.
 */
#define INJECT_FIRST_FD 512

/* The tasks whose allocations fail. */
enum inject_target {
	INJECT_SELF,		/* the calling thread, all allocations */
	INJECT_SELF_IN_CORE,	/* the calling thread, below functions of ib_peer_mem */
	INJECT_SELF_IN_VRAM,	/* the calling thread, below functions of peer_vram */
	INJECT_WORKERS_IN_CORE,	/* kworkers, below functions of ib_peer_mem */
};

/*
 * @self:    fail-nth of the thread that called inject_open()
 * @workers: known kworkers, up to process ID @newest
 */
struct inject {
	enum inject_target target;
	int self;
	struct {
		pid_t pid;
		int fd;
	} workers[INJECT_WORKERS];
	int num_workers;
	pid_t newest;
};

/*
 * Return: 0, -EOPNOTSUPP if the kernel has no fault injection or the settings
 * are missing, or -errno.
 */
int inject_open(struct inject *in);
void inject_close(struct inject *in);

/* Selects the tasks whose allocations fail from now on. */
int inject_set_target(struct inject *in, enum inject_target target);

/* Makes allocation number @n from now on fail. Return: 0 or -errno. */
int inject_arm(struct inject *in, unsigned int n);

/*
 * Stops the injection. Return: 1 if an allocation has failed, 0 if there were
 * fewer than @n, -EAGAIN if a kworker was not armed and the result is unknown,
 * -errno.
 */
int inject_disarm(struct inject *in);

#endif
