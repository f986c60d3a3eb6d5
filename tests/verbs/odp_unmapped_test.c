// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs over memory that only devices reach: it has an address in the
 * process, but the CPU has nothing mapped there, or only a reservation. That is
 * how some GPUs hand out memory. Its owner knows it by the address. No munmap() says
 * when such memory is over, and its owner may revoke it and use the address again.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_mem.h>

#include "applies.h"
#include "../kmod/peer_test.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/link.h"
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
	const struct vt_mem_kind *kind;	/* whose exporter has the object */
	bool reserved;
	size_t skip;		/* from the area to the MR */
	size_t length;
};

/* For each exporter: the MR is the object, or all of the area. */
#define UNMAPPED_VARIANTS(exporter)					\
	FIXTURE_VARIANT_ADD(unmapped, exporter##_gap)			\
	{								\
		.kind = &vt_mem_##exporter,				\
		.skip = HUGE,						\
		.length = HUGE,						\
	};								\
	FIXTURE_VARIANT_ADD(unmapped, exporter##_reservation)		\
	{								\
		.kind = &vt_mem_##exporter,				\
		.reserved = true,					\
		.skip = HUGE,						\
		.length = HUGE,						\
	};								\
	FIXTURE_VARIANT_ADD(unmapped, exporter##_part_of_gap)		\
	{								\
		.kind = &vt_mem_##exporter,				\
		.length = AREA,						\
	};								\
	FIXTURE_VARIANT_ADD(unmapped, exporter##_part_of_reservation)	\
	{								\
		.kind = &vt_mem_##exporter,				\
		.reserved = true,					\
		.length = AREA,						\
	}

UNMAPPED_VARIANTS(peerdirect);
UNMAPPED_VARIANTS(native);

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
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
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
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
	EXPECT_EQ(0, vt_rmmod(variant->kind->module));
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

/* What the owner sees at @offset of an object, against what was sent. */
static int object_has_it(unmapped_t *self, int fd, uint64_t offset)
{
	uint8_t have[LENGTH];
	struct peer_test_rw rw = {
		.offset = offset,
		.length = LENGTH,
		.buffer = (uintptr_t)have,
	};

	if (ioctl(fd, PEER_TEST_IOC_RW, &rw))
		return -errno;
	return memcmp(have, self->local.shadow, LENGTH) ? -EILSEQ : 0;
}

static int owner_has_it(unmapped_t *self, uint64_t offset)
{
	return object_has_it(self, self->fd, offset);
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

/* It goes, and comes again, at the same address, several times. */
TEST_F(unmapped, revoked_and_used_again)
{
	uint64_t offset;
	int i;

	EXPECT_EQ(0, transfer(self, true, self->object));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, place(self->fd, NULL));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, self->object));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, self->object + 8192));
		ASSERT_EQ(0, place(self->fd, self->object));
		offset = i * 8192;
		vt_buf_fill(&self->local, 10 + i);
		EXPECT_EQ(0, transfer(self, true, self->object + offset));
		EXPECT_EQ(0, owner_has_it(self, offset));
		memset(self->local.mem.addr, 0, LENGTH);
		EXPECT_EQ(0, transfer(self, false, self->object + offset));
		EXPECT_EQ(0, vt_buf_check_all(&self->local));
	}
}

/* The owner may claim it again at once: nobody sees an error. */
TEST_F(unmapped, revoked_between_accesses)
{
	int i;

	for (i = 0; i < 3; i++) {
		vt_buf_fill(&self->local, 10 + i);
		EXPECT_EQ(0, transfer(self, true, self->object + 100));
		EXPECT_EQ(0, owner_has_it(self, 100));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	}
	EXPECT_EQ(0, transfer(self, true, self->object + HUGE - LENGTH));
	EXPECT_EQ(0, owner_has_it(self, HUGE - LENGTH));
}

/* Another object is at the address now, and the old one stays as it was. */
TEST_F(unmapped, replaced_by_another_object)
{
	int other;

	EXPECT_EQ(0, transfer(self, true, self->object));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, self->object));
	other = make_object(self->area + HUGE / 2);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, place(other, self->object));
	EXPECT_EQ(0, owner_has_it(self, 0));
	vt_buf_fill(&self->local, 5);
	EXPECT_EQ(0, transfer(self, true, self->object));
	EXPECT_EQ(0, object_has_it(self, other, 0));
	EXPECT_EQ(-EILSEQ, owner_has_it(self, 0));
	close(other);
}

/* In an MR over both, the neighbour of a revoked object goes on. */
TEST_F(unmapped, neighbour_goes_on)
{
	int other;

	if (variant->skip)
		DOES_NOT_APPLY(return, "the MR has one object only");
	other = make_object(self->area);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, transfer(self, true, self->object));
	EXPECT_EQ(0, transfer(self, true, self->area + 5000));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, self->object));
	vt_buf_fill(&self->local, 5);
	EXPECT_EQ(0, transfer(self, true, self->area + 5000));
	EXPECT_EQ(0, object_has_it(self, other, 5000));
	ASSERT_EQ(0, place(self->fd, self->object));
	EXPECT_EQ(0, transfer(self, true, self->object));
	EXPECT_EQ(0, owner_has_it(self, 0));
	close(other);
}

/* ---- an exporter that says no ---- */

#define REFUSE "/sys/module/peer_test_native/parameters/refuse"

TEST_F(unmapped, refused_for_a_time)
{
	static const char *const errors[] = { "13", "19", "121" };
	size_t i;

	if (variant->kind != &vt_mem_native)
		DOES_NOT_APPLY(return, "this exporter does not refuse");
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		EXPECT_EQ(0, transfer(self, true, self->object));
		ASSERT_EQ(0, vt_write_file(REFUSE, errors[i]));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, self->object));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, self->object));
		ASSERT_EQ(0, vt_write_file(REFUSE, "0"));
		vt_buf_fill(&self->local, 20 + i);
		EXPECT_EQ(0, transfer(self, true, self->object + 4096));
		EXPECT_EQ(0, owner_has_it(self, 4096));
	}
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

/*
 * Where the CPU has the object mapped, munmap() says when it is over. Until then a
 * revoked region fails, whatever its exporter would claim by now.
 */
FIXTURE(mapped)
{
	VT_LINK;
	uint8_t *area;		/* the object, and anonymous memory around it */
	struct ibv_mr *mr;
};

/* @whole: the MR is all of the area */
FIXTURE_VARIANT(mapped)
{
	bool whole;
};

FIXTURE_VARIANT_ADD(mapped, alone) {};
FIXTURE_VARIANT_ADD(mapped, in_a_larger_mr) { .whole = true };

/* As the object lies: the file, and where in the process. */
static uint8_t *map_object(FIXTURE_DATA(mapped) *self)
{
	return mmap(self->area + HUGE, HUGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED, self->there.mem.fd, 0);
}

FIXTURE_SETUP(mapped)
{
	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_native, HUGE, 0, NULL));
	self->area = mmap(NULL, AREA, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->area);
	ASSERT_EQ(self->area + HUGE, map_object(self));
	self->mr = ibv_reg_mr(self->dev.pd,
			      self->area + (variant->whole ? 0 : HUGE),
			      variant->whole ? AREA : HUGE,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
}

FIXTURE_TEARDOWN(mapped)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->area, AREA);
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_native));
	EXPECT_EQ(0, vt_rmmod("peer_test_native"));
}

static int put(FIXTURE_DATA(mapped) *self, uint64_t offset)
{
	struct ibv_sge sge = vt_sge(&self->here, 0, LENGTH);
	struct vt_remote to = {
		(uintptr_t)self->area + offset, self->mr->rkey
	};
	int ret = vt_rdma_write(&self->pair.end[0], &sge, 1, to);

	if (ret > 0)
		vt_pair_renew(&self->pair);
	else
		memcpy(self->there.shadow + offset - HUGE, self->here.shadow,
		       LENGTH);
	return ret;
}

TEST_F(mapped, revoked_until_mapped_anew)
{
	int i;

	for (i = 0; i < 3; i++) {
		vt_buf_fill(&self->here, 10 + i);
		EXPECT_EQ(0, put(self, HUGE + 3000 + i));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		ASSERT_EQ(0, vt_mem_revoke(&self->there.mem));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 90000));

		/* Another one mapped beside it changes nothing. */
		ASSERT_EQ(0, munmap(self->area, HUGE));
		ASSERT_EQ(self->area, mmap(self->area, HUGE,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS |
					   MAP_FIXED, -1, 0));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));

		ASSERT_EQ(0, munmap(self->area + HUGE, HUGE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));
		ASSERT_EQ(self->area + HUGE, map_object(self));
	}
	EXPECT_EQ(0, put(self, HUGE + 90000));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_HARNESS_MAIN
