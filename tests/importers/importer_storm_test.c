// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registrations and accesses of DMA importers while the memory moves all the time,
 * and registrations that race with munmap() or destruction of the memory.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "engine.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE page_size()
#define SIZE (8 * PAGE)

/* ---- memory that moves ---- */

FIXTURE(moving)
{
	struct en_buf b;
	pthread_t mover;
	atomic_bool stop;
	int moves;
	int error;
};

typedef FIXTURE_DATA(moving) moving_t;

/* Sleeps between moves, so that accesses make progress. */
static void *keep_moving(void *arg)
{
	moving_t *self = arg;

	for (; !atomic_load(&self->stop); self->moves++) {
		int ret = vt_mem_move(&self->b.buf.mem, self->moves & 1);

		/* A registration has pinned the BO at the moment. */
		if (ret && ret != -EBUSY)
			self->error = ret;
		usleep(500);
	}
	return NULL;
}

FIXTURE_SETUP(moving)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, en_buf_open(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_vram, SIZE));
	ASSERT_EQ(0, pthread_create(&self->mover, NULL, keep_moving, self));
}

FIXTURE_TEARDOWN(moving)
{
	atomic_store(&self->stop, true);
	pthread_join(self->mover, NULL);
	TH_LOG("%d moves", self->moves);
	EXPECT_EQ(0, self->error);
	EXPECT_LT(0, self->moves);
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(moving, accessed, 300)
{
	int i;

	for (i = 0; i < 20; i++) {
		EXPECT_EQ(0, en_buf_write(&self->b, i * 1000, 400, 2 + i));
		EXPECT_EQ(0, en_buf_read(&self->b, i * 1000 + 5, 300));
	}
}

/* By a dynamic importer, and by one that pins. */
TEST_F_TIMEOUT(moving, registered, 300)
{
	int rounds = vt_slow_kernel() ? 100 : 400, i;
	struct im_dev dev[2];
	struct im_mr mr;

	ASSERT_EQ(0, im_open(&dev[0], "edu0", IM_WRITE));
	ASSERT_EQ(0, im_open(&dev[1], "edu2", IM_IOCTL));
	for (i = 0; i < rounds; i++) {
		ASSERT_EQ(0, im_reg_mem(&dev[i & 1], &mr, &self->b.buf.mem, 0,
					SIZE, 0, IM_ACCESS_ALL));
		ASSERT_EQ(0, im_dereg_mr(&mr));
	}
	im_close(&dev[0]);
	im_close(&dev[1]);
}

/* ---- memory that disappears ---- */

FIXTURE(disappearing)
{
	struct im_dev dev;
	struct vt_mem mem;
	unsigned int delay;
};

FIXTURE_VARIANT(disappearing)
{
	const char *device;
	int (*remove)(struct vt_mem *mem);
};

typedef FIXTURE_DATA(disappearing) disappearing_t;

static int unmap_memory(struct vt_mem *mem)
{
	return munmap(mem->addr, SIZE) ? -errno : 0;
}

FIXTURE_VARIANT_ADD(disappearing, dynamic_unmapped) {
	.device = "edu0", .remove = unmap_memory,
};
FIXTURE_VARIANT_ADD(disappearing, dynamic_destroyed) {
	.device = "edu0", .remove = vt_mem_destroy,
};
FIXTURE_VARIANT_ADD(disappearing, revocable_unmapped) {
	.device = "edu2", .remove = unmap_memory,
};
FIXTURE_VARIANT_ADD(disappearing, revocable_destroyed) {
	.device = "edu2", .remove = vt_mem_destroy,
};

FIXTURE_SETUP(disappearing)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_set_bridges("all"));
	ASSERT_EQ(0, im_open(&self->dev, variant->device, IM_WRITE));
}

FIXTURE_TEARDOWN(disappearing)
{
	im_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

struct removal {
	disappearing_t *self;
	int (*remove)(struct vt_mem *mem);
	int ret;
};

static void *remove_delayed(void *arg)
{
	struct removal *removal = arg;

	usleep(removal->self->delay);
	removal->ret = removal->remove(&removal->self->mem);
	return NULL;
}

TEST_F_TIMEOUT(disappearing, registered, 300)
{
	int rounds = vt_slow_kernel() ? 50 : 300, succeeded = 0, i, ret;
	struct removal removal = { .self = self, .remove = variant->remove };
	pthread_t thread;
	struct im_mr mr;

	for (i = 0; i < rounds; i++) {
		self->delay = i % 50 * 20;
		ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, SIZE, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, remove_delayed,
					    &removal));
		ret = im_reg_mem(&self->dev, &mr, &self->mem, 0, SIZE, 0,
				 IM_ACCESS_ALL);
		if (!ret)
			EXPECT_EQ(0, im_dereg_mr(&mr));
		pthread_join(thread, NULL);
		EXPECT_EQ(0, removal.ret);
		vt_mem_free(&self->mem);
		succeeded += !ret;
	}
	TH_LOG("%d of %d registrations succeeded", succeeded, rounds);
}

TEST_HARNESS_MAIN
