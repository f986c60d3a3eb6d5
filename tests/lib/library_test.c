// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The functions of libpeermem, except those for VRAM (bo_test.c).
 */
#include <kselftest_harness.h>

#include <sched.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <infiniband/peermem.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/file_limit.h"
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

TEST_F(library, results)
{
	struct peermem_query_result result;
	struct range_at at;
	unsigned int i;

	for (i = 0; i < ranges_count; i++) {
		const struct range *range = &ranges[i];

		ASSERT_EQ(0, range_open(&at, range));
		memset(&result, 0xff, sizeof(result));
		EXPECT_EQ(0, peermem_query(self->dev.ctx, at.addr, at.length,
					   IBV_ACCESS_LOCAL_WRITE, &result));
		EXPECT_EQ(range->pinned[1], result.pinned.status) {
			TH_LOG("%s", range->name);
		}
		EXPECT_EQ(!result.pinned.status, !result.pinned.error);
		EXPECT_EQ(range->on_demand[1], result.on_demand.status);
		EXPECT_EQ(0, result.on_demand.error);
		EXPECT_EQ(range->kinds, result.kinds);
		EXPECT_STREQ(range->exporter, result.exporter);
		EXPECT_EQ(RANGE_PAGE, result.page_size);
		if (result.on_demand.status == PEER_MEM_OK)
			EXPECT_EQ(at.length, result.covered);
		range_close(&at);
	}
}

TEST_F(library, invalid_arguments)
{
	struct ibv_device device = { .name = "none0" };
	struct ibv_context context = { .device = &device };
	struct peermem_query_result result;
	char byte = 0;

	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, 0, 0, &result));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, SIZE_MAX, 0,
					&result));
	EXPECT_EQ(EINVAL, peermem_query(self->dev.ctx, &byte, 1, 1 << 30,
					&result));
	/* The kernel does not have an RDMA device of that name. */
	EXPECT_EQ(ENODEV, peermem_query(&context, &byte, 1, 0, &result));
}

/* Without permission to open the device node, and without a node. */
TEST_F(library, no_device_node)
{
	const size_t size = sizeof(struct peermem_mr_stats);
	struct peermem_query_result result;
	size_t count;
	char byte = 0;
	int fd;

	ASSERT_EQ(0, unshare(CLONE_NEWNS));
	ASSERT_EQ(0, chmod("/dev/peer_mem", 0600));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(EACCES, peermem_query(self->dev.ctx, &byte, 1, 0, &result));
	EXPECT_EQ(EACCES, errno);
	EXPECT_EQ(EACCES, peermem_mrs(0, NULL, size, 0, &count));
	ASSERT_EQ(0, setresuid(0, 0, 0));
	ASSERT_EQ(0, rename("/dev/peer_mem", "/dev/peer_mem.away"));
	EXPECT_EQ(ENOENT, peermem_query(self->dev.ctx, &byte, 1, 0, &result));
	EXPECT_EQ(ENOENT, peermem_mrs(0, NULL, size, 0, &count));
	EXPECT_EQ(ENOENT, peermem_export_range(NULL, RANGE_PAGE, 0, &fd));
	ASSERT_EQ(0, rename("/dev/peer_mem.away", "/dev/peer_mem"));
}

static void expect_too_many_files(struct __test_metadata *_metadata,
				  struct ibv_context *context, int error)
{
	struct peermem_query_result result;
	size_t count;
	char byte = 0;
	int fd;

	EXPECT_EQ(error, peermem_query(context, &byte, 1, 0, &result));
	EXPECT_EQ(error, peermem_export_range(NULL, RANGE_PAGE, 0, &fd));
	EXPECT_EQ(error, peermem_mrs(0, NULL, sizeof(struct peermem_mr_stats),
				     0, &count));
	EXPECT_EQ(error, peermem_exporters(NULL,
					   sizeof(struct peermem_exporter_stats),
					   0, &count));
}

TEST_F(library, too_many_files)
{
	ASSERT_EQ(0, vt_deny_descriptors());
	expect_too_many_files(_metadata, self->dev.ctx, EMFILE);
	ASSERT_EQ(0, vt_allow_descriptors());
	ASSERT_EQ(0, vt_deny_files());
	expect_too_many_files(_metadata, self->dev.ctx, ENFILE);
	ASSERT_EQ(0, vt_allow_files());
}

/* malloc() fails. The compiler must not remove the calls. */
static void use_up_memory(void)
{
	static void *volatile last;

	do
		last = malloc(16);
	while (last);
}

TEST_F(library, out_of_memory)
{
	struct rlimit all, none;
	size_t count;
	int error;

	ASSERT_EQ(0, getrlimit(RLIMIT_AS, &all));
	none = all;
	none.rlim_cur = 0;
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &none));
	use_up_memory();
	error = peermem_exporters(NULL, sizeof(struct peermem_exporter_stats),
				  0, &count);
	ASSERT_EQ(0, setrlimit(RLIMIT_AS, &all));
	EXPECT_EQ(ENOMEM, error);
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
	ASSERT_EQ(0, mprotect(mem.addr, RANGE_PAGE, PROT_READ));
	EXPECT_EQ(EACCES, peermem_export_range(mem.addr, RANGE_PAGE,
					       PEER_MEM_EXPORT_WRITE, &fd));
	/* The errno of the exporter for a BO that was destroyed. */
	ASSERT_EQ(0, vt_mem_destroy(&mem));
	EXPECT_EQ(ENODEV, peermem_export_range(mem.addr, RANGE_PAGE, 0, &fd));
	vt_mem_free(&mem);
}

TEST_F(library, status_strings)
{
	unsigned int i, j;

	for (i = 0; i <= PEER_MEM_NO_REVOKE; i++) {
		ASSERT_NE(NULL, peermem_status_str(i));
		EXPECT_NE(0, strlen(peermem_status_str(i)));
		for (j = 0; j < i; j++)
			EXPECT_STRNE(peermem_status_str(j),
				     peermem_status_str(i));
	}
	EXPECT_STREQ("unknown status", peermem_status_str(i));
	EXPECT_STREQ("unknown status", peermem_status_str(-1));
}

TEST_F(library, other_processes)
{
	struct peermem_query_result mine, same;
	struct vt_mem mem;
	size_t count;

	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram, RANGE_SIZE, 0));
	EXPECT_EQ(0, peermem_query(self->dev.ctx, mem.addr, RANGE_SIZE, 0,
				   &mine));
	EXPECT_EQ(0, peermem_query_process(self->dev.ctx, getpid(), mem.addr,
					   RANGE_SIZE, 0, &same));
	EXPECT_EQ(0, memcmp(&mine, &same, sizeof(mine)));
	/* The parent (the harness) has no mapping at this address. */
	EXPECT_EQ(0, peermem_query_process(self->dev.ctx, getppid(), mem.addr,
					   RANGE_SIZE, 0, &same));
	EXPECT_EQ(PEER_MEM_NOT_MAPPED, same.pinned.status);
	EXPECT_EQ(ESRCH, peermem_query_process(self->dev.ctx, 2, mem.addr,
					       RANGE_SIZE, 0, &same));
	EXPECT_EQ(ESRCH, errno);
	/* The mode that the udev rule sets. */
	ASSERT_EQ(0, chmod("/dev/peer_mem", 0666));
	ASSERT_EQ(0, setresuid(65534, 65534, 0));
	EXPECT_EQ(EPERM, peermem_query_process(self->dev.ctx, 1, mem.addr,
					       RANGE_SIZE, 0, &same));
	EXPECT_EQ(EPERM, peermem_mrs(1, NULL, sizeof(struct peermem_mr_stats),
				     0, &count));
	ASSERT_EQ(0, setresuid(0, 0, 0));
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
		EXPECT_STREQ(i ? "" : "peer_vram", stats[i].exporter);
		EXPECT_EQ(0, peermem_query_mr(mr[i], &stats[2],
					      sizeof(stats[2])));
		EXPECT_EQ(0, memcmp(&stats[i], &stats[2], sizeof(stats[2])));
	}
	EXPECT_EQ(0, ibv_dereg_mr(mr[0]));
	EXPECT_EQ(0, ibv_dereg_mr(mr[1]));
	vt_mem_free(&mem);
}

/* The address of an MR of a dma-buf is an offset, not an address of the process. */
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
	static char buffer[MAX_PAGE_SIZE];
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
	/* A program with a newer, longer struct. */
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
	/* The list does not have MRs that pin system memory. */
	pinned = ibv_reg_mr(self->dev.pd, buffer, 8, 0);
	ASSERT_NE(NULL, pinned);
	EXPECT_EQ(ENODATA, peermem_query_mr(pinned, stats, sizeof(stats[0])));
	EXPECT_EQ(0, ibv_dereg_mr(pinned));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

static const struct peermem_exporter_stats *
find_exporter(const struct peermem_exporter_stats *stats, size_t count,
	      const char *name)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (!strcmp(stats[i].name, name))
			return &stats[i];
	return NULL;
}

TEST_F(library, statistics)
{
	struct peermem_exporter_stats stats[8];
	const struct peermem_exporter_stats *vram;
	struct vt_counters counters;
	struct vt_buf buf;
	uint64_t before;
	size_t count, i;

	ASSERT_EQ(0, peermem_exporters(stats, sizeof(stats[0]), 8, &count));
	ASSERT_GE(8, count);
	vram = find_exporter(stats, count, "peer_vram");
	ASSERT_NE(NULL, vram);
	ASSERT_NE(NULL, find_exporter(stats, count, "peerdirect_test"));
	for (i = 1; i < count; i++)
		EXPECT_GT(0, strcmp(stats[i - 1].name, stats[i].name));
	before = vram->alloc_mrs;

	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, &vt_mem_vram, RANGE_SIZE,
				 NULL));
	ASSERT_EQ(0, peermem_exporters(stats, sizeof(stats[0]), 8, &count));
	vram = find_exporter(stats, count, "peer_vram");
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
	struct peermem_exporter_stats stats[3];
	size_t count, all;

	ASSERT_EQ(0, peermem_exporters(NULL, sizeof(stats[0]), 0, &all));
	EXPECT_LE(2, all);
	memset(stats, 0xee, sizeof(stats));
	ASSERT_EQ(0, peermem_exporters(stats, sizeof(stats[0]), 1, &count));
	EXPECT_EQ(all, count);
	EXPECT_EQ((char)0xee, stats[1].name[0]);
	EXPECT_EQ(EINVAL, peermem_exporters(stats, sizeof(stats[0]) - 1, 3,
					    &count));
}

TEST_HARNESS_MAIN
