/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Steady traffic to a link's memory in a thread, while the test moves or ends the memory.
 */
#ifndef EXPORTER_TRAFFIC_H
#define EXPORTER_TRAFFIC_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "lib/link.h"

/**
 * struct et_traffic - a thread that does one operation after the other
 * @link:   its buffer "there" is the memory under test
 * @verify: WRITE, READ and FETCH_ADD, each compared with the shadow. Nobody else may use
 *          the two buffers. Otherwise WRITEs only, which leave the shadow alone
 *
 * It ends at the first error.
 */
struct et_traffic {
	struct vt_link *link;
	bool verify;
	/* private: */
	pthread_t thread;
	atomic_bool stop;
	atomic_bool ended;
	atomic_uint operations;
	int status;
};

/* Return: 0 or -errno. */
int et_traffic_start(struct et_traffic *traffic);
/* Waits for @count more operations, or for the end. Return: 0 or -ETIMEDOUT. */
int et_traffic_wait(struct et_traffic *traffic, unsigned int count);
/* Waits for an error. Return: 0 or -ETIMEDOUT. */
int et_traffic_wait_end(struct et_traffic *traffic);
/*
 * Ends the thread. Return: 0; the status of the completion that ended it; -EILSEQ wrong
 * bytes; or another -errno.
 */
int et_traffic_stop(struct et_traffic *traffic);

#endif
