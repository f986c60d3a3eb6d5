// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Queries about another process: the result is the one that the process itself gets,
 * and the caller needs CAP_SYS_PTRACE.
 */
#include <kselftest_harness.h>

#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include <infiniband/verbs.h>

#include "lib/proc.h"
#include "chardev.h"
#include "ranges.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

/* Shared memory: the child's query and its result. */
struct child_query {
	int ready;
	struct peer_mem_query query;
};

/*
 * @child:  a process with a range that has queried it
 * @shared: shared memory with the child
 */
FIXTURE(process)
{
	int fd;
	pid_t child;
	struct child_query *shared;
};

FIXTURE_SETUP(process)
{
	ASSERT_EQ(0, ranges_prepare());
	self->fd = chardev_open();
	ASSERT_LE(0, self->fd);
	self->shared = mmap(NULL, sizeof(*self->shared), PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, self->shared);
}

FIXTURE_TEARDOWN(process)
{
	munmap(self->shared, sizeof(*self->shared));
	close(self->fd);
}

static int query_range(int fd, struct peer_mem_query *query)
{
	return chardev_call(fd, PEER_MEM_IOC_QUERY, query);
}

/* The child allocates a range, queries it, and waits until it is killed. */
static void child_run(int fd, struct child_query *shared,
		      const struct range *range,
		      const struct rlimit *limit)
{
	struct range_at at;

	if (limit && (setrlimit(RLIMIT_MEMLOCK, limit) ||
		      setresuid(65534, 65534, 65534)))
		_exit(1);
	if (range_open(&at, range))
		_exit(2);
	shared->query = new_query(at.addr, at.length, WRITABLE);
	if (query_range(fd, &shared->query))
		_exit(3);
	__atomic_store_n(&shared->ready, 1, __ATOMIC_RELEASE);
	for (;;)
		pause();
}

/* Return: 0, or the wait status of a child that failed. */
static int child_start(FIXTURE_DATA(process) *self, const struct range *range,
		       const struct rlimit *limit)
{
	int status;

	self->shared->ready = 0;
	self->child = fork();
	if (self->child < 0)
		return -errno;
	if (!self->child)
		child_run(self->fd, self->shared, range, limit);
	while (!__atomic_load_n(&self->shared->ready, __ATOMIC_ACQUIRE)) {
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

/* The same query as the child's, about the child. */
static struct peer_mem_query query_child(const FIXTURE_DATA(process) *self)
{
	const struct peer_mem_query *theirs = &self->shared->query;
	struct peer_mem_query query;

	query = new_query((void *)(uintptr_t)theirs->addr, theirs->length,
			  WRITABLE);
	query.pid = self->child;
	return query;
}

static void expect_same(struct __test_metadata *_metadata,
			const FIXTURE_DATA(process) *self, const char *name)
{
	struct peer_mem_query theirs = self->shared->query;
	struct peer_mem_query query = query_child(self);

	EXPECT_EQ(0, query_range(self->fd, &query));
	theirs.pid = query.pid;
	EXPECT_EQ(0, memcmp(&theirs, &query, sizeof(query))) {
		TH_LOG("%s: kinds %u, exporter %s, status %u, %u", name,
		       query.kinds, query.exporter, query.pinned.status,
		       query.on_demand.status);
	}
}

TEST_F_TIMEOUT(process, same_result, 120)
{
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		ASSERT_EQ(0, child_start(self, &ranges[i], NULL)) {
			TH_LOG("%s", ranges[i].name);
		}
		EXPECT_EQ(ranges[i].pinned[1],
			  self->shared->query.pinned.status);
		expect_same(_metadata, self, ranges[i].name);
		child_end(self);
	}
}

/* The limits of the child apply, not those of the caller. */
TEST_F(process, own_limits)
{
	static const struct range host = { .kind = &vt_mem_host };
	const struct rlimit limits[] = {
		{ 0, 0 },
		{ RANGE_SIZE - RANGE_PAGE, RANGE_SIZE - RANGE_PAGE },
		{ RANGE_SIZE, RANGE_SIZE },
	};
	static const int errors[] = { EPERM, ENOMEM, 0 };
	unsigned int i;

	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, child_start(self, &host, &limits[i]));
		EXPECT_EQ(errors[i], (int)self->shared->query.pinned.error);
		expect_same(_metadata, self, "limit");
		child_end(self);
	}
}

TEST_F(process, own_process)
{
	struct peer_mem_query query, by_pid;

	query = new_query(self->shared, RANGE_PAGE, WRITABLE);
	by_pid = query;
	by_pid.pid = getpid();
	EXPECT_EQ(0, setresuid(65534, 65534, 65534));
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(0, query_range(self->fd, &by_pid));
	EXPECT_EQ(PEER_MEM_HAS_SYSTEM, by_pid.kinds);
	by_pid.pid = 0;
	EXPECT_EQ(0, memcmp(&query, &by_pid, sizeof(query)));
}

/* Also for a process of the same user, and for the caller's own child. */
TEST_F(process, requires_ptrace)
{
	static const struct range host = { .kind = &vt_mem_host };
	const struct rlimit limit = { RANGE_SIZE, RANGE_SIZE };
	struct peer_mem_query query;
	struct peer_mem_mr mr;

	ASSERT_EQ(0, child_start(self, &host, &limit));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	query = query_child(self);
	EXPECT_EQ(EPERM, query_range(self->fd, &query));
	EXPECT_EQ(EPERM, chardev_next_mr(self->fd, self->child, 0, &mr));
	query = query_child(self);
	query.pid = 1;
	EXPECT_EQ(EPERM, query_range(self->fd, &query));
	EXPECT_EQ(EPERM, chardev_next_mr(self->fd, 1, 0, &mr));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	EXPECT_EQ(ENOENT, chardev_next_mr(self->fd, self->child, 0, &mr));
	child_end(self);
	query = query_child(self);
	EXPECT_EQ(ESRCH, query_range(self->fd, &query));
	EXPECT_EQ(ESRCH, chardev_next_mr(self->fd, self->child, 0, &mr));
}

TEST_HARNESS_MAIN
