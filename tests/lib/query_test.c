// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_QUERY. Compares each result with the registration that follows and, on
 * demand, with an access to the whole range.
 */
#include <kselftest_harness.h>

#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include <rdma/peer_vram.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "chardev.h"
#include "query_fixture.h"
#include "ranges.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static int query_range(int fd, struct peer_mem_query *query)
{
	return chardev_call(fd, PEER_MEM_IOC_QUERY, query);
}

/* ---- results are correct ---- */

FIXTURE(query)
{
	QUERY_FIXTURE;
};

FIXTURE_SETUP(query)
{
	ASSERT_EQ(0, query_fixture_open(&self->common, WRITABLE));
}

FIXTURE_TEARDOWN(query)
{
	EXPECT_EQ(0, query_fixture_close(&self->common));
}

static int access_flags(bool write)
{
	return IBV_ACCESS_REMOTE_READ | (write ? WRITABLE : 0);
}

/*
 * Accesses a whole MR and renews the queue pairs. On a busy machine requests are sent
 * again, and a late one to a deregistered MR would fail the next access. Return: the
 * completion status, or -EIO.
 */
static int access_all(struct vt_pair *pair, struct ibv_mr *from,
		      struct ibv_mr *mr, bool write)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)from->addr,
		.length = mr->length,
		.lkey = from->lkey,
	};
	struct vt_remote to = { (uintptr_t)mr->addr, mr->rkey };
	int status = write ? vt_rdma_write(&pair->end[0], &sge, 1, to) :
			     vt_rdma_read(&pair->end[0], &sge, 1, to);

	return vt_pair_renew(pair) ? -EIO : status;
}

/* Registers the range. Return: 0 or errno. */
static int reg_error(struct ibv_pd *pd, const struct range_at *at, int access,
		     struct ibv_mr **mr)
{
	*mr = ibv_reg_mr(pd, at->addr, at->length, access);
	return *mr ? 0 : errno;
}

static void expect_correct(struct __test_metadata *_metadata,
			   FIXTURE_DATA(query) *self, const struct range *range,
			 bool write)
{
	int access = access_flags(write);
	struct peer_mem_query query;
	struct range_at at;
	struct ibv_mr *mr;
	int status;

	ASSERT_EQ(0, range_open(&at, range));
	query = new_query(at.addr, at.length, access);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(range->pinned[write], query.pinned.status);
	EXPECT_EQ(range->on_demand[write], query.on_demand.status);
	EXPECT_EQ(range->kinds, query.kinds);
	EXPECT_EQ(RANGE_PAGE, query.page_size);
	EXPECT_STREQ(range->exporter, query.exporter);

	EXPECT_EQ(reg_error(self->dev.pd, &at, access, &mr),
		  (int)query.pinned.error);
	EXPECT_EQ(!query.pinned.error, !query.pinned.status);
	if (mr)
		EXPECT_EQ(0, ibv_dereg_mr(mr));

	EXPECT_EQ(0, (int)query.on_demand.error);
	EXPECT_EQ(0, reg_error(self->dev.pd, &at,
			       access | IBV_ACCESS_ON_DEMAND, &mr));
	if (mr) {
		status = access_all(&self->pair, self->mr, mr, write);
		EXPECT_EQ(!query.on_demand.status, !status) {
			TH_LOG("status %d", status);
		}
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	}
	range_close(&at);
}

static void expect_all_correct(struct __test_metadata *_metadata,
			       FIXTURE_DATA(query) *self, bool write)
{
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		expect_correct(_metadata, self, &ranges[i], write);
		if (_metadata->exit_code) {
			TH_LOG("%s", ranges[i].name);
			break;
		}
	}
}

TEST_F_TIMEOUT(query, read_access, 120)
{
	expect_all_correct(_metadata, self, false);
}

TEST_F_TIMEOUT(query, write_access, 120)
{
	expect_all_correct(_metadata, self, true);
}

/* The covered length ends where accesses would fail. */
TEST_F(query, covered_length)
{
	const struct range half = { "", &vt_mem_vram, .half = RANGE_HOLE };
	struct peer_mem_query query;
	struct range_at at;

	ASSERT_EQ(0, range_open(&at, &half));
	query = new_query(at.addr + 5, at.length - 5, WRITABLE);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(RANGE_HALF - 5, query.covered);

	query = new_query(at.addr + 5, RANGE_HALF - 10, WRITABLE);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.on_demand.status);
	EXPECT_EQ(RANGE_HALF - 10, query.covered);

	query = new_query(at.addr + RANGE_HALF + 7, 1, WRITABLE);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(0, query.covered);
	range_close(&at);
}

/* One query calls exporters for at most 256 mappings. */
TEST_F(query, many_mappings)
{
	enum { COUNT = 300 };
	struct peer_mem_query query;
	struct vt_mem mem;
	unsigned int i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, COUNT * RANGE_PAGE, 0));
	for (i = 0; i < COUNT; i += 2)
		ASSERT_EQ(0, mprotect(mem.addr + i * RANGE_PAGE, RANGE_PAGE,
				      PROT_READ));
	query = new_query(mem.addr, mem.length, 0);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.on_demand.status);
	EXPECT_EQ(256 * RANGE_PAGE, query.covered);

	query = new_query(mem.addr + query.covered, mem.length - query.covered,
			  0);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ((COUNT - 256) * RANGE_PAGE, query.covered);
	vt_mem_free(&mem);
}

TEST_F(query, no_side_effects)
{
	struct vt_counters before, after;
	struct vt_vram_info info, later;
	struct peer_mem_query query;
	struct vt_mem mem;
	int mrs = vt_resource_count("mr");

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_system, RANGE_SIZE, 0));
	ASSERT_EQ(0, vt_counters_read(mem.kind, &before));
	ASSERT_EQ(0, vt_vram_info(&info));
	query = new_query(mem.addr, mem.length, WRITABLE);
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(0, vt_vram_info(&later));
	EXPECT_EQ(0, memcmp(&info, &later, sizeof(info)));
	EXPECT_EQ(0, vt_counters_read(mem.kind, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(mrs, vt_resource_count("mr"));
	vt_mem_free(&mem);
}

/* Access flags that contradict each other or that the device does not support. */
TEST_F(query, bad_access)
{
	static const int flags[] = {
		IBV_ACCESS_REMOTE_WRITE,
		IBV_ACCESS_REMOTE_ATOMIC,
		IBV_ACCESS_LOCAL_WRITE | 0x200 /* FLUSH_PERSISTENT */,
	};
	static const struct vt_mem_kind *const kinds[] = {
		&vt_mem_host, &vt_mem_vram,
	};
	struct peer_mem_query query;
	struct range_at at = {};
	struct ibv_mr *mr;
	unsigned int i;

	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, vt_mem_alloc(&at.mem, kinds[i % 2], RANGE_SIZE, 0));
		at.addr = at.mem.addr;
		at.length = RANGE_SIZE;
		query = new_query(at.addr, at.length, flags[i / 2]);
		EXPECT_EQ(0, query_range(self->fd, &query));
		EXPECT_EQ(PEER_MEM_BAD_ACCESS, query.pinned.status);
		EXPECT_EQ(PEER_MEM_BAD_ACCESS, query.on_demand.status);
		EXPECT_EQ(reg_error(self->dev.pd, &at, flags[i / 2], &mr),
			  (int)query.pinned.error);
		EXPECT_EQ(reg_error(self->dev.pd, &at,
				    flags[i / 2] | IBV_ACCESS_ON_DEMAND, &mr),
			  (int)query.on_demand.error);
		vt_mem_free(&at.mem);
	}
}

/* ---- unprivileged users ---- */

struct user_check {
	int fd;
	struct ibv_pd *pd;
	rlim_t limit;
	const struct vt_mem_kind *kind;
};

/* Runs in a child. Return: 0, or the number of the failed check. */
static int user_checks(const struct user_check *check)
{
	struct rlimit limit = { check->limit, check->limit };
	struct peer_mem_query query;
	struct range_at at = {};
	struct ibv_mr *mr;

	if (vt_mem_alloc(&at.mem, check->kind, RANGE_SIZE, 0) ||
	    setrlimit(RLIMIT_MEMLOCK, &limit) || setresuid(65534, 65534, 65534))
		return 1;
	at.addr = at.mem.addr;
	at.length = RANGE_SIZE;
	query = new_query(at.addr, at.length, WRITABLE);
	if (query_range(check->fd, &query))
		return 2;
	if (reg_error(check->pd, &at, WRITABLE, &mr) !=
	    (int)query.pinned.error)
		return 3;
	if (mr)
		ibv_dereg_mr(mr);
	if (query.pinned.status != (check->limit < RANGE_SIZE ?
				    PEER_MEM_MEMLOCK_LIMIT : PEER_MEM_OK))
		return 4;
	return query.on_demand.status || query.on_demand.error ? 5 : 0;
}

TEST_F(query, memlock_limits)
{
	static const struct vt_mem_kind *const kinds[] = {
		&vt_mem_host, &vt_mem_vram,
	};
	const rlim_t limits[] = {
		0, RANGE_SIZE - RANGE_PAGE, RANGE_SIZE,
	};
	struct user_check check = { .fd = self->fd };
	unsigned int i;
	struct vt_dev dev;
	pid_t pid;

	for (i = 0; i < 6; i++) {
		check.kind = kinds[i % 2];
		check.limit = limits[i / 2];
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			if (vt_dev_open(&dev))
				_exit(9);
			check.pd = dev.pd;
			_exit(user_checks(&check));
		}
		EXPECT_EQ(0, vt_wait_child(pid, 20000)) {
			TH_LOG("%s, limit %lu", check.kind->name,
			       (unsigned long)check.limit);
		}
	}
}

/* ---- concurrent changes ---- */

struct query_thread {
	int fd;
	struct vt_mem mem;
	atomic_bool stop;
	unsigned long unexpected;
	unsigned long queries;
};

/* Counts results that are not possible in any order of the concurrent changes. */
static void *query_repeatedly(void *arg)
{
	struct query_thread *thread = arg;
	struct peer_mem_query query;

	do {
		query = new_query(thread->mem.addr, RANGE_SIZE, WRITABLE);
		if (query_range(thread->fd, &query) ||
		    (query.pinned.status != PEER_MEM_OK &&
		     query.pinned.status != PEER_MEM_DENIED &&
		     query.pinned.status != PEER_MEM_EXPORTER_FAILED &&
		     query.pinned.status != PEER_MEM_NO_EXPORTER))
			thread->unexpected++;
		thread->queries++;
	} while (!atomic_load(&thread->stop));
	return NULL;
}

/* BOs are revoked and destroyed, and a PeerDirect client registers and unregisters. */
TEST_F_TIMEOUT(query, concurrent_changes, 120)
{
	struct query_thread queries = { .fd = self->fd };
	pthread_t thread;
	int i;

	ASSERT_EQ(0, vt_mem_alloc(&queries.mem, &vt_mem_vram, RANGE_SIZE, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, query_repeatedly, &queries));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, vt_mem_revoke(&queries.mem));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, vt_peerdirect_load(NULL));
	EXPECT_EQ(0, vt_mem_destroy(&queries.mem));
	atomic_store(&queries.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, queries.unexpected);
	EXPECT_LT(0, queries.queries);
	vt_mem_free(&queries.mem);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* ---- the ioctl itself ---- */

FIXTURE(call)
{
	int fd;
	struct vt_mem mem;
	struct peer_mem_query query;
};

FIXTURE_SETUP(call)
{
	self->fd = chardev_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_host, RANGE_SIZE, 0));
	self->query = new_query(self->mem.addr, RANGE_SIZE, WRITABLE);
}

FIXTURE_TEARDOWN(call)
{
	vt_mem_free(&self->mem);
	close(self->fd);
}

TEST_F(call, struct_sizes)
{
	union {
		struct peer_mem_query query;
		char bytes[8192];
	} room = { .query = self->query };
	const uint32_t first = offsetof(struct peer_mem_query, pid);
	const uint32_t size = sizeof(room.query);

	EXPECT_EQ(0, query_range(self->fd, &room.query));
	room.query = self->query;
	room.query.size = first - 1;
	EXPECT_EQ(EINVAL, query_range(self->fd, &room.query));
	/* The first version of the struct, without a process ID. */
	room.query.size = first;
	room.query.pid = -1;
	EXPECT_EQ(0, query_range(self->fd, &room.query));
	EXPECT_EQ(-1, room.query.pid);
	EXPECT_EQ(first, room.query.size);
	room.query = self->query;
	room.query.size = 0;
	EXPECT_EQ(EINVAL, query_range(self->fd, &room.query));
	room.query.size = size + 8;
	EXPECT_EQ(0, query_range(self->fd, &room.query));
	EXPECT_EQ(size + 8, room.query.size);
	room.query = self->query;
	room.query.size = size + 8;
	room.bytes[size + 7] = 1;
	EXPECT_EQ(E2BIG, query_range(self->fd, &room.query));
	room.query.size = sizeof(room);
	EXPECT_EQ(E2BIG, query_range(self->fd, &room.query));
}

/* One invalid field at a time. */
TEST_F(call, invalid_fields)
{
	struct peer_mem_query query;

#define EXPECT_ERROR(error, field, value) do {			\
		query = self->query;					\
		query.field = (value);					\
		EXPECT_EQ(error, query_range(self->fd, &query)) {		\
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)
	EXPECT_ERROR(EINVAL, access, 1U << 31);
	EXPECT_ERROR(EINVAL, access, 1U << 10);
	EXPECT_ERROR(EINVAL, length, 0);
	EXPECT_ERROR(EINVAL, length, UINT64_MAX);
	EXPECT_ERROR(EINVAL, addr, UINT64_MAX);
	EXPECT_ERROR(EINVAL, addr, -RANGE_SIZE);
	EXPECT_ERROR(EINVAL, exporter[0], 'x');
	EXPECT_ERROR(EINVAL, exporter[63], 'x');
	EXPECT_ERROR(EINVAL, kinds, 1);
	EXPECT_ERROR(EINVAL, page_size, 1);
	EXPECT_ERROR(EINVAL, pinned.error, 1);
	EXPECT_ERROR(EINVAL, on_demand.status, 1);
	EXPECT_ERROR(EINVAL, covered, 1);
	EXPECT_ERROR(EINVAL, reserved, 1);
	EXPECT_ERROR(ESRCH, pid, -1);
	EXPECT_ERROR(ESRCH, pid, INT_MAX);
	/* A kernel thread has no address space. */
	EXPECT_ERROR(ESRCH, pid, 2);
	EXPECT_ERROR(ENODEV, device[0], '\0');
	EXPECT_ERROR(ENODEV, device[0], 'R');

	query = self->query;
	memset(query.device, 'x', sizeof(query.device));
	EXPECT_EQ(EINVAL, query_range(self->fd, &query));
	/* A kernel address is not an error: nothing is mapped there. */
	query = self->query;
	query.addr = 0xffff888000000000;
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, query.pinned.status);
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, query.on_demand.status);
	/* The kernel ignores optional access flags. */
	query = self->query;
	query.access |= IBV_ACCESS_RELAXED_ORDERING;
	EXPECT_EQ(0, query_range(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.pinned.status);
}

static int rename_device(const char *from, const char *to)
{
	const char *const rdma[] = { "rdma", "dev", "set", from, "name", to, NULL };

	return vt_run(20000, rdma);
}

TEST_F(call, renamed_device)
{
	struct peer_mem_query before = self->query, after = self->query;

	snprintf(after.device, sizeof(after.device), "peer_renamed");
	ASSERT_EQ(0, rename_device(before.device, after.device));
	EXPECT_EQ(ENODEV, query_range(self->fd, &before));
	EXPECT_EQ(0, query_range(self->fd, &after));

	ASSERT_EQ(0, rename_device("peer_renamed", self->query.device));
	before = self->query;
	after = self->query;
	snprintf(after.device, sizeof(after.device), "peer_renamed");
	EXPECT_EQ(0, query_range(self->fd, &before));
	EXPECT_EQ(ENODEV, query_range(self->fd, &after));
}

TEST_F(call, bad_pointers_and_numbers)
{
	EXPECT_EQ(EFAULT, query_range(self->fd, NULL));
	EXPECT_EQ(-1, ioctl(self->fd, _IO(PEER_MEM_IOC_MAGIC, 99), &self->query));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(PEER_VRAM_IOC_MAGIC, 0),
			    &self->query));
	EXPECT_EQ(ENOTTY, errno);
	ASSERT_EQ(0, munmap(self->mem.addr + RANGE_PAGE, RANGE_PAGE));
	EXPECT_EQ(EFAULT, query_range(self->fd, (void *)(self->mem.addr +
						 2 * RANGE_PAGE - 16)));
}

TEST_HARNESS_MAIN
