// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queries of /dev/peer_mem: ranges of the arena and elsewhere, and registrations,
 * with valid and with corrupted structs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <rdma/peer_mem.h>

#include "words.h"

/* The words before the pid, which must not be random. */
#define QUERY_WORDS (offsetof(struct peer_mem_query, pid) / 4)
#define MR_WORDS (sizeof(struct peer_mem_mr) / 4)

/* Allows the errors of corrupted words. */
static void allow_corruption_errors(struct fz_want *want)
{
	fz_may(want, EINVAL);
	fz_may(want, E2BIG);
	fz_may(want, ENODEV);
	fz_may(want, ENOENT);
	fz_may(want, ESRCH);
}

static long call(struct fz_run *run, const char *name, unsigned long nr,
		 uint32_t *words, const struct fz_want *want)
{
	int fd = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	long ret = fz_ioctl_words(run, name, fd, nr, words, want);

	close(fd);
	return ret;
}

static bool result_is_valid(const struct peer_mem_result *result)
{
	return result->status <= PEER_MEM_NO_REVOKE && result->error < 4096;
}

static void op_query(struct fz_run *run)
{
	union {
		struct peer_mem_query query;
		uint32_t words[FZ_MAX_PAGE / 4];
	} arg = {};
	struct peer_mem_query *query = &arg.query;
	struct fz_want want = {};

	query->size = sizeof(*query);
	query->access = fz_below(&run->rng, 16) | IBV_ACCESS_LOCAL_WRITE;
	query->addr = FZ_ARENA + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	query->length = 1 + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	snprintf(query->device, sizeof(query->device), "%s",
		 ibv_get_device_name(run->pair.dev->ctx->device));
	if (fz_corrupt(run, arg.words, QUERY_WORDS))
		allow_corruption_errors(&want);
	if (call(run, "node query", PEER_MEM_IOC_QUERY, arg.words, &want))
		return;
	if (!result_is_valid(&query->pinned) ||
	    !result_is_valid(&query->on_demand) ||
	    !query->pinned.status != !query->pinned.error ||
	    query->covered > query->length || query->kinds > 7)
		fz_fail(run, "QUERY returns status %u, %u, error %u, %#llx bytes covered of %#llx",
			query->pinned.status, query->on_demand.status,
			query->pinned.error, query->covered, query->length);
}

static void op_next_mr(struct fz_run *run)
{
	union {
		struct peer_mem_mr mr;
		uint32_t words[FZ_MAX_PAGE / 4];
	} arg = {};
	struct peer_mem_mr *mr = &arg.mr;
	struct fz_want want = {};
	uint64_t room;
	uint32_t after;

	mr->size = sizeof(*mr);
	if (fz_corrupt(run, arg.words, MR_WORDS))
		allow_corruption_errors(&want);
	/* The pid must not be random. */
	mr->pid = fz_chance(&run->rng, 90) ? 0 : -1;
	after = mr->number;
	fz_may(&want, mr->pid ? ESRCH : ENOENT);
	if (call(run, "node mr", PEER_MEM_IOC_NEXT_MR, arg.words, &want))
		return;
	/* Partial pages at both ends count as whole pages. */
	room = mr->length + 2 * FZ_PAGE;
	if (mr->number <= after || mr->flags > 15 || mr->resident % FZ_PAGE ||
	    (room > mr->length && mr->resident > room))
		fz_fail(run, "NEXT_MR returns %u after %u, flags %#x, %#llx bytes of %#llx",
			mr->number, after, mr->flags, mr->resident, mr->length);
}

const struct fz_op fz_ops_node[] = {
	{ "node query", 15, op_query },
	{ "node mr", 15, op_next_mr },
	{},
};
