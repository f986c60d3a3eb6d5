// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * PEER_MEM_IOC_NEXT_MR: the registrations of a process, and what became of them,
 * compared with what was done to them, and with what "rdma statistic" says.
 */
#include <kselftest_harness.h>

#include <sys/ioctl.h>
#include <sys/mman.h>

#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/proc.h"
#include "node.h"
#include "ranges.h"
#include "side.h"

#define WRITABLE (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE | \
		  IBV_ACCESS_REMOTE_READ)
#define ON_DEMAND (WRITABLE | IBV_ACCESS_ON_DEMAND)

FIXTURE(mrs)
{
	SIDE;
	struct vt_mem mem;
};

FIXTURE_SETUP(mrs)
{
	ASSERT_EQ(0, side_open(&self->side, WRITABLE));
}

FIXTURE_TEARDOWN(mrs)
{
	EXPECT_EQ(0, side_close(&self->side));
}

/* The only one there is. Return: 0, errno, or EEXIST: there are more. */
static int only(int fd, struct peer_mem_mr *mr)
{
	struct peer_mem_mr more;
	int error = node_next_mr(fd, 0, 0, mr);

	if (!error && node_next_mr(fd, 0, mr->number, &more) != ENOENT)
		return EEXIST;
	return error;
}

/* A WRITE of @length bytes to @offset. Return: its status. */
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
	struct peer_mem_mr told;
	struct ibv_mr *mr;

	/* That of system memory is the device's own. */
	EXPECT_EQ(ENOENT, only(self->fd, &told));
	ASSERT_EQ(0, vt_mem_alloc(mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, mem->addr + 5, RANGE_SIZE - RANGE_PAGE,
			WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(sizeof(told), told.size);
	EXPECT_EQ(0, told.pid);
	EXPECT_LT(0, told.number);
	EXPECT_EQ(PEER_MEM_MR_WRITABLE, told.flags);
	EXPECT_EQ((uintptr_t)mem->addr + 5, told.addr);
	EXPECT_EQ(RANGE_SIZE - RANGE_PAGE, told.length);
	EXPECT_EQ(RANGE_SIZE, told.resident);
	EXPECT_EQ(0, told.faults);
	EXPECT_EQ(0, told.invalidations);
	EXPECT_EQ(0, told.prefetched);
	EXPECT_EQ(RANGE_PAGE, told.page_size);
	EXPECT_EQ(1, told.regions);
	EXPECT_STREQ(node_device(), told.device);
	EXPECT_STREQ("peer_vram", told.client);

	ASSERT_EQ(0, vt_mem_revoke(mem));
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_REVOKED, told.flags);
	EXPECT_EQ(0, told.resident);
	EXPECT_EQ(0, told.regions);
	EXPECT_STREQ("", told.client);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	EXPECT_EQ(ENOENT, only(self->fd, &told));
	vt_mem_free(mem);
}

/* Entries of the table of pages stand for 1, 16 and 512 of them. */
TEST_F(mrs, large)
{
	const size_t length = 5 << 20;
	struct peer_mem_mr told;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, length, 0));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, length, WRITABLE);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(length, told.resident);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&self->mem);
}

/* Nothing, then what accesses bring, then what the owner leaves of it. */
TEST_F(mrs, on_demand)
{
	struct vt_mem *mem = &self->mem;
	struct vt_mr_counters counters;
	struct peer_mem_mr told;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, mem->addr, RANGE_SIZE, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_ON_DEMAND, told.flags);
	EXPECT_EQ(0, told.resident);
	EXPECT_EQ(0, told.faults);
	EXPECT_EQ(0, told.regions);
	EXPECT_STREQ("", told.client);

	ASSERT_EQ(0, write_to(self, mr, RANGE_PAGE, 100));
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(RANGE_SIZE, told.resident);
	EXPECT_LT(0, told.faults);
	EXPECT_EQ(1, told.regions);
	EXPECT_STREQ("peer_vram", told.client);

	ASSERT_EQ(0, vt_mem_move(mem, false));
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(0, told.resident);
	EXPECT_EQ(RANGE_SIZE / RANGE_PAGE, told.invalidations);
	EXPECT_EQ(1, told.regions);
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_EQ(counters.faults, told.faults);
	EXPECT_EQ(counters.invalidations, told.invalidations);
	EXPECT_EQ(counters.prefetch, told.prefetched);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(mem);
}

/* System memory and a client's, in one; for reading only. */
TEST_F(mrs, mixed)
{
	const struct range both = {
		"", &vt_mem_vram, .half = RANGE_HOST,
	};
	struct peer_mem_mr told;
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
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(PEER_MEM_MR_ON_DEMAND, told.flags);
	EXPECT_EQ(RANGE_SIZE, told.resident);
	EXPECT_EQ(1, told.regions);
	EXPECT_STREQ("peer_vram", told.client);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	range_close(&at);
}

TEST_F(mrs, whole_address_space)
{
	struct peer_mem_mr told;
	struct ibv_mr *mr;

	mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(0, told.addr);
	EXPECT_EQ(SIZE_MAX, told.length);
	EXPECT_EQ(0, told.resident);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
}

TEST_F(mrs, dmabuf)
{
	struct peer_mem_mr told;
	struct vt_buf buf;

	ASSERT_EQ(0, vt_buf_open(&buf, &self->dev, &vt_mem_vram_dmabuf,
				 RANGE_SIZE, NULL));
	ASSERT_EQ(0, only(self->fd, &told));
	EXPECT_EQ(PEER_MEM_MR_WRITABLE | PEER_MEM_MR_ON_DEMAND |
		  PEER_MEM_MR_DMABUF, told.flags);
	EXPECT_EQ(0, told.addr);
	EXPECT_EQ(RANGE_SIZE, told.length);
	EXPECT_EQ(1, told.regions);
	EXPECT_STREQ("peer_vram", told.client);
	EXPECT_EQ(0, vt_buf_close(&buf));
}

/* All that stay are told of, once, in their order, while others go and come. */
TEST_F(mrs, many)
{
	enum { COUNT = 200 };
	struct ibv_mr *all[COUNT];
	struct peer_mem_mr told;
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
		ASSERT_EQ(0, node_next_mr(self->fd, 0, number, &told));
		ASSERT_EQ((uintptr_t)all[i]->addr, told.addr);
		EXPECT_LT(number, told.number);
		number = told.number;
		/* That one goes, and now and then the next, untold. */
		ASSERT_EQ(0, ibv_dereg_mr(all[i]));
		if (i % 3 == 1 && i + 1 < COUNT)
			ASSERT_EQ(0, ibv_dereg_mr(all[++i]));
	}
	EXPECT_EQ(ENOENT, node_next_mr(self->fd, 0, 0, &told));
	vt_mem_free(&self->mem);
}

/* One process's are not another's: neither a child's nor its parent's. */
TEST_F(mrs, of_another_process)
{
	struct peer_mem_mr told;
	struct ibv_mr *mr;
	pid_t child;

	ASSERT_EQ(0, vt_mem_alloc(&self->mem, &vt_mem_vram, RANGE_SIZE, 0));
	mr = ibv_reg_mr(self->dev.pd, self->mem.addr, RANGE_SIZE, ON_DEMAND);
	ASSERT_NE(NULL, mr);
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (node_next_mr(self->fd, 0, 0, &told) != ENOENT)
			_exit(1);
		if (node_next_mr(self->fd, getppid(), 0, &told))
			_exit(2);
		_exit(told.addr == (uintptr_t)self->mem.addr &&
		      told.pid == getppid() ? 0 : 3);
	}
	EXPECT_EQ(0, vt_wait_child(child, 20000));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&self->mem);
}

/* ---- the call itself ---- */

TEST_F(mrs, sizes)
{
	union {
		struct peer_mem_mr mr;
		char bytes[8192];
	} room = {};
	const uint32_t size = sizeof(room.mr);
	static const struct {
		uint32_t more;
		char last;
		int error;
	} tries[] = {
		{ 0, 0, ENOENT }, { -1, 0, EINVAL }, { 8, 0, ENOENT },
		{ 8, 1, E2BIG }, { 7000, 0, E2BIG },
	};
	unsigned int i;

	for (i = 0; i < 5; i++) {
		memset(&room, 0, sizeof(room));
		room.mr.size = size + tries[i].more;
		room.bytes[size + 7] = tries[i].last;
		EXPECT_EQ(tries[i].error,
			  node_call(self->fd, PEER_MEM_IOC_NEXT_MR, &room)) {
			TH_LOG("size %u", room.mr.size);
		}
	}
	room.mr.size = 0;
	EXPECT_EQ(EINVAL, node_call(self->fd, PEER_MEM_IOC_NEXT_MR, &room));
	EXPECT_EQ(EFAULT, node_call(self->fd, PEER_MEM_IOC_NEXT_MR, NULL));
	EXPECT_EQ(EFAULT, node_call(self->fd, PEER_MEM_IOC_NEXT_MR,
				    (void *)0xffff888000000000));
}

/* Each field that is not as it must be, alone. */
TEST_F(mrs, fields)
{
	struct peer_mem_mr mr;

#define EXPECT_REFUSED(expected, field, value) do {			\
		mr = (struct peer_mem_mr){ .size = sizeof(mr) };	\
		mr.field = (value);					\
		EXPECT_EQ(expected, node_call(self->fd,			\
					      PEER_MEM_IOC_NEXT_MR, &mr)) { \
			TH_LOG(#field " = " #value);			\
		}							\
	} while (0)
	EXPECT_REFUSED(EINVAL, flags, 1);
	EXPECT_REFUSED(EINVAL, addr, 1);
	EXPECT_REFUSED(EINVAL, length, 1);
	EXPECT_REFUSED(EINVAL, resident, 1);
	EXPECT_REFUSED(EINVAL, faults, 1);
	EXPECT_REFUSED(EINVAL, invalidations, 1);
	EXPECT_REFUSED(EINVAL, prefetched, 1);
	EXPECT_REFUSED(EINVAL, page_size, 1);
	EXPECT_REFUSED(EINVAL, regions, 1);
	EXPECT_REFUSED(EINVAL, device[0], 1);
	EXPECT_REFUSED(EINVAL, client[63], 1);
	EXPECT_REFUSED(ESRCH, pid, -1);
	EXPECT_REFUSED(ESRCH, pid, 2);
	EXPECT_REFUSED(ENOENT, number, UINT32_MAX);
}

TEST_HARNESS_MAIN
