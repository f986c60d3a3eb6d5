// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs over memory that only devices access: it has an address in the
 * process, but the CPU has no mapping there, or only a reservation. Some GPUs provide
 * memory like that, and find it by the address. No munmap() shows the end of such
 * memory. Its exporter may revoke it and use the address again.
 *
 * A "buffer" here is memory of peer_test_mem.ko, at an address that the test chooses.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_mem.h>

#include "../page_size.h"
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

/* The buffer is the middle third of the area. */
FIXTURE(unmapped)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	uint8_t *area;
	uint8_t *buffer;
	int fd;
	struct ibv_mr *mr;
};

FIXTURE_VARIANT(unmapped)
{
	const struct vt_mem_kind *kind;	/* selects the exporter */
	bool reserved;		/* the area is mapped with PROT_NONE */
	size_t skip;		/* offset of the MR in the area */
	size_t length;
};

/* For each exporter: the MR covers the buffer only, or the whole area. */
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

/* Allocates a buffer by a temporary mapping, and places it. */
static int make_buffer(void *at)
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
	self->buffer = self->area + HUGE;
	self->fd = make_buffer(self->buffer);
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

/* Compares a buffer at @offset, through its exporter, with the data that was sent. */
static int check_buffer(unmapped_t *self, int fd, uint64_t offset)
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

static int check_data(unmapped_t *self, uint64_t offset)
{
	return check_buffer(self, self->fd, offset);
}

TEST_F(unmapped, written_and_read)
{
	EXPECT_EQ(0, transfer(self, true, self->buffer + 4000));
	EXPECT_EQ(0, check_data(self, 4000));
	memset(self->local.mem.addr, 0, LENGTH);
	EXPECT_EQ(0, transfer(self, false, self->buffer + 4000));
	EXPECT_EQ(0, vt_buf_check_all(&self->local));
}

/* Accesses beyond the buffer fail, in the MR and outside of it. */
TEST_F(unmapped, beyond_the_buffer)
{
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, self->buffer - LENGTH));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  transfer(self, true, self->buffer + HUGE - 100));
	EXPECT_EQ(0, transfer(self, true, self->buffer + HUGE - LENGTH));
	EXPECT_EQ(0, check_data(self, HUGE - LENGTH));
}

/* The buffer is removed and placed again, at the same address, several times. */
TEST_F(unmapped, revoked_and_placed_again)
{
	uint64_t offset;
	int i;

	EXPECT_EQ(0, transfer(self, true, self->buffer));
	for (i = 1; i <= 3; i++) {
		ASSERT_EQ(0, place(self->fd, NULL));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, self->buffer));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, self->buffer + 8192));
		ASSERT_EQ(0, place(self->fd, self->buffer));
		offset = i * 8192;
		vt_buf_fill(&self->local, 10 + i);
		EXPECT_EQ(0, transfer(self, true, self->buffer + offset));
		EXPECT_EQ(0, check_data(self, offset));
		memset(self->local.mem.addr, 0, LENGTH);
		EXPECT_EQ(0, transfer(self, false, self->buffer + offset));
		EXPECT_EQ(0, vt_buf_check_all(&self->local));
	}
}

/* The exporter can claim the buffer again at once: no access fails. */
TEST_F(unmapped, revoked_between_accesses)
{
	int i;

	for (i = 0; i < 3; i++) {
		vt_buf_fill(&self->local, 10 + i);
		EXPECT_EQ(0, transfer(self, true, self->buffer + 100));
		EXPECT_EQ(0, check_data(self, 100));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	}
	EXPECT_EQ(0, transfer(self, true, self->buffer + HUGE - LENGTH));
	EXPECT_EQ(0, check_data(self, HUGE - LENGTH));
}

/* Another buffer is placed at the address. The old buffer keeps its contents. */
TEST_F(unmapped, replaced_by_another_buffer)
{
	int other;

	EXPECT_EQ(0, transfer(self, true, self->buffer));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, self->buffer));
	other = make_buffer(self->area + HUGE / 2);
	ASSERT_LE(0, other);
	ASSERT_EQ(0, place(other, self->buffer));
	EXPECT_EQ(0, check_data(self, 0));
	vt_buf_fill(&self->local, 5);
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	EXPECT_EQ(0, check_buffer(self, other, 0));
	EXPECT_EQ(-EILSEQ, check_data(self, 0));
	close(other);
}

/* In an MR over two buffers, revocation of one does not affect the other. */
TEST_F(unmapped, neighbour_not_revoked)
{
	int other;

	if (variant->skip)
		DOES_NOT_APPLY(return, "the MR covers one buffer only");
	other = make_buffer(self->area);
	ASSERT_LE(0, other);
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	EXPECT_EQ(0, transfer(self, true, self->area + 5000));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, transfer(self, true, self->buffer));
	vt_buf_fill(&self->local, 5);
	EXPECT_EQ(0, transfer(self, true, self->area + 5000));
	EXPECT_EQ(0, check_buffer(self, other, 5000));
	ASSERT_EQ(0, place(self->fd, self->buffer));
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	EXPECT_EQ(0, check_data(self, 0));
	close(other);
}

/* ---- an exporter that denies access ---- */

#define REFUSE "/sys/module/peer_test_native/parameters/refuse"

TEST_F(unmapped, denied_temporarily)
{
	static const char *const errors[] = { "13", "19", "121" };
	size_t i;

	if (variant->kind != &vt_mem_native)
		DOES_NOT_APPLY(return, "this exporter does not deny access");
	for (i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		EXPECT_EQ(0, transfer(self, true, self->buffer));
		ASSERT_EQ(0, vt_write_file(REFUSE, errors[i]));
		ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, true, self->buffer));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  transfer(self, false, self->buffer));
		ASSERT_EQ(0, vt_write_file(REFUSE, "0"));
		vt_buf_fill(&self->local, 20 + i);
		EXPECT_EQ(0, transfer(self, true, self->buffer + 4096));
		EXPECT_EQ(0, check_data(self, 4096));
	}
}

/* System memory is mapped at the address of the revoked buffer. */
TEST_F(unmapped, replaced_by_system_memory)
{
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	ASSERT_EQ(self->buffer, mmap(self->buffer, HUGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
	EXPECT_EQ(0, transfer(self, true, self->buffer));
	EXPECT_EQ(0, memcmp(self->buffer, self->local.shadow, LENGTH));
}

/* A dma-buf of the range covers the buffer, but not memory that is mapped there later. */
TEST_F(unmapped, exported)
{
	int fd = vt_export(self->buffer, HUGE, PEER_MEM_EXPORT_WRITE);
	struct vt_remote there = { .addr = 4000 };
	struct ibv_sge sge = vt_sge(&self->local, 0, LENGTH);
	static const uint8_t zero[LENGTH];
	struct ibv_mr mr = { 0 };

	ASSERT_LE(0, fd);
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&mr, self->dev.pd, 0, HUGE, 0, fd,
				      VT_ACCESS_DMABUF));
	there.rkey = mr.rkey;
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, check_data(self, 4000));

	ASSERT_EQ(0, place(self->fd, NULL));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_IOC_INVALIDATE));
	ASSERT_EQ(self->buffer, mmap(self->buffer, HUGE, PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				     -1, 0));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  vt_rdma_write(&self->pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, memcmp(self->buffer, zero, LENGTH));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&mr));
	close(fd);
}

/* The last page of user addresses, with page tables of 5 or of 4 levels. */
static uint8_t *last_page(void)
{
	static const uintptr_t ends[] = { 1UL << 56, 1UL << 47 };
	size_t size = page_size();
	uint8_t *page;
	size_t i;

	for (i = 0; i < 2; i++) {
		page = (uint8_t *)ends[i] - 2 * size;
		if (mmap(page - size, size, PROT_READ, MAP_PRIVATE |
			 MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0) ==
		    page - size)
			return page;
	}
	return NULL;
}

/*
 * Addresses beyond those of users have no exporter, even if the last page of users has
 * one: the gap that an exporter is asked about ends with the user addresses.
 */
TEST_F(unmapped, beyond_user_addresses)
{
	uint8_t *last = last_page();
	uint8_t *beyond[] = {
		last + page_size(), last + HUGE, (uint8_t *)0xffff888000000000,
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
	munmap(last - page_size(), page_size());
}

/*
 * If the CPU has the buffer mapped, munmap() ends its use. Until then accesses to a
 * revoked region fail, even if its exporter would claim the range again.
 */
FIXTURE(mapped)
{
	VT_LINK;
	uint8_t *area;		/* the buffer, and anonymous memory around it */
	struct ibv_mr *mr;
};

/* @whole: the MR covers the whole area */
FIXTURE_VARIANT(mapped)
{
	bool whole;
};

FIXTURE_VARIANT_ADD(mapped, alone) {};
FIXTURE_VARIANT_ADD(mapped, in_a_larger_mr) { .whole = true };

/* Maps the buffer in the middle of the area. */
static uint8_t *map_buffer(FIXTURE_DATA(mapped) *self)
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
	ASSERT_EQ(self->area + HUGE, map_buffer(self));
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

/* A FLUSH faults nothing in. */
static int flush(FIXTURE_DATA(mapped) *self, uint64_t offset)
{
	struct vt_remote at = {
		(uintptr_t)self->area + offset, self->mr->rkey
	};

	return vt_flush(&self->pair.end[0], at, LENGTH, VT_FLUSH_GLOBAL);
}

#define UNALIGNED "/sys/module/peer_test_native/parameters/unaligned"

/* The core rejects the blocks that the exporter reports. */
TEST_F(mapped, unaligned_blocks)
{
	uint8_t *addr = self->there.mem.addr;

	ASSERT_EQ(0, vt_write_file(UNALIGNED, "1"));
	EXPECT_EQ(EINVAL, vt_reg_errno(&self->dev, addr, HUGE, VT_ACCESS_ALL));
	ASSERT_EQ(0, vt_write_file(UNALIGNED, "0"));
	EXPECT_EQ(0, vt_reg_errno(&self->dev, addr, HUGE, VT_ACCESS_ALL));
}

/* An exporter that cannot pin serves on-demand MRs only. */
TEST(exporter_without_pin)
{
	struct vt_mem mem;
	struct vt_dev dev;

	ASSERT_EQ(0, vt_mem_prepare(&vt_mem_native));
	ASSERT_EQ(0, vt_rmmod("peer_test_native"));
	ASSERT_EQ(0, vt_insmod_test("peer_test_native.ko", "pins=0"));
	ASSERT_EQ(0, vt_dev_open(&dev));
	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_native, HUGE, 0));
	EXPECT_EQ(EOPNOTSUPP, vt_reg_errno(&dev, mem.addr, HUGE,
					   VT_ACCESS_ALL));
	EXPECT_EQ(0, vt_reg_errno(&dev, mem.addr, HUGE,
				  VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND));
	vt_mem_free(&mem);
	vt_dev_close(&dev);
	EXPECT_EQ(0, vt_rmmod("peer_test_native"));
}

TEST_F(mapped, revoked_until_mapped_again)
{
	int i;

	for (i = 0; i < 3; i++) {
		vt_buf_fill(&self->here, 10 + i);
		EXPECT_EQ(0, put(self, HUGE + 3000 + i));
		EXPECT_EQ(0, vt_buf_check_all(&self->there));
		ASSERT_EQ(0, vt_mem_revoke(&self->there.mem));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 90000));
		EXPECT_EQ(0, flush(self, HUGE + 3000));

		/* A new mapping next to it changes nothing. */
		ASSERT_EQ(0, munmap(self->area, HUGE));
		ASSERT_EQ(self->area, mmap(self->area, HUGE,
					   PROT_READ | PROT_WRITE,
					   MAP_PRIVATE | MAP_ANONYMOUS |
					   MAP_FIXED, -1, 0));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));

		ASSERT_EQ(0, munmap(self->area + HUGE, HUGE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, HUGE + 3000));
		ASSERT_EQ(self->area + HUGE, map_buffer(self));
	}
	EXPECT_EQ(0, put(self, HUGE + 90000));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_HARNESS_MAIN
