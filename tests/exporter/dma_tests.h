/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * DMA importers: the DMA engine of tests/kmod/edu, where it is loaded. A dynamic importer
 * maps the memory again after a move, another one pins it.
 */
#ifndef EXPORTER_DMA_TESTS_H
#define EXPORTER_DMA_TESTS_H

#include "../importers/engine.h"
#include "command.h"
#include "fixture.h"

/* The engine needs 200 ms for a page. */
#define DMA_SIZE (4 * PAGE)

FIXTURE(dma)
{
	struct en_buf b;
};

FIXTURE_VARIANT(dma)
{
	enum edu_rdma_device device;
};

FIXTURE_VARIANT_ADD(dma, dynamic) { .device = EDU_RDMA_DYNAMIC };
FIXTURE_VARIANT_ADD(dma, revocable) { .device = EDU_RDMA_REVOCABLE };

FIXTURE_SETUP(dma)
{
	int ret;

	if (access("/dev/edu_rdma", F_OK))
		SKIP(return, "there is no DMA importer (/dev/edu_rdma)");
	if (variant->device != EDU_RDMA_DYNAMIC && !et_node_can_pin())
		SKIP(return, "the exporter does not pin memory");
	ret = en_buf_open(&self->b, variant->device, IM_WRITE, &et_node,
			  DMA_SIZE);
	if (ret == -EREMOTEIO)
		SKIP(return, "the DMA importer cannot reach the memory");
	ASSERT_EQ(0, ret);
}

FIXTURE_TEARDOWN(dma)
{
	EXPECT_EQ(0, en_buf_close(&self->b));
	EXPECT_EQ(0, vt_counters_balanced(&et_node));
}

/* Across a page boundary, and the last bytes. */
TEST_F_TIMEOUT(dma, write_and_read, 120)
{
	EXPECT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 2));
	EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 90, 250));
	EXPECT_EQ(0, en_buf_write(&self->b, DMA_SIZE - 5, 5, 3));
	EXPECT_EQ(0, en_buf_read(&self->b, DMA_SIZE - 7, 7));
	EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
}

TEST_F_TIMEOUT(dma, moves, 120)
{
	int round, status;

	if (!et_options.move)
		SKIP(return, "no command that moves memory (--move)");
	for (round = 0; round < 3; round++) {
		ASSERT_EQ(0, en_buf_write(&self->b, PAGE - 100, 300, 4 + round));
		status = et_command(et_options.move, self->b.buf.mem.fd);
		/* Pinned memory stays, or the exporter has revoked it. */
		if (variant->device != EDU_RDMA_DYNAMIC) {
			if (en_buf_read(&self->b, 0, 1) == -ESTALE)
				break;
		} else {
			EXPECT_EQ(0, status);
		}
		EXPECT_EQ(0, en_buf_read(&self->b, PAGE - 200, 500));
		EXPECT_EQ(0, vt_buf_check_all(&self->b.buf));
	}
}

TEST_F_TIMEOUT(dma, unmapped, 60)
{
	int64_t until = vt_now_ms() + VT_TIMEOUT_MS;
	char byte;

	EXPECT_EQ(0, en_buf_write(&self->b, 0, 100, 9));
	vt_mem_free(&self->b.buf.mem);
	/* The registration ends asynchronously. */
	while (!en_access(self->b.engine, self->b.device, self->b.mr.rkey,
			  self->b.buf.iova, &byte, 1, 0) &&
	       vt_now_ms() < until)
		;
	EXPECT_NE(0, en_access(self->b.engine, self->b.device,
			       self->b.mr.rkey, self->b.buf.iova, &byte, 1, 0));
}

#endif
