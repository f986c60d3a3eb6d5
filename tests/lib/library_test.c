// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * libpeermem as a program uses it.
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/stat.h>

#include <infiniband/peermem.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/raw.h"
#include "ranges.h"

FIXTURE(library)
{
	struct vt_dev dev;
};

FIXTURE_SETUP(library)
{
	ASSERT_EQ(0, ranges_prepare());
	ASSERT_EQ(0, vt_dev_open(&self->dev));
}

FIXTURE_TEARDOWN(library)
{
	vt_dev_close(&self->dev);
}

TEST_F(library, answers)
{
	struct peermem_answer answer;
	struct range_at at;
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		const struct range *range = &ranges[i];

		ASSERT_EQ(0, range_open(&at, range));
		memset(&answer, 0xff, sizeof(answer));
		EXPECT_EQ(0, peermem_query(self->dev.ctx, at.addr, at.length,
					   IBV_ACCESS_LOCAL_WRITE, &answer));
		EXPECT_EQ(range->pinned[1], answer.pinned.reason) {
			TH_LOG("%s", range->name);
		}
		EXPECT_EQ(!answer.pinned.reason, !answer.pinned.error);
		EXPECT_EQ(range->on_demand[1], answer.on_demand.reason);
		EXPECT_EQ(0, answer.on_demand.error);
		EXPECT_EQ(range->kinds, answer.kinds);
		EXPECT_STREQ(range->client, answer.client);
		EXPECT_EQ(RANGE_PAGE, answer.page_size);
		if (answer.on_demand.reason == PEER_MEM_OK)
			EXPECT_EQ(at.length, answer.checked);
		range_close(&at);
	}
}

TEST_F(library, refusals)
{
	struct peermem_answer answer;
	char byte;

	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, 0, 0, &answer));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, SIZE_MAX, 0,
					&answer));
	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, 1, 1 << 30,
					&answer));
}

/* Without the right to open the node, and without a node. */
TEST_F(library, no_node)
{
	struct peermem_answer answer;
	char byte;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, chmod("/dev/peer_mem", 0600));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(EACCES, peermem_query(self->dev.ctx, &byte, 1, 0, &answer));
	EXPECT_EQ(EACCES, errno);
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_EQ(0, rename("/dev/peer_mem", "/dev/peer_mem.away"));
	EXPECT_EQ(ENOENT, peermem_query(self->dev.ctx, &byte, 1, 0, &answer));
	ASSERT_EQ(0, rename("/dev/peer_mem.away", "/dev/peer_mem"));
}

TEST_F(library, exported_range)
{
	struct ibv_mr mr = { 0 };
	struct vt_mem mem;
	int fd = -1;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, 4 * RANGE_PAGE, 0));
	EXPECT_EQ(EINVAL, peermem_export_range(mem.addr, 100, 0, &fd));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(EINVAL, peermem_export_range(mem.addr, RANGE_PAGE, 2, &fd));
	EXPECT_EQ(EFAULT, peermem_export_range(mem.addr, 5 * RANGE_PAGE, 0,
					       &fd));
	EXPECT_EQ(-1, fd);
	ASSERT_EQ(0, peermem_export_range(mem.addr, 3 * RANGE_PAGE,
					  PEER_MEM_EXPORT_WRITE, &fd));
	EXPECT_EQ(3 * RANGE_PAGE, lseek(fd, 0, SEEK_END));
	EXPECT_EQ(0, vt_reg_dmabuf_mr(&mr, self->dev.pd, 5, 2 * RANGE_PAGE, 5,
				      fd, VT_ACCESS_DMABUF));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
	EXPECT_EQ(0, close(fd));
	vt_mem_free(&mem);
}

TEST_F(library, reasons_have_words)
{
	unsigned int i, j;

	for (i = 0; i <= PEER_MEM_NO_REVOKE; i++) {
		ASSERT_NE(NULL, peermem_reason_str(i));
		EXPECT_NE(0, strlen(peermem_reason_str(i)));
		for (j = 0; j < i; j++)
			EXPECT_STRNE(peermem_reason_str(j),
				     peermem_reason_str(i));
	}
	EXPECT_STREQ("unknown reason", peermem_reason_str(i));
	EXPECT_STREQ("unknown reason", peermem_reason_str(-1));
}

TEST_F(library, other_processes)
{
	struct peermem_answer mine, same;
	struct vt_mem mem;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, RANGE_SIZE, 0));
	EXPECT_EQ(0, peermem_query(self->dev.ctx, mem.addr, RANGE_SIZE, 0,
				   &mine));
	EXPECT_EQ(0, peermem_query_process(self->dev.ctx, getpid(), mem.addr,
					   RANGE_SIZE, 0, &same));
	EXPECT_EQ(0, memcmp(&mine, &same, sizeof(mine)));
	/* The harness has nothing there. */
	EXPECT_EQ(0, peermem_query_process(self->dev.ctx, getppid(), mem.addr,
					   RANGE_SIZE, 0, &same));
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, same.pinned.reason);
	EXPECT_EQ(ESRCH, peermem_query_process(self->dev.ctx, 2, mem.addr,
					       RANGE_SIZE, 0, &same));
	EXPECT_EQ(ESRCH, errno);
	vt_mem_free(&mem);
}

TEST_F(library, registrations)
{
	struct peermem_mr_stats stats[3];
	struct vt_mem mem;
	struct ibv_mr *mr[2];
	size_t count, i;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, RANGE_SIZE, 0));
	for (i = 0; i < 2; i++) {
		mr[i] = ibv_reg_mr(self->dev.pd, mem.addr + i * RANGE_PAGE,
				   RANGE_HALF, IBV_ACCESS_REMOTE_READ |
				   (i ? IBV_ACCESS_ON_DEMAND : 0));
		ASSERT_NE(NULL, mr[i]);
	}
	ASSERT_EQ(0, peermem_mrs(0, stats, sizeof(stats[0]), 3, &count));
	ASSERT_EQ(2, count);
	EXPECT_LT(stats[0].number, stats[1].number);
	for (i = 0; i < 2; i++) {
		EXPECT_EQ((uintptr_t)mr[i]->addr, stats[i].addr);
		EXPECT_EQ(RANGE_HALF, stats[i].length);
		EXPECT_EQ(i ? PEER_MEM_MR_ON_DEMAND : 0, stats[i].flags);
		EXPECT_EQ(i ? 0 : RANGE_HALF, stats[i].resident);
		EXPECT_EQ(RANGE_PAGE, stats[i].page_size);
		EXPECT_EQ(i ? 0 : 1, stats[i].regions);
		EXPECT_STREQ(ibv_get_device_name(self->dev.ctx->device),
			     stats[i].device);
		EXPECT_STREQ(i ? "" : "peer_vram", stats[i].client);
		EXPECT_EQ(0, peermem_query_mr(mr[i], &stats[2],
					      sizeof(stats[2])));
		EXPECT_EQ(0, memcmp(&stats[i], &stats[2], sizeof(stats[2])));
	}
	EXPECT_EQ(0, ibv_dereg_mr(mr[0]));
	EXPECT_EQ(0, ibv_dereg_mr(mr[1]));
	vt_mem_free(&mem);
}

/* What is told of a dma-buf is a place in it, not in the process. */
TEST_F(library, registration_beside_dmabuf)
{
	const uint64_t at = 16 * RANGE_PAGE;
	struct peermem_mr_stats stats;
	struct ibv_mr *mr, *dmabuf;
	struct vt_mem mem;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_dmabuf, 2 * at, 0));
	mr = ibv_reg_mr(self->dev.pd, (void *)at, RANGE_PAGE,
			IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	dmabuf = vt_reg_mem(self->dev.pd, &mem, at, RANGE_PAGE, at,
			    IBV_ACCESS_REMOTE_READ);
	ASSERT_NE(NULL, dmabuf);
	EXPECT_EQ(0, peermem_query_mr(mr, &stats, sizeof(stats)));
	EXPECT_EQ(PEER_MEM_MR_ON_DEMAND, stats.flags);
	EXPECT_EQ(at, stats.addr);
	EXPECT_EQ(0, vt_dereg_mem(&mem, dmabuf));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&mem);
}

TEST_F(library, registrations_room)
{
	struct peermem_mr_stats stats[3];
	static char buffer[RANGE_PAGE];
	struct ibv_mr *mr, *pinned;
	size_t count;

	EXPECT_EQ(0, peermem_mrs(0, NULL, sizeof(stats[0]), 0, &count));
	EXPECT_EQ(0, count);
	mr = ibv_reg_mr(self->dev.pd, buffer, 7, IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	memset(stats, 0xee, sizeof(stats));
	EXPECT_EQ(0, peermem_mrs(getpid(), stats, 2 * sizeof(stats[0]), 1,
				 &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(7, stats[0].length);
	/* Of a program that knows more fields. */
	EXPECT_EQ(0, stats[1].length);
	EXPECT_EQ(0xeeeeeeee, stats[2].flags);
	memset(stats, 0xee, sizeof(stats));
	EXPECT_EQ(0, peermem_mrs(0, stats, sizeof(stats[0]), 0, &count));
	EXPECT_EQ(1, count);
	EXPECT_EQ(0xeeeeeeee, stats[0].flags);
	EXPECT_EQ(EINVAL, peermem_mrs(0, stats, sizeof(stats[0]) - 1, 3,
				      &count));
	EXPECT_EQ(EINVAL, peermem_query_mr(mr, stats, sizeof(stats[0]) - 1));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(ESRCH, peermem_mrs(2, stats, sizeof(stats[0]), 3, &count));
	EXPECT_EQ(0, count);
	/* That one is the device's own affair. */
	pinned = ibv_reg_mr(self->dev.pd, buffer, 8, 0);
	ASSERT_NE(NULL, pinned);
	EXPECT_EQ(ENODATA, peermem_query_mr(pinned, stats, sizeof(stats[0])));
	EXPECT_EQ(0, ibv_dereg_mr(pinned));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

static const struct peermem_client_stats *
find(const struct peermem_client_stats *stats, size_t count, const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(stats[i].name, name))
			return &stats[i];
	return NULL;
}

TEST_F(library, statistics)
{
	struct peermem_client_stats stats[8];
	const struct peermem_client_stats *vram;
	struct vt_counters counters;
	struct vt_buf buf;
	uint64_t before;
	size_t count, i;

	ASSERT_EQ(0, peermem_clients(stats, sizeof(stats[0]), 8, &count));
	ASSERT_GE(8, count);
	vram = find(stats, count, "peer_vram");
	ASSERT_NE(NULL, vram);
	ASSERT_NE(NULL, find(stats, count, "peerdirect_test"));
	for (i = 1; i < count; i++)
		EXPECT_GT(0, strcmp(stats[i - 1].name, stats[i].name));
	before = vram->alloc_mrs;

	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, &vt_mem_vram, RANGE_SIZE,
				 NULL));
	ASSERT_EQ(0, peermem_clients(stats, sizeof(stats[0]), 8, &count));
	vram = find(stats, count, "peer_vram");
	ASSERT_NE(NULL, vram);
	ASSERT_EQ(0, vt_counters_read(&vt_mem_vram, &counters));
	EXPECT_EQ(before + 1, vram->alloc_mrs);
	EXPECT_EQ(counters.alloc_mrs, vram->alloc_mrs);
	EXPECT_EQ(counters.dealloc_mrs, vram->dealloc_mrs);
	EXPECT_EQ(counters.reg_pages, vram->reg_pages);
	EXPECT_EQ(counters.dereg_pages, vram->dereg_pages);
	EXPECT_EQ(counters.reg_bytes, vram->reg_bytes);
	EXPECT_EQ(counters.dereg_bytes, vram->dereg_bytes);
	EXPECT_EQ(counters.free_callbacks, vram->free_callbacks);
	EXPECT_STRNE("", vram->version);
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(library, statistics_room)
{
	struct peermem_client_stats stats[3];
	size_t count, all;

	ASSERT_EQ(0, peermem_clients(NULL, sizeof(stats[0]), 0, &all));
	EXPECT_LE(2, all);
	memset(stats, 0xee, sizeof(stats));
	ASSERT_EQ(0, peermem_clients(stats, sizeof(stats[0]), 1, &count));
	EXPECT_EQ(all, count);
	EXPECT_EQ((char)0xee, stats[1].name[0]);
	EXPECT_EQ(EINVAL, peermem_clients(stats, sizeof(stats[0]) - 1, 3,
					  &count));
}

TEST_HARNESS_MAIN
