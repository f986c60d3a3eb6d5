// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_NEXT_MR: the registrations of a process and their counters. Compares
 * them with the actions of the test and with "rdma statistic".
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "chardev.h"
#include "query_fixture.h"
#include "ranges.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
		  IBV_ACCESS_REMOTE_READ)
#define ON_DEMAND (WRITABLE | IBV_ACCESS_ON_DEMAND)

FIXTURE(mrs)
{
	QUERY_FIXTURE;
	struct vt_mem mem;
};

FIXTURE_SETUP(mrs)
{
	ASSERT_EQ(0, query_fixture_open(&self->common, WRITABLE));
}

FIXTURE_TEARDOWN(mrs)
{
	EXPECT_EQ(0, query_fixture_close(&self->common));
}

/* Reads the only registration. Return: 0, errno, or EEXIST if there are more. */
static int only_mr(int fd, struct peer_mem_mr *mr)
{
	struct peer_mem_mr more;
	int error = chardev_next_mr(fd, 0, 0, mr);

	if (!error && chardev_next_mr(fd, 0, mr->number, &more) != ENOENT)
		return EEXIST;
	return error;
}

/* RDMA WRITE of @length bytes to @offset. Return: the completion status. */
static int write_to(FIXTURE_DATA(mrs) *self, struct ibv_mr *mr,
		    uint64_t offset, uint32_t length)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)self->buffer,
		.length = length,
		.lkey = self->mr->lkey,
	};
	struct vt_remote to = { (uintptr_t)mr->addr + offset, mr->rkey };

	return vt_rdma_write(&self->pair.end[0], &sge, 1, to);
}

TEST_F(mrs, pinned)
{
	struct vt_mem *mem = &self->mem;
	struct peer_mem_mr info;
	struct ibv_mr *mr;

	/* The list does not have the pinned MR of system memory. */
	EXPECT_EQ(ENOENT, only_mr(self->fd, &info));
	ASSERT_EQ(0, vt_mem_alloc(mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, mem->addr + 5, RANGE_SIZE - RANGE_PAGE,
			WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(sizeof(info), info.size);
	EXPECT_EQ(0, info.pid);
	EXPECT_LT(0, info.number);
	EXPECT_EQ(PEER_MEM_MR_WRITABLE, info.flags);
	EXPECT_EQ((uintptr_t)mem->addr + 5, info.addr);
	EXPECT_EQ(RANGE_SIZE - RANGE_PAGE, info.length);
	EXPECT_EQ(RANGE_SIZE, info.resident);
	EXPECT_EQ(0, info.faults);
	EXPECT_EQ(0, info.invalidations);
	EXPECT_EQ(0, info.prefetched);
	EXPECT_EQ(RANGE_PAGE, info.page_size);
	EXPECT_EQ(1, info.regions);
	EXPECT_STREQ(chardev_rdma_device(), info.device);
	EXPECT_STREQ("peer_vram", info.exporter);

	ASSERT_EQ(0, vt_mem_revoke(mem));
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_REVOKED, info.flags);
	EXPECT_EQ(0, info.resident);
	EXPECT_EQ(0, info.regions);
	EXPECT_STREQ("", info.exporter);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(ENOENT, only_mr(self->fd, &info));
	vt_mem_free(mem);
}

/* Page table entries cover 1, 16 and 512 pages. */
TEST_F(mrs, large)
{
	const size_t length = 5 << 20;
	struct peer_mem_mr info;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, length, 0));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, length, WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(length, info.resident);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&self->mem);
}

/* Nothing is resident, then an access faults pages in, then a move invalidates them. */
TEST_F(mrs, on_demand)
{
	struct vt_mem *mem = &self->mem;
	struct vt_mr_counters counters;
	struct peer_mem_mr info;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, mem->addr, RANGE_SIZE, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_ON_DEMAND, info.flags);
	EXPECT_EQ(0, info.resident);
	EXPECT_EQ(0, info.faults);
	EXPECT_EQ(0, info.regions);
	EXPECT_STREQ("", info.exporter);

	/* All of it: a fault ends at a multiple of 2 MiB, which may be in the range. */
	ASSERT_EQ(0, write_to(self, mr, 0, RANGE_SIZE));
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(RANGE_SIZE, info.resident);
	EXPECT_LT(0, info.faults);
	EXPECT_EQ(1, info.regions);
	EXPECT_STREQ("peer_vram", info.exporter);

	ASSERT_EQ(0, vt_mem_move(mem, false));
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(0, info.resident);
	EXPECT_EQ(RANGE_SIZE / RANGE_PAGE, info.invalidations);
	EXPECT_EQ(1, info.regions);
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(counters.faults, info.faults);
	EXPECT_EQ(counters.invalidations, info.invalidations);
	EXPECT_EQ(counters.prefetch, info.prefetched);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(mem);
}

/* A read-only MR of system memory and VRAM. */
TEST_F(mrs, mixed)
{
	const struct range both = {
		"", &vt_mem_vram, .half = RANGE_HOST,
	};
	struct peer_mem_mr info;
	struct range_at at;
	struct ibv_mr *mr;
	struct ibv_sge sge = {
		.addr = (uintptr_t)self->buffer,
		.length = RANGE_SIZE,
		.lkey = self->mr->lkey,
	};
	struct vt_remote from;

	ASSERT_EQ(0, range_open(&at, &both));
	memset(at.addr, 1, at.length);
	mr = ibv_reg_mr(self->dev.pd, at.addr, at.length,
			IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, mr);
	from = (struct vt_remote){ (uintptr_t)mr->addr, mr->rkey };
	ASSERT_EQ(0, vt_rdma_read(&self->pair.end[0], &sge, 1, from));
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(PEER_MEM_MR_ON_DEMAND, info.flags);
	EXPECT_EQ(RANGE_SIZE, info.resident);
	EXPECT_EQ(1, info.regions);
	EXPECT_STREQ("peer_vram", info.exporter);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	range_close(&at);
}

TEST_F(mrs, whole_address_space)
{
	struct peer_mem_mr info;
	struct ibv_mr *mr;

	mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(0, info.addr);
	EXPECT_EQ(SIZE_MAX, info.length);
	EXPECT_EQ(0, info.resident);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mrs, dmabuf)
{
	struct peer_mem_mr info;
	struct vt_buf buf;

	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, &vt_mem_vram_dmabuf,
				 RANGE_SIZE, NULL));
	ASSERT_EQ(0, only_mr(self->fd, &info));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_ON_DEMAND |
		  PEER_MEM_MR_DMABUF, info.flags);
	EXPECT_EQ(0, info.addr);
	EXPECT_EQ(RANGE_SIZE, info.length);
	EXPECT_EQ(1, info.regions);
	EXPECT_STREQ("peer_vram", info.exporter);
	EXPECT_EQ(0, vt_buf_close(&buf));
}

/* A walk returns each MR that stays, once and in order, while others are deregistered. */
TEST_F(mrs, many)
{
	enum { COUNT = 200 };
	struct ibv_mr *all[COUNT];
	struct peer_mem_mr info;
	uint32_t number = 0;
	unsigned int i;

	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram,
				  COUNT * RANGE_PAGE, 0));
	for (i = 0; i < COUNT; i++) {
		all[i] = ibv_reg_mr(self->dev.pd,
				    self->mem.addr + i * RANGE_PAGE,
				    RANGE_PAGE, ON_DEMAND);
		ASSERT_NE(NULL, all[i]);
	}
	for (i = 0; i < COUNT; i++) {
		ASSERT_EQ(0, chardev_next_mr(self->fd, 0, number, &info));
		ASSERT_EQ((uintptr_t)all[i]->addr, info.addr);
		EXPECT_LT(number, info.number);
		number = info.number;
		/* Deregister this MR, and sometimes the next one before it is reported. */
		ASSERT_EQ(0, ibv_dereg_mr(all[i]));
		if (i % 3 == 1 && i + 1 < COUNT)
			ASSERT_EQ(0, ibv_dereg_mr(all[++i]));
	}
	EXPECT_EQ(ENOENT, chardev_next_mr(self->fd, 0, 0, &info));
	vt_mem_free(&self->mem);
}

/* Registrations of a parent and of its child are separate. */
TEST_F(mrs, another_process)
{
	struct peer_mem_mr info;
	struct ibv_mr *mr;
	pid_t child;

	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, RANGE_SIZE, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (chardev_next_mr(self->fd, 0, 0, &info) != ENOENT)
			_exit(1);
		if (chardev_next_mr(self->fd, getppid(), 0, &info))
			_exit(2);
		_exit(info.addr == (uintptr_t)self->mem.addr &&
		      info.pid == getppid() ? 0 : 3);
	}
	EXPECT_EQ(0, vt_wait_child(child, 20000));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&self->mem);
}

/* ---- the ioctl itself ---- */

TEST_F(mrs, struct_sizes)
{
	union {
		struct peer_mem_mr mr;
		char bytes[2 * MAX_PAGE_SIZE];
	} room = {};
	const uint32_t size = sizeof(room.mr);
	const struct {
		uint32_t more;
		char last;
		int error;
	} cases[] = {
		{ 0, 0, ENOENT }, { -1, 0, EINVAL }, { 8, 0, ENOENT },
		{ 8, 1, E2BIG }, { page_size(), 0, E2BIG },
	};
	unsigned int i;

	for (i = 0; i < 5; i++) {
		memset(&room, 0, sizeof(room));
		room.mr.size = size + cases[i].more;
		room.bytes[size + 7] = cases[i].last;
		EXPECT_EQ(cases[i].error,
			  chardev_call(self->fd, PEER_MEM_IOC_NEXT_MR, &room)) {
			TH_LOG("size %u", room.mr.size);
		}
	}
	room.mr.size = 0;
	EXPECT_EQ(EINVAL, chardev_call(self->fd, PEER_MEM_IOC_NEXT_MR, &room));
	EXPECT_EQ(EFAULT, chardev_call(self->fd, PEER_MEM_IOC_NEXT_MR, NULL));
	EXPECT_EQ(EFAULT, chardev_call(self->fd, PEER_MEM_IOC_NEXT_MR,
				       (void *)0xffff888000000000));
}

/* One invalid field at a time. */
TEST_F(mrs, invalid_fields)
{
	struct peer_mem_mr mr;

#define EXPECT_ERROR(expected, field, value) do {			\
		mr = (struct peer_mem_mr){ .size = sizeof(mr) };	\
		mr.field = (value);					\
		EXPECT_EQ(expected, chardev_call(self->fd,		\
					 PEER_MEM_IOC_NEXT_MR, &mr)) {	\
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)
	EXPECT_ERROR(EINVAL, flags, 1);
	EXPECT_ERROR(EINVAL, addr, 1);
	EXPECT_ERROR(EINVAL, length, 1);
	EXPECT_ERROR(EINVAL, resident, 1);
	EXPECT_ERROR(EINVAL, faults, 1);
	EXPECT_ERROR(EINVAL, invalidations, 1);
	EXPECT_ERROR(EINVAL, prefetched, 1);
	EXPECT_ERROR(EINVAL, page_size, 1);
	EXPECT_ERROR(EINVAL, regions, 1);
	EXPECT_ERROR(EINVAL, device[0], 1);
	EXPECT_ERROR(EINVAL, exporter[63], 1);
	EXPECT_ERROR(ESRCH, pid, -1);
	EXPECT_ERROR(ESRCH, pid, 2);
	EXPECT_ERROR(ENOENT, number, UINT32_MAX);
}

TEST_HARNESS_MAIN
