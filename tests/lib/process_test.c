// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Questions about another process: the answer is what that process itself would
 * be told, and not everybody may ask.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <infiniband/verbs.h>

#include "lib/proc.h"
#include "node.h"
#include "ranges.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

/* What the child tells. */
struct told {
	int ready;
	struct peer_mem_query query;
};

/*
 * @child: has a range, and was told of it
 * @told:  shared with it
 */
FIXTURE(process)
{
	int fd;
	pid_t child;
	struct told *told;
};

FIXTURE_SETUP(process)
{
	ASSERT_EQ(0, ranges_prepare());
	self->fd = node_open();
	ASSERT_LE(0, self->fd);
	self->told = mmap(NULL, sizeof(*self->told), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->told);
}

FIXTURE_TEARDOWN(process)
{
	munmap(self->told, sizeof(*self->told));
	close(self->fd);
}

static int ask(int fd, struct peer_mem_query *query)
{
	return node_call(fd, PEER_MEM_IOC_QUERY, query);
}

/* Has a range, asks, and waits for its end. The parent must not have it. */
static void child_with(int fd, struct told *told, const struct range *range,
		       const struct rlimit *limit)
{
	struct range_at at;

	if (limit && (setrlimit(RLIMIT_MEMLOCK, limit) ||
		      setresuid(65534, 65534, 65534)))
		_exit(1);
	if (range_open(&at, range))
		_exit(2);
	told->query = node_question(at.addr, at.length, WRITABLE);
	if (ask(fd, &told->query))
		_exit(3);
	__atomic_store_n(&told->ready, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Return: 0, or how the child ended before it was ready. */
static int child_start(FIXTURE_DATA(process) *self, const struct range *range,
		       const struct rlimit *limit)
{
	int status;

	self->told->ready = 0;
	self->child = fork();
	if (self->child < 0)
		return -errno;
	if (!self->child)
		child_with(self->fd, self->told, range, limit);
	while (!__atomic_load_n(&self->told->ready, __ATOMIC_ACQUIRE)) {
		if (waitpid(self->child, &status, WNOHANG) == self->child)
			return status;
		usleep(1000);
	}
	return 0;
}

static void child_end(FIXTURE_DATA(process) *self)
{
	kill(self->child, SIGKILL);
	waitpid(self->child, NULL, 0);
}

/* The child's question, asked by us. */
static struct peer_mem_query same_question(const FIXTURE_DATA(process) *self)
{
	const struct peer_mem_query *theirs = &self->told->query;
	struct peer_mem_query query;

	query = node_question((void *)(uintptr_t)theirs->addr, theirs->length,
			      WRITABLE);
	query.pid = self->child;
	return query;
}

static void expect_same(struct __test_metadata *_metadata,
			const FIXTURE_DATA(process) *self, const char *name)
{
	struct peer_mem_query theirs = self->told->query;
	struct peer_mem_query query = same_question(self);

	EXPECT_EQ(0, ask(self->fd, &query));
	theirs.pid = query.pid;
	EXPECT_EQ(0, memcmp(&theirs, &query, sizeof(query))) {
		TH_LOG("%s: kinds %u, client %s, reasons %u, %u", name,
		       query.kinds, query.client, query.pinned.reason,
		       query.on_demand.reason);
	}
}

TEST_F_TIMEOUT(process, is_told_as_itself, 120)
{
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		ASSERT_EQ(0, child_start(self, &ranges[i], NULL)) {
			TH_LOG("%s", ranges[i].name);
		}
		EXPECT_EQ(ranges[i].pinned[1],
			  self->told->query.pinned.reason);
		expect_same(_metadata, self, ranges[i].name);
		child_end(self);
	}
}

/* Limits are the other's, though we have none. */
TEST_F(process, has_limits_of_its_own)
{
	static const struct range host = { .kind = &vt_mem_host };
	static const struct rlimit limits[] = {
		{ 0, 0 },
		{ RANGE_SIZE - RANGE_PAGE, RANGE_SIZE - RANGE_PAGE },
		{ RANGE_SIZE, RANGE_SIZE },
	};
	static const int errors[] = { EPERM, ENOMEM, 0 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, child_start(self, &host, &limits[i]));
		EXPECT_EQ(errors[i], (int)self->told->query.pinned.error);
		expect_same(_metadata, self, "limit");
		child_end(self);
	}
}

TEST_F(process, may_be_oneself)
{
	struct peer_mem_query query, by_pid;

	query = node_question(self->told, RANGE_PAGE, WRITABLE);
	by_pid = query;
	by_pid.pid = getpid();
	EXPECT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(0, ask(self->fd, &by_pid));
	EXPECT_EQ(PEER_MEM_HAS_HOST, by_pid.kinds);
	by_pid.pid = 0;
	EXPECT_EQ(0, memcmp(&query, &by_pid, sizeof(query)));
}

/* Nor of the same user, nor of one's own child. */
TEST_F(process, of_others_is_not_told)
{
	static const struct range host = { .kind = &vt_mem_host };
	const struct rlimit limit = { RANGE_SIZE, RANGE_SIZE };
	struct peer_mem_query query;
	struct peer_mem_mr mr;

	ASSERT_EQ(0, child_start(self, &host, &limit));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	query = same_question(self);
	EXPECT_EQ(EPERM, ask(self->fd, &query));
	EXPECT_EQ(EPERM, node_next_mr(self->fd, self->child, 0, &mr));
	query = same_question(self);
	query.pid = 1;
	EXPECT_EQ(EPERM, ask(self->fd, &query));
	EXPECT_EQ(EPERM, node_next_mr(self->fd, 1, 0, &mr));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(ENOENT, node_next_mr(self->fd, self->child, 0, &mr));
	child_end(self);
	query = same_question(self);
	EXPECT_EQ(ESRCH, ask(self->fd, &query));
	EXPECT_EQ(ESRCH, node_next_mr(self->fd, self->child, 0, &mr));
}

TEST_HARNESS_MAIN
