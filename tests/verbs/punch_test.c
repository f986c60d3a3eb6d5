// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * After an invalidation has returned, no access uses the old page. One thread faults
 * all pages of a file into an on-demand MR, and drops them from the process again, in
 * a loop. Meanwhile a worker punches one page out of the file, which frees the page,
 * and accesses the same address by RDMA. A WRITE that used the freed page is missing
 * in the file. A READ that used it returns the bytes from before the punch.
 *
 * $PEERMEM_PUNCH_SECONDS is the time that each test runs.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <linux/falloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
/* Erasing this many entries needs several batches under the page table's lock. */
#define LENGTH (32UL * 1024 * 1024)
#define SECONDS 60
#define MIN_DROPS 3UL
#define MIN_ACCESSES 11UL
#define MAX_SECONDS 240
/* Pages that are allocated after a punch, so that the freed page is among them. */
#define OTHERS 4
#define WORKERS 2

/* Accesses always the same page of the file, so that its entry stays a hint. */
struct worker {
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *target;
	uint32_t rkey;
	int file;
	off_t offset;
	uint8_t *others;
	pthread_t thread;
	bool (*step)(struct worker *w, uint64_t seed, int *error);
	atomic_bool *stop;
	atomic_ulong accesses;
	unsigned long lost;
	int error;
};

FIXTURE(punch)
{
	struct vt_dev dev;
	struct worker worker[WORKERS];
	int file;
	uint8_t *addr;
	struct ibv_mr *mr;
	pthread_t dropper;
	atomic_bool stop;
	atomic_ulong drops;
	int drop_error;
};

static int worker_open(struct worker *w, struct vt_dev *dev)
{
	struct vt_pair_opts opts = { .mtu = IBV_MTU_4096 };
	int ret = vt_pair_open(&w->pair, dev, &opts);

	w->others = mmap(NULL, OTHERS * PAGE, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (!ret && w->others == MAP_FAILED)
		ret = -errno;
	if (!ret)
		ret = vt_buf_open(&w->local, dev, &vt_mem_host, PAGE, NULL);
	return ret;
}

FIXTURE_SETUP(punch)
{
	int i;

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	self->file = memfd_create("punch", MFD_CLOEXEC);
	ASSERT_LE(0, self->file);
	ASSERT_EQ(0, ftruncate(self->file, LENGTH));
	self->addr = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE, MAP_SHARED,
			  self->file, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->addr);
	self->mr = ibv_reg_mr(self->dev.pd, self->addr, LENGTH,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
	for (i = 0; i < WORKERS; i++) {
		struct worker *w = &self->worker[i];

		ASSERT_EQ(0, worker_open(w, &self->dev));
		w->file = self->file;
		w->offset = i * PAGE;
		w->target = self->addr + w->offset;
		w->rkey = self->mr->rkey;
		w->stop = &self->stop;
	}
}

FIXTURE_TEARDOWN(punch)
{
	int i;

	for (i = 0; i < WORKERS; i++) {
		EXPECT_EQ(0, vt_buf_close(&self->worker[i].local));
		vt_pair_close(&self->worker[i].pair);
		munmap(self->worker[i].others, OTHERS * PAGE);
	}
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, LENGTH);
	close(self->file);
	vt_dev_close(&self->dev);
}

typedef FIXTURE_DATA(punch) punch_t;

static int punch(const struct worker *w)
{
	return fallocate(w->file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			 w->offset, PAGE) ? -errno : 0;
}

static struct vt_remote target(const struct worker *w)
{
	return (struct vt_remote){ (uintptr_t)w->target, w->rkey };
}

/* Return: false if the file does not have the bytes that were written. */
static bool write_step(struct worker *w, uint64_t seed, int *error)
{
	struct ibv_sge sge = vt_sge(&w->local, 0, PAGE);
	uint8_t have[MAX_PAGE_SIZE];

	vt_buf_fill(&w->local, seed);
	*error = punch(w);
	if (!*error)
		*error = vt_rdma_write(&w->pair.end[0], &sge, 1, target(w));
	if (!*error && pread(w->file, have, PAGE, w->offset) != (ssize_t)PAGE)
		*error = -EIO;
	return *error || vt_first_diff(have, w->local.shadow, PAGE) < 0;
}

/* Gives the page that the punch has freed another user and other bytes. */
static int use_freed_page(struct worker *w)
{
	if (madvise(w->others, OTHERS * PAGE, MADV_DONTNEED))
		return -errno;
	memset(w->others, 0xee, OTHERS * PAGE);
	return 0;
}

/* Return: false if the READ did not return the bytes of the file. */
static bool read_step(struct worker *w, uint64_t seed, int *error)
{
	struct ibv_sge sge = vt_sge(&w->local, 0, PAGE);

	vt_pattern_fill(w->local.shadow, seed, 0, PAGE);
	*error = punch(w);
	if (!*error)
		*error = use_freed_page(w);
	if (!*error &&
	    pwrite(w->file, w->local.shadow, PAGE, w->offset) != (ssize_t)PAGE)
		*error = -EIO;
	if (!*error)
		*error = vt_rdma_read(&w->pair.end[0], &sge, 1, target(w));
	return *error ||
	       vt_first_diff(w->local.mem.addr, w->local.shadow, PAGE) < 0;
}

static void *worker_run(void *arg)
{
	struct worker *w = arg;

	while (!atomic_load(w->stop) && !w->error) {
		if (!w->step(w, ((uint64_t)w->offset << 32) + w->accesses,
			     &w->error))
			w->lost++;
		w->accesses++;
	}
	return NULL;
}

/*
 * Fills the page table with all pages, so that there is much to erase. Populates the
 * CPU's page table first, which is the fastest way.
 */
static void *dropper_run(void *arg)
{
	punch_t *self = arg;
	struct ibv_sge all = {
		(uintptr_t)self->addr, LENGTH, self->mr->lkey
	};

	while (!atomic_load(&self->stop) && !self->drop_error) {
		if (madvise(self->addr, LENGTH, MADV_POPULATE_READ))
			self->drop_error = -errno;
		if (!self->drop_error)
			self->drop_error =
				vt_advise_mr(self->dev.pd,
					     IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
					     IBV_ADVISE_MR_FLAG_FLUSH, &all, 1);
		if (madvise(self->addr, LENGTH, MADV_DONTNEED))
			self->drop_error = -errno;
		self->drops++;
	}
	return NULL;
}

static unsigned int seconds(void)
{
	const char *text = getenv("PEERMEM_PUNCH_SECONDS");

	return text ? atoi(text) : SECONDS;
}

static bool has_enough(const punch_t *self, int workers)
{
	int i;

	for (i = 0; i < workers; i++)
		if (self->worker[i].accesses < MIN_ACCESSES)
			return false;
	return atomic_load(&self->drops) >= MIN_DROPS;
}

/*
 * Waits for the time of the test, and longer on a slow machine, for some drops and some
 * accesses of each worker.
 */
static void wait_for_drops(const punch_t *self, int workers)
{
	unsigned int i;

	for (i = 0; i < seconds() || (!has_enough(self, workers) && i < MAX_SECONDS); i++)
		sleep(1);
}

static void run(struct __test_metadata *_metadata, punch_t *self,
		int workers,
		bool (*step)(struct worker *w, uint64_t seed, int *error))
{
	int i;

	ASSERT_EQ(0, pthread_create(&self->dropper, NULL, dropper_run, self));
	for (i = 0; i < workers; i++) {
		self->worker[i].step = step;
		ASSERT_EQ(0, pthread_create(&self->worker[i].thread, NULL,
					    worker_run, &self->worker[i]));
	}
	wait_for_drops(self, workers);
	atomic_store(&self->stop, true);
	pthread_join(self->dropper, NULL);
	EXPECT_EQ(0, self->drop_error);
	EXPECT_LE(MIN_DROPS, atomic_load(&self->drops));
	for (i = 0; i < workers; i++) {
		struct worker *w = &self->worker[i];

		pthread_join(w->thread, NULL);
		TH_LOG("%lu accesses, %lu lost, all pages dropped %lu times",
		       w->accesses, w->lost, atomic_load(&self->drops));
		EXPECT_EQ(0, w->error);
		EXPECT_EQ(0, w->lost);
		EXPECT_LE(MIN_ACCESSES, w->accesses);
	}
}

TEST_F_TIMEOUT(punch, write, 300)
{
	run(_metadata, self, 1, write_step);
}

TEST_F_TIMEOUT(punch, read, 300)
{
	run(_metadata, self, 1, read_step);
}

TEST_F_TIMEOUT(punch, write_by_two_queue_pairs, 300)
{
	run(_metadata, self, WORKERS, write_step);
}

TEST_F_TIMEOUT(punch, read_by_two_queue_pairs, 300)
{
	run(_metadata, self, WORKERS, read_step);
}

TEST_HARNESS_MAIN
