// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Moves and revocation of memory that DMA importers use: a dynamic importer, a
 * non-revocable one, and a revocable one.
 */
#include <kselftest_harness.h>

#include <pthread.h>
#include <stdatomic.h>

#include "../page_size.h"
#include "applies.h"
#include "engine.h"
#include "lib/test_dmabuf.h"

#define PAGE page_size()
#define SIZE (4 * PAGE)

FIXTURE(move)
{
	struct en_buf b;
	struct edu_rdma_stats before;
};

FIXTURE_VARIANT(move)
{
	const struct vt_mem_kind *kind;
	enum edu_rdma_device device;
};

FIXTURE_VARIANT_ADD(move, dynamic_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(move, pinned_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_PINNED,
};
FIXTURE_VARIANT_ADD(move, revocable_dma) {
	.kind = &vt_mem_dma, .device = EDU_RDMA_REVOCABLE,
};

FIXTURE_SETUP(move)
{
	int engine;

	ASSERT_EQ(0, en_load());
	engine = en_open();
	ASSERT_EQ(0, en_stats(engine, variant->device, &self->before));
	close(engine);
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 variant->kind, SIZE));
}

typedef FIXTURE_DATA(move) move_t;

/* Return: statistics of the device since the start of the test. */
static struct edu_rdma_stats stats_since_start(move_t *self)
{
	struct edu_rdma_stats now = { 0 };

	if (en_stats(self->b.engine, self->b.device, &now))
		return now;
	now.mrs -= self->before.mrs;
	now.mappings -= self->before.mappings;
	now.unmappings -= self->before.unmappings;
	now.notifies -= self->before.notifies;
	now.revocations -= self->before.revocations;
	now.faults -= self->before.faults;
	return now;
}

/* Checks that deregistration leaves no attachment, mapping or MR. */
FIXTURE_TEARDOWN(move)
{
	struct peer_test_dmabuf_stats stats = { 0 };
	struct edu_rdma_stats end;

	EXPECT_EQ(0, en_buf_deregister(&self->b));
	EXPECT_EQ(0, vt_test_dmabuf_stats(&self->b.buf.mem, &stats));
	EXPECT_EQ(0, stats.attached);
	EXPECT_EQ(0, stats.mapped);
	EXPECT_EQ(0, stats.wrong);
	end = stats_since_start(self);
	EXPECT_EQ(0, end.mrs);
	EXPECT_EQ(end.mappings, end.unmappings);
	EXPECT_EQ(0, en_buf_close(&self->b));
}

/* Accesses two pages. */
static int write_data(move_t *self, uint64_t seed)
{
	return en_buf_write(&self->b, PAGE - 100, 300, seed);
}

static int read_data(move_t *self)
{
	return en_buf_read(&self->b, PAGE - 90, 250);
}

/* ---- moves ---- */

static void check_dynamic(struct __test_metadata *_metadata, move_t *self)
{
	struct peer_test_dmabuf_stats stats = { 0 };
	struct vt_mem *mem = &self->b.buf.mem;
	struct edu_rdma_stats now;
	int i;

	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, vt_mem_move(mem, false));
		ASSERT_EQ(0, vt_test_dmabuf_stats(mem, &stats));
		EXPECT_EQ(0, stats.mapped);
		now = stats_since_start(self);
		EXPECT_EQ(i, now.notifies);
		EXPECT_EQ(i, now.unmappings);
		EXPECT_EQ(i - 1, now.faults);

		ASSERT_EQ(0, write_data(self, 10 + i));
		ASSERT_EQ(0, read_data(self));
		ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
		now = stats_since_start(self);
		EXPECT_EQ(i, now.faults);
		EXPECT_EQ(i + 1, now.mappings);
	}
	EXPECT_EQ(0, now.revocations);
}

static void check_pinned(struct __test_metadata *_metadata, move_t *self)
{
	struct vt_mem *mem = &self->b.buf.mem;
	struct edu_rdma_stats now;

	EXPECT_EQ(-EBUSY, vt_mem_move(mem, false));
	ASSERT_EQ(0, write_data(self, 10));
	ASSERT_EQ(0, read_data(self));
	ASSERT_EQ(0, vt_buf_check_all(&self->b.buf));
	now = stats_since_start(self);
	EXPECT_EQ(0, now.notifies);
	EXPECT_EQ(0, now.faults);

	/* The memory can move after deregistration. */
	EXPECT_EQ(0, im_dereg_mr(&self->b.mr));
	EXPECT_EQ(0, vt_mem_move(mem, false));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	ASSERT_EQ(0, im_reg_mem(&self->b.dev, &self->b.mr, mem, 0, SIZE,
				self->b.buf.iova, IM_ACCESS_ALL));
	EXPECT_EQ(0, read_data(self));
}

TEST_F_TIMEOUT(move, moved, 60)
{
	if (variant->device == EDU_RDMA_DYNAMIC)
		check_dynamic(_metadata, self);
	else
		check_pinned(_metadata, self);
}

/* The second move finds nothing mapped. */
TEST_F_TIMEOUT(move, moved_twice, 60)
{
	struct edu_rdma_stats now;

	if (variant->device != EDU_RDMA_DYNAMIC)
		DOES_NOT_APPLY(return, "not a dynamic importer");
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	ASSERT_EQ(0, vt_mem_move(&self->b.buf.mem, false));
	now = stats_since_start(self);
	EXPECT_EQ(2, now.notifies);
	EXPECT_EQ(1, now.unmappings);
	EXPECT_EQ(0, read_data(self));
}

/* ---- under traffic ---- */

struct mover {
	pthread_t thread;
	struct vt_mem *mem;
	atomic_bool stop;
	atomic_uint moves;
	int ret;
};

static void *mover_run(void *arg)
{
	struct mover *mover = arg;

	while (!mover->stop && !mover->ret) {
		mover->ret = vt_mem_move(mover->mem, false);
		mover->moves++;
		usleep(10000);
	}
	return NULL;
}

TEST_F_TIMEOUT(move, moved_under_traffic, 240)
{
	struct mover mover = { .mem = &self->b.buf.mem };
	struct edu_rdma_stats now;
	uint64_t seed = 20;

	if (variant->device != EDU_RDMA_DYNAMIC)
		DOES_NOT_APPLY(return, "not a dynamic importer");
	ASSERT_EQ(0, pthread_create(&mover.thread, NULL, mover_run, &mover));
	do {
		EXPECT_EQ(0, en_buf_write(&self->b, 33, PAGE + 1000, seed++));
		EXPECT_EQ(0, en_buf_read(&self->b, 2 * PAGE - 10, 20));
		now = stats_since_start(self);
	} while ((mover.moves < 5 || now.faults < 5) && !mover.ret &&
		 !_metadata->exit_code);
	mover.stop = true;
	pthread_join(mover.thread, NULL);
	EXPECT_EQ(0, mover.ret);
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

/* ---- revocation ---- */

/* Return: 0 if new MRs do not get the key of the revoked MR, else -errno. */
static int key_is_reserved(struct en_buf *b)
{
	static uint8_t byte;
	struct im_mr other;
	int i, ret;

	for (i = 0; i < 300; i++) {
		ret = im_reg_mr(&b->dev, &other, &byte, 1, (uintptr_t)&byte, 0);
		if (ret)
			return ret;
		if (other.rkey >> 8 == b->mr.rkey >> 8)
			return -EEXIST;
		ret = im_dereg_mr(&other);
		if (ret)
			return ret;
	}
	return 0;
}

TEST_F_TIMEOUT(move, revoked, 60)
{
	struct vt_mem *mem = &self->b.buf.mem;
	bool dynamic = variant->device == EDU_RDMA_DYNAMIC;
	struct edu_rdma_stats now;

	if (variant->device == EDU_RDMA_PINNED)
		DOES_NOT_APPLY(return, "non-revocable importer");
	ASSERT_EQ(0, write_data(self, 10));
	ASSERT_EQ(0, vt_mem_revoke(mem));
	/* The exporter returns ENODEV, or the device does not fault any more. */
	EXPECT_EQ(dynamic ? -ENODEV : -ESTALE, write_data(self, 11));
	EXPECT_EQ(dynamic ? -ENODEV : -ESTALE, read_data(self));
	EXPECT_EQ(0, key_is_reserved(&self->b));
	now = stats_since_start(self);
	EXPECT_EQ(1, now.notifies);
	EXPECT_EQ(!dynamic, now.revocations);
	EXPECT_EQ(1, now.unmappings);
	EXPECT_EQ(1, now.mrs);
}

/* ---- a dynamic importer that pins ---- */

TEST_F_TIMEOUT(move, pin_requested, 60)
{
	struct en_buf *b = &self->b;
	struct im_mr other;

	if (variant->device != EDU_RDMA_DYNAMIC)
		DOES_NOT_APPLY(return, "this device always pins");
	ASSERT_EQ(0, im_reg_dmabuf_mr(&b->dev, &other, 0, SIZE, 0,
				      b->buf.mem.dmabuf, IM_ACCESS_ALL,
				      EDU_RDMA_REG_PINNED));
	EXPECT_EQ(-EBUSY, vt_mem_move(&b->buf.mem, false));
	EXPECT_EQ(0, im_dereg_mr(&other));
	EXPECT_EQ(0, vt_mem_move(&b->buf.mem, false));
	EXPECT_EQ(-EINVAL, im_reg_dmabuf_mr(&b->dev, &other, 0, SIZE, 0,
					    b->buf.mem.dmabuf, IM_ACCESS_ALL,
					    EDU_RDMA_REG_PINNED << 1));
}

TEST_HARNESS_MAIN
