// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registrations and accesses of DMA importers while the memory moves without pause,
 * and registrations while it goes, at any moment.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "engine.h"
#include "lib/counters.h"
#include "lib/proc.h"

#define PAGE 4096
#define SIZE (8 * PAGE)

/* ---- memory that moves ---- */

FIXTURE(moving)
{
	struct en_buf b;
	pthread_t mover;
	atomic_bool over;
	int moves;
	int error;
};

typedef FIXTURE_DATA(moving) moving_t;

/* By pauses, or a device that has to wait would wait for ever. */
static void *keep_moving(void *arg)
{
	moving_t *self = arg;

	for (; !atomic_load(&self->over); self->moves++) {
		int ret = vt_mem_move(&self->b.buf.mem, self->moves & 1);

		/* Somebody has it pinned just now. */
		if (ret && ret != -EBUSY)
			self->error = ret;
		usleep(500);
	}
	return NULL;
}

FIXTURE_SETUP(moving)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, en_buf_open(&self->b, EDU_RDMA_DYNAMIC, IM_WRITE,
				 &vt_mem_vram, SIZE));
	ASSERT_EQ(0, pthread_create(&self->mover, NULL, keep_moving, self));
}

FIXTURE_TEARDOWN(moving)
{
	atomic_store(&self->over, true);
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
		EXPECT_EQ(0, en_put(&self->b, i * 1000, 400, 2 + i));
		EXPECT_EQ(0, en_get(&self->b, i * 1000 + 5, 300));
	}
}

/* By who follows, and by who pins. */
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

/* ---- memory that goes ---- */

FIXTURE(going)
{
	struct im_dev dev;
	struct vt_mem mem;
	unsigned int delay;
};

FIXTURE_VARIANT(going)
{
	const char *device;
	int (*go)(struct vt_mem *mem);
};

typedef FIXTURE_DATA(going) going_t;

static int unmap(struct vt_mem *mem)
{
	return munmap(mem->addr, SIZE) ? -errno : 0;
}

FIXTURE_VARIANT_ADD(going, dynamic_unmapped) {
	.device = "edu0", .go = unmap,
};
FIXTURE_VARIANT_ADD(going, dynamic_destroyed) {
	.device = "edu0", .go = vt_mem_destroy,
};
FIXTURE_VARIANT_ADD(going, revocable_unmapped) {
	.device = "edu2", .go = unmap,
};
FIXTURE_VARIANT_ADD(going, revocable_destroyed) {
	.device = "edu2", .go = vt_mem_destroy,
};

FIXTURE_SETUP(going)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, en_bridges("all"));
	ASSERT_EQ(0, im_open(&self->dev, variant->device, IM_WRITE));
}

FIXTURE_TEARDOWN(going)
{
	im_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

struct departure {
	going_t *self;
	int (*go)(struct vt_mem *mem);
	int ret;
};

static void *depart(void *arg)
{
	struct departure *departure = arg;

	usleep(departure->self->delay);
	departure->ret = departure->go(&departure->self->mem);
	return NULL;
}

TEST_F_TIMEOUT(going, registered, 300)
{
	int rounds = vt_slow_kernel() ? 50 : 300, came = 0, i, ret;
	struct departure departure = { .self = self, .go = variant->go };
	pthread_t thread;
	struct im_mr mr;

	for (i = 0; i < rounds; i++) {
		self->delay = i % 50 * 20;
		ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, SIZE, 0));
		ASSERT_EQ(0, pthread_create(&thread, NULL, depart, &departure));
		ret = im_reg_mem(&self->dev, &mr, &self->mem, 0, SIZE, 0,
				 IM_ACCESS_ALL);
		if (!ret)
			EXPECT_EQ(0, im_dereg_mr(&mr));
		pthread_join(thread, NULL);
		EXPECT_EQ(0, departure.ret);
		vt_mem_free(&self->mem);
		came += !ret;
	}
	TH_LOG("%d of %d registrations came", came, rounds);
}

TEST_HARNESS_MAIN
