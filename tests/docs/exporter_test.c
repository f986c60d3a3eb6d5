// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The exporter of docs/exporter-guide.md (examples/exporter): its memory is written over
 * the network, moves, and is read; pinned it stays.
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "example.h"
#include "lib/copy.h"
#include "lib/link.h"
#include "lib/proc.h"

#define SIZE (1024 * 1024)

FIXTURE(exporter)
{
	VT_LINK;
};

VT_VARIANTS(exporter);
VT_PINNED(exporter, example);
VT_ON_DEMAND(exporter, example);

FIXTURE_SETUP(exporter)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, SIZE,
				  variant->on_demand ?
				  VT_ACCESS_ALL | variant->on_demand : 0,
				  NULL));
}

FIXTURE_TEARDOWN(exporter)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_rmmod("peer_example"));
}

TEST_F(exporter, moves_under_an_mr)
{
	int round, moved;

	for (round = 0; round < 10; round++) {
		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there,
					      round * 4099, &self->here,
					      round * 77, 500000));
		moved = vt_mem_move(&self->there.mem, false);
		EXPECT_EQ(variant->on_demand ? 0 : -EBUSY, moved);
		ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 0,
					     &self->there, 3, 300000));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		EXPECT_EQ(0, vt_buf_check_all(&self->here));
	}
}

TEST_F(exporter, ends_with_the_mapping)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, 100);

	ASSERT_EQ(0, munmap(self->there.mem.addr, SIZE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1,
				vt_remote(&self->there, 0)));
}

TEST_HARNESS_MAIN
