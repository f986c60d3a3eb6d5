// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Questions to /dev/peer_mem: about ranges of the arena and of anywhere, and
 * about registrations, as they should be asked, and with words in them that
 * nobody should have put there.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include <rdma/peer_mem.h>

#include "words.h"

/* Words before the process, which chance should not choose. */
#define QUERY_WORDS (offsetof(struct peer_mem_query, pid) / 4)
#define MR_WORDS (sizeof(struct peer_mem_mr) / 4)

/* What spoilt words may give. */
static void may_be_refused(struct fz_want *want)
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
	long ret = fz_call_words(run, name, fd, nr, words, want);

	close(fd);
	return ret;
}

static bool is_verdict(const struct peer_mem_verdict *verdict)
{
	return verdict->reason <= PEER_MEM_NO_REVOKE && verdict->error < 4096;
}

static void go_query(struct fz_run *run)
{
	union {
		struct peer_mem_query query;
		uint32_t words[FZ_PAGE / 4];
	} arg = {};
	struct peer_mem_query *query = &arg.query;
	struct fz_want want = {};

	query->size = sizeof(*query);
	query->access = fz_below(&run->rng, 16) | IBV_ACCESS_LOCAL_WRITE;
	query->addr = FZ_ARENA + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	query->length = 1 + fz_below(&run->rng, FZ_PAGES * FZ_PAGE);
	snprintf(query->device, sizeof(query->device), "%s",
		 ibv_get_device_name(run->pair.dev->ctx->device));
	if (fz_spoil(run, arg.words, QUERY_WORDS))
		may_be_refused(&want);
	if (call(run, "node query", PEER_MEM_IOC_QUERY, arg.words, &want))
		return;
	if (!is_verdict(&query->pinned) || !is_verdict(&query->on_demand) ||
	    !query->pinned.reason != !query->pinned.error ||
	    query->checked > query->length || query->kinds > 7)
		fz_fail(run, "QUERY says reasons %u, %u, error %u, %#llx checked of %#llx",
			query->pinned.reason, query->on_demand.reason,
			query->pinned.error, query->checked, query->length);
}

static void go_next_mr(struct fz_run *run)
{
	union {
		struct peer_mem_mr mr;
		uint32_t words[FZ_PAGE / 4];
	} arg = {};
	struct peer_mem_mr *mr = &arg.mr;
	struct fz_want want = {};
	uint64_t room;
	uint32_t after;

	mr->size = sizeof(*mr);
	if (fz_spoil(run, arg.words, MR_WORDS))
		may_be_refused(&want);
	/* Chance should not choose whom to ask about. */
	mr->pid = fz_chance(&run->rng, 90) ? 0 : -1;
	after = mr->number;
	fz_may(&want, mr->pid ? ESRCH : ENOENT);
	if (call(run, "node mr", PEER_MEM_IOC_NEXT_MR, arg.words, &want))
		return;
	/* Whole pages, at either end. */
	room = mr->length + 2 * FZ_PAGE;
	if (mr->number <= after || mr->flags > 15 || mr->resident % FZ_PAGE ||
	    (room > mr->length && mr->resident > room))
		fz_fail(run, "NEXT_MR says %u after %u, flags %#x, %#llx bytes of %#llx",
			mr->number, after, mr->flags, mr->resident, mr->length);
}

const struct fz_op fz_ops_node[] = {
	{ "node query", 15, go_query },
	{ "node mr", 15, go_next_mr },
	{},
};
