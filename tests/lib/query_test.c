// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_QUERY. What it says is compared with what then happens: to the
 * registration, and, on demand, to an access to all of the range.
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
#include "node.h"
#include "ranges.h"
#include "side.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE)

static int ask(int fd, struct peer_mem_query *query)
{
	return node_call(fd, PEER_MEM_IOC_QUERY, query);
}

/* ---- it tells the truth ---- */

FIXTURE(truth)
{
	SIDE;
};

FIXTURE_SETUP(truth)
{
	ASSERT_EQ(0, side_open(&self->side, WRITABLE));
}

FIXTURE_TEARDOWN(truth)
{
	EXPECT_EQ(0, side_close(&self->side));
}

static int access_flags(bool write)
{
	return IBV_ACCESS_REMOTE_READ | (write ? WRITABLE : 0);
}

/*
 * The status of an access to all of an MR. The queue pairs are new ones
 * afterwards: on a busy machine requests are sent again, and one that comes late,
 * to an MR that is gone, would end the next access with an error.
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

/* As the fixture's range is registered: 0 or errno. */
static int reg_error(struct ibv_pd *pd, const struct range_at *at, int access,
		     struct ibv_mr **mr)
{
	*mr = ibv_reg_mr(pd, at->addr, at->length, access);
	return *mr ? 0 : errno;
}

static void expect_truth(struct __test_metadata *_metadata,
			 FIXTURE_DATA(truth) *self, const struct range *range,
			 bool write)
{
	int access = access_flags(write);
	struct peer_mem_query query;
	struct range_at at;
	struct ibv_mr *mr;
	int status;

	ASSERT_EQ(0, range_open(&at, range));
	query = node_question(at.addr, at.length, access);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(range->pinned[write], query.pinned.reason);
	EXPECT_EQ(range->on_demand[write], query.on_demand.reason);
	EXPECT_EQ(range->kinds, query.kinds);
	EXPECT_EQ(RANGE_PAGE, query.page_size);
	EXPECT_STREQ(range->client, query.client);

	EXPECT_EQ(reg_error(self->dev.pd, &at, access, &mr),
		  (int)query.pinned.error);
	EXPECT_EQ(!query.pinned.error, !query.pinned.reason);
	if (mr)
		EXPECT_EQ(0, ibv_dereg_mr(mr));

	EXPECT_EQ(0, (int)query.on_demand.error);
	EXPECT_EQ(0, reg_error(self->dev.pd, &at,
			       access | IBV_ACCESS_ON_DEMAND, &mr));
	if (mr) {
		status = access_all(&self->pair, self->mr, mr, write);
		EXPECT_EQ(!query.on_demand.reason, !status) {
			TH_LOG("status %d", status);
		}
		EXPECT_EQ(0, ibv_dereg_mr(mr));
	}
	range_close(&at);
}

static void expect_all_true(struct __test_metadata *_metadata,
			    FIXTURE_DATA(truth) *self, bool write)
{
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		expect_truth(_metadata, self, &ranges[i], write);
		if (_metadata->exit_code) {
			TH_LOG("%s", ranges[i].name);
			break;
		}
	}
}

TEST_F_TIMEOUT(truth, reading, 120)
{
	expect_all_true(_metadata, self, false);
}

TEST_F_TIMEOUT(truth, writing, 120)
{
	expect_all_true(_metadata, self, true);
}

/* How far it speaks of: to where the trouble begins. */
TEST_F(truth, checked)
{
	const struct range half = { "", &vt_mem_vram, .half = RANGE_HOLE };
	struct peer_mem_query query;
	struct range_at at;

	ASSERT_EQ(0, range_open(&at, &half));
	query = node_question(at.addr + 5, at.length - 5, WRITABLE);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(RANGE_HALF - 5, query.checked);

	query = node_question(at.addr + 5, RANGE_HALF - 10, WRITABLE);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.on_demand.reason);
	EXPECT_EQ(RANGE_HALF - 10, query.checked);

	query = node_question(at.addr + RANGE_HALF + 7, 1, WRITABLE);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(0, query.checked);
	range_close(&at);
}

/* No more questions than a bound to clients, however long the range. */
TEST_F(truth, many_mappings)
{
	enum { COUNT = 300 };
	struct peer_mem_query query;
	struct vt_mem mem;
	unsigned int i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, COUNT * RANGE_PAGE, 0));
	for (i = 0; i < COUNT; i += 2)
		ASSERT_EQ(0, mprotect(mem.addr + i * RANGE_PAGE, RANGE_PAGE,
				      PROT_READ));
	query = node_question(mem.addr, mem.length, 0);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.on_demand.reason);
	EXPECT_EQ(256 * RANGE_PAGE, query.checked);

	query = node_question(mem.addr + query.checked, mem.length - query.checked,
			 0);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ((COUNT - 256) * RANGE_PAGE, query.checked);
	vt_mem_free(&mem);
}

TEST_F(truth, nothing_is_counted_or_pinned)
{
	struct vt_counters before, after;
	struct vt_vram_info info, later;
	struct peer_mem_query query;
	struct vt_mem mem;
	int mrs = vt_resource_count("mr");

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_system, RANGE_SIZE, 0));
	ASSERT_EQ(0, vt_counters_read(mem.kind, &before));
	ASSERT_EQ(0, vt_vram_info(&info));
	query = node_question(mem.addr, mem.length, WRITABLE);
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(0, vt_vram_info(&later));
	EXPECT_EQ(0, memcmp(&info, &later, sizeof(info)));
	EXPECT_EQ(0, vt_counters_read(mem.kind, &after));
	EXPECT_EQ(0, memcmp(&before, &after, sizeof(before)));
	EXPECT_EQ(mrs, vt_resource_count("mr"));
	vt_mem_free(&mem);
}

/* Flags that do not go together, as the verbs see them. */
TEST_F(truth, bad_access)
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
		query = node_question(at.addr, at.length, flags[i / 2]);
		EXPECT_EQ(0, ask(self->fd, &query));
		EXPECT_EQ(PEER_MEM_BAD_ACCESS, query.pinned.reason);
		EXPECT_EQ(PEER_MEM_BAD_ACCESS, query.on_demand.reason);
		EXPECT_EQ(reg_error(self->dev.pd, &at, flags[i / 2], &mr),
			  (int)query.pinned.error);
		EXPECT_EQ(reg_error(self->dev.pd, &at,
				    flags[i / 2] | IBV_ACCESS_ON_DEMAND, &mr),
			  (int)query.on_demand.error);
		vt_mem_free(&at.mem);
	}
}

/* ---- for a user without privileges ---- */

struct user_check {
	int fd;
	struct ibv_pd *pd;
	rlim_t limit;
	const struct vt_mem_kind *kind;
};

/* In a child. Return: 0, or a number for what is not as it should be. */
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
	query = node_question(at.addr, at.length, WRITABLE);
	if (ask(check->fd, &query))
		return 2;
	if (reg_error(check->pd, &at, WRITABLE, &mr) !=
	    (int)query.pinned.error)
		return 3;
	if (mr)
		ibv_dereg_mr(mr);
	if (query.pinned.reason != (check->limit < RANGE_SIZE ?
				    PEER_MEM_LIMIT : PEER_MEM_OK))
		return 4;
	return query.on_demand.reason || query.on_demand.error ? 5 : 0;
}

TEST_F(truth, limits_of_users)
{
	static const struct vt_mem_kind *const kinds[] = {
		&vt_mem_host, &vt_mem_vram,
	};
	static const rlim_t limits[] = {
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

/* ---- while things change ---- */

struct asker {
	int fd;
	struct vt_mem mem;
	atomic_bool stop;
	unsigned long odd;
	unsigned long answers;
};

/* Whatever it says, it is something that it can say. */
static void *ask_on(void *arg)
{
	struct asker *asker = arg;
	struct peer_mem_query query;

	do {
		query = node_question(asker->mem.addr, RANGE_SIZE, WRITABLE);
		if (ask(asker->fd, &query) ||
		    (query.pinned.reason != PEER_MEM_OK &&
		     query.pinned.reason != PEER_MEM_REFUSED &&
		     query.pinned.reason != PEER_MEM_FAILED &&
		     query.pinned.reason != PEER_MEM_NOBODY))
			asker->odd++;
		asker->answers++;
	} while (!atomic_load(&asker->stop));
	return NULL;
}

/* Objects are revoked and destroyed, a client comes and goes. */
TEST_F_TIMEOUT(truth, while_owners_change, 120)
{
	struct asker asker = { .fd = self->fd };
	pthread_t thread;
	int i;

	ASSERT_EQ(0, vt_mem_alloc(&asker.mem, &vt_mem_vram, RANGE_SIZE, 0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, ask_on, &asker));
	for (i = 0; i < 100; i++)
		EXPECT_EQ(0, vt_mem_revoke(&asker.mem));
	for (i = 0; i < 3; i++)
		EXPECT_EQ(0, vt_peerdirect_load(NULL));
	EXPECT_EQ(0, vt_mem_destroy(&asker.mem));
	atomic_store(&asker.stop, true);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	EXPECT_EQ(0, asker.odd);
	EXPECT_LT(0, asker.answers);
	vt_mem_free(&asker.mem);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* ---- the call itself ---- */

FIXTURE(call)
{
	int fd;
	struct vt_mem mem;
	struct peer_mem_query query;
};

FIXTURE_SETUP(call)
{
	self->fd = node_open();
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_host, RANGE_SIZE, 0));
	self->query = node_question(self->mem.addr, RANGE_SIZE, WRITABLE);
}

FIXTURE_TEARDOWN(call)
{
	vt_mem_free(&self->mem);
	close(self->fd);
}

TEST_F(call, sizes)
{
	union {
		struct peer_mem_query query;
		char bytes[8192];
	} room = { .query = self->query };
	const uint32_t first = offsetof(struct peer_mem_query, pid);
	const uint32_t size = sizeof(room.query);

	EXPECT_EQ(0, ask(self->fd, &room.query));
	room.query = self->query;
	room.query.size = first - 1;
	EXPECT_EQ(EINVAL, ask(self->fd, &room.query));
	/* Of a program of the first version, which did not know a process. */
	room.query.size = first;
	room.query.pid = -1;
	EXPECT_EQ(0, ask(self->fd, &room.query));
	EXPECT_EQ(-1, room.query.pid);
	EXPECT_EQ(first, room.query.size);
	room.query = self->query;
	room.query.size = 0;
	EXPECT_EQ(EINVAL, ask(self->fd, &room.query));
	room.query.size = size + 8;
	EXPECT_EQ(0, ask(self->fd, &room.query));
	EXPECT_EQ(size + 8, room.query.size);
	room.query = self->query;
	room.query.size = size + 8;
	room.bytes[size + 7] = 1;
	EXPECT_EQ(E2BIG, ask(self->fd, &room.query));
	room.query.size = sizeof(room);
	EXPECT_EQ(E2BIG, ask(self->fd, &room.query));
}

/* Each field that is not as it must be, alone. */
TEST_F(call, fields)
{
	struct peer_mem_query query;

#define EXPECT_REFUSED(error, field, value) do {			\
		query = self->query;					\
		query.field = (value);					\
		EXPECT_EQ(error, ask(self->fd, &query)) {		\
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)
	EXPECT_REFUSED(EINVAL, access, 1U << 31);
	EXPECT_REFUSED(EINVAL, access, 1U << 10);
	EXPECT_REFUSED(EINVAL, length, 0);
	EXPECT_REFUSED(EINVAL, length, UINT64_MAX);
	EXPECT_REFUSED(EINVAL, addr, UINT64_MAX);
	EXPECT_REFUSED(EINVAL, addr, -RANGE_SIZE);
	EXPECT_REFUSED(EINVAL, client[0], 'x');
	EXPECT_REFUSED(EINVAL, client[63], 'x');
	EXPECT_REFUSED(EINVAL, kinds, 1);
	EXPECT_REFUSED(EINVAL, page_size, 1);
	EXPECT_REFUSED(EINVAL, pinned.error, 1);
	EXPECT_REFUSED(EINVAL, on_demand.reason, 1);
	EXPECT_REFUSED(EINVAL, checked, 1);
	EXPECT_REFUSED(EINVAL, reserved, 1);
	EXPECT_REFUSED(ESRCH, pid, -1);
	EXPECT_REFUSED(ESRCH, pid, INT_MAX);
	/* A thread of the kernel, which has no memory. */
	EXPECT_REFUSED(ESRCH, pid, 2);
	EXPECT_REFUSED(ENODEV, device[0], '\0');
	EXPECT_REFUSED(ENODEV, device[0], 'R');

	query = self->query;
	memset(query.device, 'x', sizeof(query.device));
	EXPECT_EQ(EINVAL, ask(self->fd, &query));
	/* Behind all that a process has, and no error: there is nothing. */
	query = self->query;
	query.addr = 0xffff888000000000;
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, query.pinned.reason);
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, query.on_demand.reason);
	/* The optional ones are the device's business. */
	query = self->query;
	query.access |= IBV_ACCESS_RELAXED_ORDERING;
	EXPECT_EQ(0, ask(self->fd, &query));
	EXPECT_EQ(PEER_MEM_OK, query.pinned.reason);
}

TEST_F(call, pointers_and_numbers)
{
	EXPECT_EQ(EFAULT, ask(self->fd, NULL));
	EXPECT_EQ(-1, ioctl(self->fd, _IO(PEER_MEM_IOC_MAGIC, 99), &self->query));
	EXPECT_EQ(ENOTTY, errno);
	EXPECT_EQ(-1, ioctl(self->fd, _IO(PEER_VRAM_IOC_MAGIC, 0),
			    &self->query));
	EXPECT_EQ(ENOTTY, errno);
	ASSERT_EQ(0, munmap(self->mem.addr + RANGE_PAGE, RANGE_PAGE));
	EXPECT_EQ(EFAULT, ask(self->fd, (void *)(self->mem.addr +
						 2 * RANGE_PAGE - 16)));
}

TEST_HARNESS_MAIN
