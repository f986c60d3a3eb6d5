// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs over memory that only devices reach: it has an address in the
 * process, but the CPU has nothing mapped there, or only a reservation. That is
 * how some GPUs hand out memory. Its owner knows it by the address.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_mem.h>

#include "../kmod/peer_test.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define HUGE (2UL * 1024 * 1024)
#define AREA (3 * HUGE)
#define LENGTH 20000

/* The object is the middle third of the area. */
FIXTURE(unmapped)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *area;
	uint8_t *object;
	int fd;
	struct ibv_mr *mr;
};

FIXTURE_VARIANT(unmapped)
{
	bool reserved;
	size_t skip;		/* from the area to the MR */
	size_t length;
};

FIXTURE_VARIANT_ADD(unmapped, gap)
{
	.skip = HUGE,
	.length = HUGE,
};

FIXTURE_VARIANT_ADD(unmapped, reservation)
{
	.reserved = true,
	.skip = HUGE,
	.length = HUGE,
};

FIXTURE_VARIANT_ADD(unmapped, part_of_gap)
{
	.length = AREA,
};

FIXTURE_VARIANT_ADD(unmapped, part_of_reservation)
{
	.reserved = true,
	.length = AREA,
};

static uint8_t *reserve(void)
{
	uint8_t *room = mmap(NULL, AREA + HUGE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t skip = -(uintptr_t)room & (HUGE - 1);

	if (room == MAP_FAILED)
		return NULL;
	munmap(room, skip);
	munmap(room + skip + AREA, HUGE - skip);
	return room + skip;
}

static int place(int fd, void *at)
{
	uint64_t addr = (uintptr_t)at;

	return ioctl(fd, PEER_TEST_IOC_PLACE, &addr) ? -errno : 0;
}

/* Makes the object (by a mapping that goes at once), and places it. */
static int make_object(void *at)
{
	int fd = open("/dev/peer_test_mem", O_RDWR | O_CLOEXEC);
	void *addr;

	if (fd < 0)
		return -errno;
	addr = mmap(NULL, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED || munmap(addr, HUGE) || place(fd, at)) {
		close(fd);
		return -ENOMEM;
	}
	return fd;
}

FIXTURE_SETUP(unmapped)
{
	struct vt_pair_opts pair = { 0 };

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, HUGE,
				 NULL));
	vt_buf_fill(&self->local, 1);
	self->area = reserve();
	ASSERT_NE(NULL, self->area);
	self->object = self->area + HUGE;
	self->fd = make_object(self->object);
	ASSERT_LE(0, self->fd);
	if (!variant->reserved)
		ASSERT_EQ(0, munmap(self->area, AREA));
	self->mr = ibv_reg_mr(self->dev.pd, self->area + variant->skip,
			      variant->length,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
}

FIXTURE_TEARDOWN(unmapped)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->area, AREA);
	close(self->fd);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_peerdirect));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

typedef FIXTURE_DATA(unmapped) unmapped_t;

static int transfer(unmapped_t *self, bool write, void *at)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, LENGTH);
	struct vt_remote remote = { (uintptr_t)at, self->mr->rkey };
	struct vt_end *end = &self->pair.end[0];
	int ret = write ? vt_rdma_write(end, &sge, 1, remote) :
			  vt_rdma_read(end, &sge, 1, remote);

	if (ret)
		vt_pair_renew(&self->pair);
	return ret;
}

/* What the owner sees at @offset, against what was sent. */
static int owner_has_it(unmapped_t *self, uint64_t offset)
{
	uint8_t have[LENGTH];
	struct peer_test_rw rw = {
		.offset = offset,
		.length = LENGTH,
		.buffer = (uintptr_t)have,
	};

	if (ioctl(self->fd, PEER_TEST_IOC_RW, &rw))
		return -errno;
	return memcmp(have, self->local.shadow, LENGTH) ? -EILSEQ : 0;
}

TEST_F(unmapped, written_and_read)
{
	EXPECT_EQ(0, transfer(self, true, self->object + 4000));
	EXPECT_EQ(0, owner_has_it(self, 4000));
	memset(self->local.mem.addr, 0, LENGTH);
	EXPECT_EQ(0, transfer(self, false, self->object + 4000));
	EXPECT_EQ(0, vt_buf_check_all(&self->local));
}

/* Where nobody has anything; outside of the MR that is another error. */
TEST_F(unmapped, beside_it)
{
	EXPECT_EQ(0, transfer(self, true, self->object));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, self->object - LENGTH));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, self->object + HUGE - 100));
	EXPECT_EQ(0, transfer(self, true, self->object + HUGE - LENGTH));
	EXPECT_EQ(0, owner_has_it(self, HUGE - LENGTH));
}

/* It goes, and comes again, at the same address. */
TEST_F(unmapped, taken_away_and_back)
{
	EXPECT_EQ(0, transfer(self, true, self->object));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, self->object));
	ASSERT_EQ(0, place(self->fd, self->object));
	EXPECT_EQ(0, transfer(self, true, self->object + 8192));
	EXPECT_EQ(0, owner_has_it(self, 8192));
}

/* Ordinary memory takes its place: the CPU has something mapped there now. */
TEST_F(unmapped, replaced_by_memory)
{
	EXPECT_EQ(0, transfer(self, true, self->object));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	ASSERT_EQ(self->object, mmap(self->object, HUGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
	EXPECT_EQ(0, transfer(self, true, self->object));
	EXPECT_EQ(0, memcmp(self->object, self->local.shadow, LENGTH));
}

/* As a dma-buf it is the owner's memory, and none that comes in its place. */
TEST_F(unmapped, exported)
{
	int fd = vt_export(self->object, HUGE, PEER_MEM_EXPORT_WRITE);
	struct vt_remote there = { .addr = 4000 };
	struct ibv_sge sge = vt_sge(&self->local, 0, LENGTH);
	static const uint8_t zero[LENGTH];
	struct ibv_mr mr = { 0 };

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, HUGE, 0, fd,
				      VT_ACCESS_DMABUF));
	there.rkey = mr.rkey;
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, owner_has_it(self, 4000));

	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	ASSERT_EQ(self->object, mmap(self->object, HUGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, memcmp(self->object, zero, LENGTH));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
	close(fd);
}

/* The last page that a process can have, as far as the CPU goes. */
static uint8_t *last_page(void)
{
	static const uintptr_t ends[] = { 1UL << 56, 1UL << 47 };
	uint8_t *page;
	size_t i;

	for (i = 0; i < 2; i++) {
		page = (uint8_t *)ends[i] - 2 * 4096;
		if (mmap(page - 4096, 4096, PROT_READ, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		    page - 4096)
			return page;
	}
	return NULL;
}

/*
 * Addresses that no process can have are nobody's, whoever has what is last: an
 * owner is asked about a gap, and that before the end is none around them.
 */
TEST_F(unmapped, beyond_all_addresses)
{
	uint8_t *last = last_page();
	uint8_t *beyond[] = {
		last + 4096, last + HUGE, (uint8_t *)0xffff888000000000,
		(uint8_t *)0xffffffff81000000, (uint8_t *)-HUGE,
		(uint8_t *)-(LENGTH + 1UL),
	};
	size_t i;

	ASSERT_NE(NULL, last);
	ASSERT_EQ(0, ibv_dereg_mr(self->mr));
	self->mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
	ASSERT_EQ(0, place(self->fd, last));
	for (i = 0; i < sizeof(beyond) / sizeof(beyond[0]); i++) {
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, beyond[i]))
			TH_LOG("%p", beyond[i]);
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, beyond[i]))
			TH_LOG("%p", beyond[i]);
	}
	munmap(last - 4096, 4096);
}

TEST_HARNESS_MAIN
