// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See traffic.h. */
#include <errno.h>
#include <unistd.h>

#include "lib/access_ops.h"
#include "lib/proc.h"
#include "traffic.h"

/* Of vt_access_ops: WRITE, READ, FETCH_ADD. */
#define NUM_OPS 3

#define BOUND_MS (2 * VT_TIMEOUT_MS)

/* Operations of all lengths, at all places. */
static int verified_step(struct vt_link *link, unsigned int n)
{
	size_t size = link->there.mem.length;
	uint32_t length = 1 + n * 7919UL % (size / 4);
	struct vt_part part = {
		.here = n * 77UL % (size - length),
		.there = n * 40993UL % (size - length),
		.length = length,
	};

	return vt_access_ops[n % NUM_OPS].run(link, &part);
}

static int plain_step(struct vt_link *link, unsigned int n)
{
	size_t quarter = link->there.mem.length / 4;
	struct ibv_sge sge = vt_sge(&link->here, 0, quarter);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, n % 4 * quarter));
}

static void *traffic_run(void *arg)
{
	struct et_traffic *t = arg;
	unsigned int n;

	for (n = 0; !t->status && !atomic_load(&t->stop); n++) {
		t->status = t->verify ? verified_step(t->link, n) :
					plain_step(t->link, n);
		atomic_fetch_add(&t->operations, 1);
	}
	atomic_store(&t->ended, true);
	return NULL;
}

int et_traffic_start(struct et_traffic *t)
{
	return -pthread_create(&t->thread, NULL, traffic_run, t);
}

int et_traffic_wait(struct et_traffic *t, unsigned int count)
{
	unsigned int before = atomic_load(&t->operations);
	int64_t until = vt_now_ms() + BOUND_MS;

	while (!atomic_load(&t->ended) &&
	       atomic_load(&t->operations) - before < count) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

int et_traffic_wait_end(struct et_traffic *t)
{
	int64_t until = vt_now_ms() + BOUND_MS;

	while (!atomic_load(&t->ended)) {
		if (vt_now_ms() > until)
			return -ETIMEDOUT;
		usleep(1000);
	}
	return 0;
}

int et_traffic_stop(struct et_traffic *t)
{
	atomic_store(&t->stop, true);
	pthread_join(t->thread, NULL);
	return t->status;
}
