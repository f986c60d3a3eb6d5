// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Signals that are not fatal. A process with an interval timer can register,
 * query, map and move a BO while another thread holds the BO's lock most of the
 * time. No call fails with EINTR.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include <infiniband/verbs.h>
#include <rdma/peer_mem.h>

#include "kselftest_harness.h"
#include "vram.h"

#define LENGTH (32 * MIB)
#define RW (PROT_READ | PROT_WRITE)
#define TIMER_US 3000
#define ROUNDS 30

static atomic_int signals;

static void count_signal(int number)
{
	(void)number;
	atomic_fetch_add(&signals, 1);
}

FIXTURE(timer)
{
	struct ibv_context *context;
	struct ibv_pd *pd;
	int fd;
	uint32_t handle;
	char *map;
	pthread_t mover;
	atomic_bool stop;
	atomic_ulong moves;
};

typedef FIXTURE_DATA(timer) timer_data;

/* This thread blocks SIGALRM, so the main thread gets the signals. */
static void *move_repeatedly(void *arg)
{
	timer_data *self = arg;

	while (!atomic_load(&self->stop)) {
		if (!vram_move(self->fd, self->handle, PEER_VRAM_DOMAIN_SYSTEM) &&
		    !vram_move(self->fd, self->handle, PEER_VRAM_DOMAIN_VRAM))
			atomic_fetch_add(&self->moves, 1);
	}
	return NULL;
}

static void set_timer(long us)
{
	struct itimerval timer = {
		.it_interval.tv_usec = us, .it_value.tv_usec = us,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

FIXTURE_SETUP(timer)
{
	/* No SA_RESTART: interrupted system calls are not restarted. */
	struct sigaction action = { .sa_handler = count_signal };
	struct ibv_device **list = ibv_get_device_list(NULL);
	sigset_t alarm;

	ASSERT_NE(NULL, list);
	ASSERT_NE(NULL, list[0]);
	ASSERT_EQ(0, vram_wait_empty(10));
	self->context = ibv_open_device(list[0]);
	ASSERT_NE(NULL, self->context);
	self->pd = ibv_alloc_pd(self->context);
	ASSERT_NE(NULL, self->pd);
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_create(self->fd, LENGTH, 0, &self->handle));
	self->map = vram_map(self->fd, self->handle, LENGTH, RW);
	ASSERT_NE(NULL, self->map);

	sigemptyset(&alarm);
	sigaddset(&alarm, SIGALRM);
	pthread_sigmask(SIG_BLOCK, &alarm, NULL);
	ASSERT_EQ(0, pthread_create(&self->mover, NULL, move_repeatedly, self));
	pthread_sigmask(SIG_UNBLOCK, &alarm, NULL);
	ASSERT_EQ(0, sigaction(SIGALRM, &action, NULL));
	set_timer(TIMER_US);
	while (!atomic_load(&self->moves) || !atomic_load(&signals))
		usleep(1000);
}

FIXTURE_TEARDOWN(timer)
{
	set_timer(0);
	atomic_store(&self->stop, true);
	pthread_join(self->mover, NULL);
	ibv_dealloc_pd(self->pd);
	ibv_close_device(self->context);
	munmap(self->map, LENGTH);
	close(self->fd);
	EXPECT_EQ(0, vram_wait_empty(20));
}

TEST_F_TIMEOUT(timer, registrations, 120)
{
	struct ibv_mr *mr;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		mr = ibv_reg_mr(self->pd, self->map, PAGE,
				IBV_ACCESS_LOCAL_WRITE);
		ASSERT_NE(NULL, mr)
			TH_LOG("registration %d: %s", i, strerror(errno));
		ASSERT_EQ(0, ibv_dereg_mr(mr));
	}
}

TEST_F_TIMEOUT(timer, queries, 120)
{
	int node = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	int i;

	ASSERT_LE(0, node);
	for (i = 0; i < ROUNDS; i++) {
		struct peer_mem_query query = {
			.size = sizeof(query),
			.access = IBV_ACCESS_LOCAL_WRITE,
			.addr = (uintptr_t)self->map,
			.length = PAGE,
		};

		strcpy(query.device, ibv_get_device_name(self->context->device));
		ASSERT_EQ(0, ioctl(node, PEER_MEM_IOC_QUERY, &query))
			TH_LOG("query %d: %s", i, strerror(errno));
		EXPECT_EQ(0, query.pinned.error);
		EXPECT_EQ(0, query.on_demand.error);
	}
	close(node);
}

TEST_F_TIMEOUT(timer, mappings, 240)
{
	void *map;
	int i;

	for (i = 0; i < ROUNDS / 3; i++) {
		/* This evicts other BOs. */
		map = mmap(NULL, 100 * MIB, RW, MAP_SHARED, self->fd, 0);
		ASSERT_NE(MAP_FAILED, map)
			TH_LOG("mapping %d: %s", i, strerror(errno));
		ASSERT_EQ(0, munmap(map, 100 * MIB));
	}
}

TEST_F_TIMEOUT(timer, ioctls, 240)
{
	char bytes[4096];
	uint32_t handle;
	int i;

	for (i = 0; i < ROUNDS; i++) {
		ASSERT_EQ(0, vram_create(self->fd, 40 * MIB, 0, &handle));
		ASSERT_EQ(0, vram_write(self->fd, self->handle, 0, bytes,
					sizeof(bytes)));
		ASSERT_EQ(0, vram_read(self->fd, self->handle, 0, bytes,
				       sizeof(bytes)));
		ASSERT_EQ(0, vram_move(self->fd, handle,
				       PEER_VRAM_DOMAIN_SYSTEM));
		ASSERT_EQ(0, vram_move(self->fd, handle,
				       PEER_VRAM_DOMAIN_VRAM));
		ASSERT_EQ(0, vram_destroy(self->fd, handle));
		ASSERT_EQ(0, vram_close(self->fd, handle));
	}
}

TEST_HARNESS_MAIN
