// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An access that finds pages missing joins a fault in progress if that fault
 * covers the pages and the access rights that it needs. Otherwise it starts its
 * own fault. One fault is held before it resolves:
 *
 *   held, for one page            second access                 result
 *   a READ of it                  READ of it                    joins
 *   a READ of it                  WRITE of it                   own fault
 *   a READ of it                  READ of it and the next page  own fault
 *   a prefetch without a fault    READ                          own fault
 *   a prefetch of more pages,     WRITE of a page that is       own fault after the
 *   which fails                   mapped                        failure
 *
 * The other tests cover a region that is revoked before it is inserted, a
 * registration that ends, and packets that are deferred.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "applies.h"
#include "page_size.h"
#include "../lib/chardev.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()

/* An operation of one packet, inside one page or across a page boundary. */
struct part {
	struct vt_link link;
	uint64_t at;
	uint32_t length;
};

static int part_read(void *arg)
{
	struct part *part = arg;
	struct ibv_sge sge = vt_sge(&part->link.here, part->at, part->length);

	return vt_rdma_read(&part->link.pair.end[0], &sge, 1,
			    vt_remote(&part->link.there, part->at));
}

static int part_write(void *arg)
{
	struct part *part = arg;
	struct ibv_sge sge = vt_sge(&part->link.here, part->at, part->length);

	return vt_rdma_write(&part->link.pair.end[0], &sge, 1,
			     vt_remote(&part->link.there, part->at));
}

/* ---- joining ---- */

FIXTURE(join)
{
	struct part first, second;
	struct attempt held, other;
	int node;
};

FIXTURE_VARIANT(join)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(join, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(join, vram) { .kind = &vt_mem_vram };

FIXTURE_SETUP(join)
{
	self->node = chardev_open();
	ASSERT_LE(0, self->node);
	self->first.at = 1000;
	self->first.length = 500;
	ASSERT_EQ(0, race_open(&self->first.link, variant->kind));
	self->second = self->first;
	ASSERT_EQ(0, vt_pair_open(&self->second.link.pair,
				  &self->first.link.dev, NULL));
}

FIXTURE_TEARDOWN(join)
{
	close(self->node);
	vt_pair_close(&self->second.link.pair);
	EXPECT_EQ(0, vt_link_close(&self->first.link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * Return: the number of faults of the remote MR. It does not fork: mmap_lock is
 * held while the fault resolves system memory.
 */
static unsigned long faults(FIXTURE_DATA(join) *self)
{
	struct peer_mem_mr mr = { 0 };

	while (!chardev_next_mr(self->node, 0, mr.number, &mr))
		if (mr.addr == (uintptr_t)self->first.link.there.mr->addr)
			return mr.faults;
	return ~0UL;
}

TEST_F_TIMEOUT(join, same_page, 60)
{
	ASSERT_EQ(0, attempt_prepare(&self->other, part_read, &self->second));
	ASSERT_EQ(0, attempt_start(&self->held, "resolve", part_read,
				   &self->first));
	attempt_go(&self->other);
	usleep(500000);
	EXPECT_FALSE(attempt_is_done(&self->other));
	EXPECT_EQ(1, faults(self));
	EXPECT_TRUE(hold_is_held("resolve"));
	EXPECT_EQ(0, attempt_end(&self->held));
	EXPECT_EQ(0, attempt_join(&self->other));
	EXPECT_EQ(1, faults(self));
}

/* The second access completes while the first fault is still held. */
static void starts_own_fault(struct __test_metadata *_metadata,
			FIXTURE_DATA(join) *self, int (*access)(void *part))
{
	ASSERT_EQ(0, attempt_prepare(&self->other, access, &self->second));
	ASSERT_EQ(0, attempt_start(&self->held, "resolve", part_read,
				   &self->first));
	attempt_go(&self->other);
	EXPECT_EQ(0, attempt_join(&self->other));
	EXPECT_EQ(2, faults(self));
	EXPECT_TRUE(hold_is_held("resolve"));
	EXPECT_EQ(0, attempt_end(&self->held));
}

TEST_F_TIMEOUT(join, for_writing, 60)
{
	starts_own_fault(_metadata, self, part_write);
}

TEST_F_TIMEOUT(join, more_pages, 60)
{
	self->second.at = PAGE - 300;
	self->second.length = 600;
	starts_own_fault(_metadata, self, part_read);
}

/* How long a responder may take to answer RNR NAK, in ms. */
#define NOT_READY_MS 10000

/*
 * Waits until a responder has sent an RNR NAK after the first @naks. Return: true if it
 * has.
 */
static bool answers_not_ready(long naks)
{
	int64_t until = vt_now_ms() + NOT_READY_MS;

	while (vt_port_counter("rcvd_rnr_err") <= naks && vt_now_ms() < until)
		usleep(1000);
	return vt_port_counter("rcvd_rnr_err") > naks;
}

/*
 * Its first page is present, which is not enough: the responder does not wait in the
 * access for the second one.
 */
TEST_F_TIMEOUT(join, second_page_missing, 60)
{
	struct vt_mem *mem = &self->first.link.there.mem;
	long naks = vt_port_counter("rcvd_rnr_err");

	if (variant->kind != &vt_mem_host)
		DOES_NOT_APPLY(return, "this memory moves as a whole");
	self->second.at = PAGE - 300;
	self->second.length = 600;
	ASSERT_EQ(0, part_read(&self->first));
	/* The first access has also faulted in the adjacent pages. */
	ASSERT_EQ(0, madvise(mem->addr + PAGE, mem->length - PAGE,
			     MADV_REMOVE));
	ASSERT_EQ(0, attempt_start(&self->held, "resolve", part_read,
				   &self->second));
	EXPECT_TRUE(answers_not_ready(naks));
	EXPECT_EQ(0, attempt_end(&self->held));
}

TEST_F_TIMEOUT(join, other_page, 60)
{
	self->second.at = self->second.link.there.mem.length - PAGE + 10;
	starts_own_fault(_metadata, self, part_read);
}

static int prefetch_no_fault(void *arg)
{
	struct part *part = arg;
	struct ibv_sge sge = vt_sge(&part->link.there, part->at, part->length);

	return vt_advise_mr(part->link.dev.pd,
			    IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT, 0, &sge, 1);
}

TEST_F_TIMEOUT(join, prefetch_without_fault, 60)
{
	if (variant->kind != &vt_mem_host)
		DOES_NOT_APPLY(return,
			       "an exporter cannot report which pages are present");
	ASSERT_EQ(0, attempt_prepare(&self->other, part_read, &self->second));
	/* The call itself does not wait. */
	ASSERT_EQ(0, attempt_start(&self->held, "resolve", prefetch_no_fault,
				   &self->first));
	attempt_go(&self->other);
	EXPECT_EQ(0, attempt_join(&self->other));
	EXPECT_EQ(2, faults(self));
	EXPECT_TRUE(hold_is_held("resolve"));
	EXPECT_EQ(0, attempt_end(&self->held));
}

static int prefetch_all(void *arg)
{
	struct part *part = arg;
	struct ibv_sge all = vt_sge(&part->link.there, 0,
				    part->link.there.mem.length);

	return vt_advise_mr(part->link.dev.pd,
			    IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE, 0, &all, 1);
}

/* By the requester, from its own memory. */
static int part_write_from(void *arg)
{
	struct part *part = arg;
	struct ibv_sge sge = vt_sge(&part->link.there, part->at, part->length);

	return vt_rdma_write(&part->link.pair.end[0], &sge, 1,
			     vt_remote(&part->link.here, part->at));
}

/* The joined fault fails on a page that the access does not need. */
static void join_failing_fault(struct __test_metadata *_metadata,
			    FIXTURE_DATA(join) *self, int (*access)(void *part))
{
	struct vt_mem *mem = &self->first.link.there.mem;

	ASSERT_EQ(0, munmap(mem->addr + mem->length - PAGE, PAGE));
	ASSERT_EQ(0, attempt_prepare(&self->other, access, &self->second));
	ASSERT_EQ(0, attempt_start(&self->held, "resolve", prefetch_all,
				   &self->first));
	attempt_go(&self->other);
	usleep(500000);
	EXPECT_FALSE(attempt_is_done(&self->other));
	EXPECT_EQ(1, faults(self));
	EXPECT_EQ(0, attempt_end(&self->held));
	EXPECT_EQ(0, attempt_join(&self->other));
}

TEST_F_TIMEOUT(join, joined_fault_fails, 60)
{
	join_failing_fault(_metadata, self, part_write);
}

TEST_F_TIMEOUT(join, joined_fault_fails_requester, 60)
{
	join_failing_fault(_metadata, self, part_write_from);
}

/* ---- a region that is revoked before it is in the tree ---- */

FIXTURE(claim)
{
	struct vt_link link;
	struct attempt access;
};

FIXTURE_SETUP(claim)
{
	ASSERT_EQ(0, race_open(&self->link, &vt_mem_vram));
}

FIXTURE_TEARDOWN(claim)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

static int do_read(void *link)
{
	return run_operation(link, READ);
}

/*
 * The revocation is not remembered: the BO still exists and is claimed again.
 */
TEST_F_TIMEOUT(claim, revoked_before_insert, 60)
{
	struct vt_link *link = &self->link;

	ASSERT_EQ(0, attempt_start(&self->access, "claimed", do_read, link));
	ASSERT_EQ(0, vt_mem_revoke(&link->there.mem));
	EXPECT_TRUE(hold_is_held("claimed"));
	EXPECT_EQ(0, attempt_end(&self->access));
	EXPECT_EQ(0, check_read(link));
}

/* ---- a registration that ends during a prefetch ---- */

/* What one step of a fault resolves. */
#define STEP large_entry_size()

/*
 * Prefetches four steps. Waits for the end, or deregisters during the prefetch, and exits
 * with 0.
 */
static void prefetch_long(bool deregister)
{
	struct vt_dev dev;
	struct ibv_sge sge;
	struct ibv_mr *mr;
	uint8_t *area;

	area = mmap(NULL, 4 * STEP, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED || vt_dev_open(&dev))
		_exit(1);
	mr = ibv_reg_mr(dev.pd, area, 4 * STEP,
			VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	if (!mr)
		_exit(1);
	sge = (struct ibv_sge){ (uintptr_t)area, 4 * STEP, mr->lkey };
	vt_advise_mr(dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
		     deregister ? 0 : IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
	_exit(deregister && !hold_wait("resolved") && !ibv_dereg_mr(mr) ? 0 : 2);
}

/*
 * Waits until the process runs in @function of the kernel. Return: 0,
 * -ETIMEDOUT.
 */
static int wait_in_function(pid_t pid, const char *function)
{
	int64_t until = vt_now_ms() + 20000;
	char path[64], stack[4096];
	ssize_t n = 0;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	do {
		usleep(10000);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		n = fd < 0 ? 0 : read(fd, stack, sizeof(stack) - 1);
		close(fd);
		stack[n > 0 ? n : 0] = 0;
	} while (!strstr(stack, function) && vt_now_ms() < until);
	return strstr(stack, function) ? 0 : -ETIMEDOUT;
}

/*
 * Deregistration waits for the prefetch, and ends it: it does not continue after the
 * step in progress. Exit of a process deregisters. A kill ends the process's wait for its
 * prefetch.
 */
static void ends_prefetch(struct __test_metadata *_metadata, bool deregister)
{
	pid_t pid;

	ASSERT_EQ(0, hold_arm("resolved", HOLD_LONG));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		prefetch_long(deregister);
	ASSERT_EQ(0, hold_wait("resolved"));
	if (!deregister)
		ASSERT_EQ(0, kill(pid, SIGKILL));
	ASSERT_EQ(0, wait_in_function(pid, "ib_umem_peer_drain_faults"));
	ASSERT_EQ(0, hold_arm("resolve", HOLD_LONG));
	ASSERT_EQ(0, hold_release("resolved"));
	EXPECT_EQ(deregister ? 0 : 128 + SIGKILL, vt_wait_child(pid, 5000));
	EXPECT_FALSE(hold_is_held("resolve"));
	hold_release("resolve");
}

TEST(killed_during_prefetch)
{
	ends_prefetch(_metadata, false);
}

TEST(deregistered_during_prefetch)
{
	ends_prefetch(_metadata, true);
}

/* ---- deferred packets ---- */

#define TIMEOUT "/sys/kernel/debug/ib_peer_mem/fault_timeout_ms"
#define BOUND_MS 3000
#define SLOW_MS 500

FIXTURE(deferred)
{
	struct part part;
	struct attempt access;
};

FIXTURE_SETUP(deferred)
{
	self->part.at = 1000;
	self->part.length = 500;
	ASSERT_EQ(0, race_open(&self->part.link, &vt_mem_host));
	ASSERT_EQ(0, vt_write_file(TIMEOUT, "3000"));
}

FIXTURE_TEARDOWN(deferred)
{
	EXPECT_EQ(0, vt_write_file(TIMEOUT, "60000"));
	EXPECT_EQ(0, vt_link_close(&self->part.link));
}

/*
 * The time that one packet was deferred does not count against the deadline of
 * the next packet.
 */
TEST_F_TIMEOUT(deferred, deadline_of_each_packet, 60)
{
	struct vt_mem *mem = &self->part.link.there.mem;
	int i;

	for (i = 0; i < 2; i++) {
		ASSERT_EQ(0, attempt_start(&self->access, "resolve", part_write,
					   &self->part));
		usleep(SLOW_MS * 1000);
		EXPECT_TRUE(hold_is_held("resolve"));
		EXPECT_EQ(0, attempt_end(&self->access));
		ASSERT_EQ(0, madvise(mem->addr, mem->length, MADV_REMOVE));
		usleep(BOUND_MS * 1000);
	}
}

TEST_HARNESS_MAIN
