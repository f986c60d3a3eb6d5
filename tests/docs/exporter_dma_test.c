// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter of docs/exporter-guide.md (examples/exporter) under a device that does DMA:
 * its memory moves under an MR of one that follows, and stays under one that pins.
 */
#include <kselftest_harness.h>

#include "../importers/engine.h"
#include "example.h"
#include "lib/proc.h"

#define PAGE 4096
#define SIZE (4 * PAGE)

FIXTURE(exporter)
{
	struct en_buf b;
};

FIXTURE_VARIANT(exporter)
{
	enum edu_rdma_device device;
	int move;
};

FIXTURE_VARIANT_ADD(exporter, dynamic) {
	.device = EDU_RDMA_DYNAMIC,
};
FIXTURE_VARIANT_ADD(exporter, revocable) {
	.device = EDU_RDMA_REVOCABLE, .move = -EBUSY,
};

FIXTURE_SETUP(exporter)
{
	ASSERT_EQ(0, en_load());
	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_example));
	ASSERT_EQ(0, en_buf_open(&self->b, variant->device, IM_WRITE,
				 &vt_mem_example, SIZE));
}

FIXTURE_TEARDOWN(exporter)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_rmmod("peer_example"));
}

TEST_F_TIMEOUT(exporter, moves_under_an_mr, 120)
{
	int round;

	for (round = 0; round < 3; round++) {
		EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 2 + round));
		EXPECT_EQ(variant->move, vt_mem_move(&self->b.buf.mem, false));
		EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 200, 500));
		EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	}
}

/* The module goes while an MR of its memory is there. */
TEST_F_TIMEOUT(exporter, unloaded_under_an_mr, 60)
{
	char byte;

	EXPECT_EQ(0, en_buf_write(&self->b, 0, 100, 2));
	vt_mem_free(&self->b.buf.mem);
	EXPECT_EQ(0, vt_rmmod("peer_example"));
	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
	EXPECT_EQ(0, vt_mem_prepare(&vt_mem_example));
}

TEST_HARNESS_MAIN
