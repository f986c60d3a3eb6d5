// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The page table of an on-demand MR, and the hints in front of it: entries of one page
 * and of many, at any position and next to others; pages that move one by one; many
 * MRs in turn; faults across the borders of mappings.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_mem.h>

#include "../kmod/peer_test.h"
#include "../page_size.h"
#include "lib/buf.h"
#include "lib/copy.h"
#include "lib/counters.h"
#include "lib/link.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define RUN (64 * 1024UL)	/* device memory with one entry */
#define HUGE (2UL * 1024 * 1024)
#define GIB (1024UL * 1024 * 1024)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* An unmapped range that begins at a multiple of @align. */
static uint8_t *free_addresses_at(size_t align, size_t length)
{
	uint8_t *room = mmap(NULL, length + align, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (room == MAP_FAILED)
		return NULL;
	munmap(room, length + align);
	return room + (-(uintptr_t)room & (align - 1));
}

static uint8_t *free_addresses(size_t length)
{
	return free_addresses_at(HUGE, length);
}

static uint8_t *map_host(uint8_t *at, size_t length)
{
	return mmap(at, length, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
}

/* ---- pages that move, one access between two moves ---- */

/* Too few for an entry of many pages, but more than there are hints. */
#define PAGES 9

FIXTURE(pages)
{
	VT_LINK;
};

FIXTURE_VARIANT(pages)
{
	const struct vt_mem_kind *kind;
	int access;
};

FIXTURE_VARIANT_ADD(pages, vram) { .kind = &vt_mem_vram, .access = ACCESS };
FIXTURE_VARIANT_ADD(pages, vram_dmabuf) { .kind = &vt_mem_vram_dmabuf };
FIXTURE_VARIANT_ADD(pages, moving) { .kind = &vt_mem_moving };

FIXTURE_SETUP(pages)
{
	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_link_open(&self->link, variant->kind, PAGES * PAGE,
				  variant->access, NULL));
}

FIXTURE_TEARDOWN(pages)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * After the move, reads the page that was written before it. Repeats this many times,
 * because another CPU may do the READ.
 */
TEST_F_TIMEOUT(pages, each_moves, 120)
{
	uint64_t n, at;

	for (n = 0; n < 10 * PAGES; n++) {
		at = n % PAGES * PAGE;
		ASSERT_EQ(0, vt_copy_by_write(&self->pair, &self->there, at,
					      &self->here, 100, PAGE));
		ASSERT_EQ(0, vt_buf_check_all(&self->there));
		ASSERT_EQ(0, vt_mem_move(&self->there.mem, n % 2));
		ASSERT_EQ(0, vt_buf_fill_by_owner(&self->there, 10 + n));
		ASSERT_EQ(0, vt_copy_by_read(&self->pair, &self->here, 50,
					     &self->there, at, PAGE));
		ASSERT_EQ(0, vt_buf_check_all(&self->here));
	}
}

/* ---- one MR, or many ---- */

FIXTURE(table)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
};

typedef FIXTURE_DATA(table) table_t;

static int table_open(table_t *self)
{
	int ret = vt_dev_open(&self->dev);

	ret = ret ?: vt_pair_open(&self->pair, &self->dev, NULL);
	ret = ret ?: vt_buf_open(&self->local, &self->dev, &vt_mem_host,
				 4 * RUN, NULL);
	if (!ret)
		vt_buf_fill(&self->local, 1);
	return ret;
}

static int table_close(table_t *self)
{
	int ret = vt_buf_close(&self->local);

	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	return ret;
}

FIXTURE_SETUP(table)
{
	ASSERT_EQ(0, table_open(self));
}

FIXTURE_TEARDOWN(table)
{
	EXPECT_EQ(0, table_close(self));
}

/* Both renew the pair after an error. Return: the status of the completion. */
static int put(table_t *self, struct ibv_mr *mr, void *to, uint64_t from,
	       uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->local, from, length);
	struct vt_remote remote = { (uintptr_t)to, mr->rkey };
	int ret = vt_rdma_write(&self->pair.end[0], &sge, 1, remote);

	if (ret > 0)
		vt_pair_renew(&self->pair);
	return ret;
}

static int get(table_t *self, struct ibv_mr *mr, void *from, uint64_t to,
	       uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->local, to, length);
	struct vt_remote remote = { (uintptr_t)from, mr->rkey };
	int ret = vt_rdma_read(&self->pair.end[0], &sge, 1, remote);

	if (ret > 0)
		vt_pair_renew(&self->pair);
	return ret;
}

static int prefetch(table_t *self, struct ibv_mr *mr, void *at, uint32_t length)
{
	struct ibv_sge sge = { (uintptr_t)at, length, mr->lkey };

	return vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
}

#define EXPECT_PUT(mr, to, from, length) do {				\
	ASSERT_EQ(0, put(self, mr, to, from, length));			\
	EXPECT_EQ(0, memcmp(to, self->local.shadow + (from), length));	\
} while (0)

/* The MRs use the same page of the page table: any two of them may share a hint. */
#define MRS 16

TEST_F_TIMEOUT(table, many_mrs_in_turn, 60)
{
	uint8_t *area = free_addresses(MRS * HUGE);
	struct ibv_mr *mrs[MRS];
	int i;

	for (i = 0; i < MRS; i++) {
		ASSERT_EQ(area + i * HUGE, map_host(area + i * HUGE, PAGE));
		mrs[i] = ibv_reg_mr(self->dev.pd, area + i * HUGE, PAGE, ACCESS);
		ASSERT_NE(NULL, mrs[i]);
	}
	for (i = 0; i < 4 * MRS; i++)
		EXPECT_PUT(mrs[i % MRS], area + i % MRS * HUGE + 8, 64 * i, 64);
	for (i = 0; i < MRS; i++) {
		EXPECT_EQ(0, memcmp(area + i * HUGE + 8, self->local.shadow +
				    64 * (3 * MRS + i), 64));
		EXPECT_EQ(0, ibv_dereg_mr(mrs[i]));
		munmap(area + i * HUGE, PAGE);
	}
}

/*
 * A page of system memory, followed by device memory, which does not begin at a
 * multiple of the size of an entry.
 */
TEST_F_TIMEOUT(table, unaligned_run, 60)
{
	uint8_t *area = free_addresses(RUN + PAGE);
	struct ibv_mr *mr;

	ASSERT_EQ(area, map_host(area, PAGE));
	ASSERT_EQ(0, vt_mem_map_at(&vt_mem_vram, area + PAGE, RUN));
	mr = ibv_reg_mr(self->dev.pd, area, RUN + PAGE, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_PUT(mr, area + PAGE + 50, 100, RUN - 50);
	EXPECT_PUT(mr, area + 1, 77, PAGE - 1);
	EXPECT_PUT(mr, area + PAGE - 9, 99, 5000);
	EXPECT_PUT(mr, area + RUN + 5, 3, PAGE - 5);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(area, RUN + PAGE);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* One prefetch covers three mappings of system and device memory. */
TEST_F_TIMEOUT(table, prefetch_across_mappings, 60)
{
	uint8_t *area = free_addresses(3 * RUN);
	struct vt_mr_counters before, after;
	struct ibv_mr *mr;

	ASSERT_EQ(area, map_host(area, RUN));
	ASSERT_EQ(0, vt_mem_map_at(&vt_mem_vram, area + RUN, RUN));
	ASSERT_EQ(area + 2 * RUN, map_host(area + 2 * RUN, RUN));
	mr = ibv_reg_mr(self->dev.pd, area, 3 * RUN, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, prefetch(self, mr, area + 10, 3 * RUN - 20));
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_PUT(mr, area, 0, 3 * RUN);
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
	/* A hole is an error. */
	ASSERT_EQ(0, munmap(area + 2 * RUN, RUN));
	EXPECT_EQ(-EFAULT, prefetch(self, mr, area + RUN, 2 * RUN));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(area, 2 * RUN);
}

/* ---- capabilities of the device ---- */

/* The distribution's libibverbs does not define these. */
#define ODP_FLUSH (1U << 6)
#define ODP_ATOMIC_WRITE (1U << 7)

TEST_F(table, capabilities)
{
	struct ibv_device_attr_ex attr;

	ASSERT_EQ(0, ibv_query_device_ex(self->dev.ctx, NULL, &attr));
	EXPECT_EQ(IBV_ODP_SUPPORT | IBV_ODP_SUPPORT_IMPLICIT,
		  attr.odp_caps.general_caps);
	EXPECT_EQ(IBV_ODP_SUPPORT_SEND | IBV_ODP_SUPPORT_RECV |
		  IBV_ODP_SUPPORT_WRITE | IBV_ODP_SUPPORT_READ |
		  IBV_ODP_SUPPORT_ATOMIC | IBV_ODP_SUPPORT_SRQ_RECV |
		  ODP_FLUSH | ODP_ATOMIC_WRITE,
		  attr.odp_caps.per_transport_caps.rc_odp_caps);
}

/* ---- protection of mappings ---- */

/*
 * Only the importer has pages of this GiB: the CPU has no page table, at any level,
 * that mprotect() could change.
 */
static void check_mprotect(struct __test_metadata *_metadata, table_t *self,
			   const struct vt_mem_kind *kind, int prot)
{
	uint8_t *area = free_addresses_at(GIB, GIB);
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_prepare(kind));
	ASSERT_EQ(0, vt_mem_map_at(kind, area + RUN, RUN));
	mr = ibv_reg_mr(self->dev.pd, area + RUN, RUN, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, put(self, mr, area + RUN + 100, 0, 5000));
	ASSERT_EQ(0, mprotect(area + RUN, RUN, prot));
	EXPECT_EQ(prot & PROT_READ ? 0 : IBV_WC_REM_ACCESS_ERR,
		  get(self, mr, area + RUN + 100, RUN, 5000));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, mr, area + RUN + 100, 0, 5000));
	ASSERT_EQ(0, mprotect(area + RUN, RUN, PROT_READ | PROT_WRITE));
	EXPECT_PUT(mr, area + RUN + 300, 30, 5000);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(area + RUN, RUN);
	EXPECT_EQ(0, vt_counters_balanced(kind));
}

TEST_F_TIMEOUT(table, vram_becomes_read_only, 60)
{
	check_mprotect(_metadata, self, &vt_mem_vram, PROT_READ);
}

TEST_F_TIMEOUT(table, cmb_becomes_read_only, 60)
{
	check_mprotect(_metadata, self, &vt_mem_cmb, PROT_READ);
}

/* The client checks addresses, but not the protection of mappings. */
TEST_F_TIMEOUT(table, peerdirect_becomes_read_only, 60)
{
	check_mprotect(_metadata, self, &vt_mem_peerdirect, PROT_READ);
}

TEST_F_TIMEOUT(table, peerdirect_becomes_inaccessible, 60)
{
	check_mprotect(_metadata, self, &vt_mem_peerdirect, PROT_NONE);
}

/* ---- huge pages of the system ---- */

static long smaps_kib(const char *name)
{
	FILE *in = fopen("/proc/self/smaps_rollup", "re");
	char line[256];
	long kib = 0;

	while (in && fgets(line, sizeof(line), in))
		if (!strncmp(line, name, strlen(name)))
			kib = strtol(line + strlen(name), NULL, 10);
	if (in)
		fclose(in);
	return kib;
}

static uint8_t *huge_page(void)
{
	uint8_t *area = free_addresses(HUGE);
	long before = smaps_kib("AnonHugePages:");

	if (map_host(area, HUGE) != area || madvise(area, HUGE, MADV_HUGEPAGE))
		return NULL;
	vt_pattern_fill(area, 7, 0, HUGE);
	return smaps_kib("AnonHugePages:") > before ? area : NULL;
}

/* Accesses the middle, then the first page, then the last. */
TEST_F_TIMEOUT(table, huge_page, 60)
{
	uint8_t *area = huge_page();
	struct vt_mr_counters counters;
	struct ibv_mr *mr;

	if (!area)
		SKIP(return, "no huge page available");
	mr = ibv_reg_mr(self->dev.pd, area, HUGE, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, get(self, mr, area + HUGE / 2 + 100, 0, 9000));
	EXPECT_EQ(0, memcmp(area + HUGE / 2 + 100, self->local.mem.addr, 9000));
	EXPECT_EQ(0, get(self, mr, area, 0, 100));
	EXPECT_EQ(0, memcmp(area, self->local.mem.addr, 100));
	EXPECT_PUT(mr, area + HUGE - 3000, RUN, 3000);
	ASSERT_EQ(0, vt_mr_counters_read(&counters));
	EXPECT_GE(2, counters.faults);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(area, HUGE);
}

static long resident(const struct ibv_mr *mr)
{
	struct peer_mem_mr one = { .size = sizeof(one) };
	int fd = open("/dev/peer_mem", O_RDWR | O_CLOEXEC);
	long pages = -1;

	while (fd >= 0 && pages < 0 && !ioctl(fd, PEER_MEM_IOC_NEXT_MR, &one))
		if (one.addr == (uintptr_t)mr->addr)
			pages = one.resident / PAGE;
	close(fd);
	return pages;
}

/* If a part of a huge page is registered, only that part has entries. */
TEST_F_TIMEOUT(table, part_of_huge_page, 60)
{
	uint8_t *area = huge_page();
	struct ibv_mr *mr;

	if (!area)
		SKIP(return, "no huge page available");
	mr = ibv_reg_mr(self->dev.pd, area + PAGE, HUGE - 2 * PAGE, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_PUT(mr, area + HUGE / 2, 1, 5000);
	EXPECT_LE(2, resident(mr));
	EXPECT_GE((long)(HUGE / PAGE) - 2, resident(mr));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(area, HUGE);
}

/* ---- an invalidation erases all entries ---- */

/*
 * An invalidation drops its lock after a number of entries: 1024, or 2 in builds with
 * hold points. The page table frees nodes without entries. No entry may be skipped
 * where both happen at the same place, wherever the MR begins.
 */
FIXTURE(emptied)
{
	table_t table;
	uint8_t *addr;
	struct ibv_mr *mr;
};

/* @first: index of the first page in its 2 MiB of the address space */
FIXTURE_VARIANT(emptied)
{
	const struct vt_mem_kind *kind;
	unsigned long first, pages;
};

#define EMPTIED(_kind, _first, _pages)					\
	FIXTURE_VARIANT_ADD(emptied, _kind##_from_##_first)		\
	{								\
		.kind = &vt_mem_##_kind,				\
		.first = _first,					\
		.pages = _pages,					\
	}

EMPTIED(host, 0, 1300);
EMPTIED(host, 1, 1300);
EMPTIED(host, 63, 1300);
EMPTIED(vram, 0, 64);
EMPTIED(vram, 224, 64);

static int map_kind(const struct vt_mem_kind *kind, uint8_t *at, size_t length)
{
	if (kind != &vt_mem_host)
		return vt_mem_map_at(kind, at, length);
	return map_host(at, length) == at ? 0 : -errno;
}

FIXTURE_SETUP(emptied)
{
	size_t length = variant->pages * PAGE;

	ASSERT_EQ(0, table_open(&self->table));
	self->addr = free_addresses(length + variant->first * PAGE) +
		     variant->first * PAGE;
	ASSERT_EQ(0, map_kind(variant->kind, self->addr, length));
	self->mr = ibv_reg_mr(self->table.dev.pd, self->addr, length, ACCESS);
	ASSERT_NE(NULL, self->mr);
	ASSERT_EQ(0, prefetch(&self->table, self->mr, self->addr, length));
	ASSERT_EQ((long)variant->pages, resident(self->mr));
}

FIXTURE_TEARDOWN(emptied)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, variant->pages * PAGE);
	EXPECT_EQ(0, table_close(&self->table));
}

TEST_F_TIMEOUT(emptied, no_page_stays_writable, 120)
{
	unsigned long i;

	ASSERT_EQ(0, mprotect(self->addr, variant->pages * PAGE, PROT_READ));
	EXPECT_EQ(0, resident(self->mr));
	for (i = 0; i < variant->pages; i += 24)
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  put(&self->table, self->mr, self->addr + i * PAGE, 0,
			      100));
}

/* ---- pages that are only read ---- */

#define KPF_DIRTY (1ULL << 4)

static uint64_t read_word(const char *path, uint64_t index)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	uint64_t word = 0;

	if (pread(fd, &word, sizeof(word), index * sizeof(word)) < 0)
		word = 0;
	close(fd);
	return word;
}

static bool is_dirty(const void *page)
{
	uint64_t entry = read_word("/proc/self/pagemap",
				   (uintptr_t)page / PAGE);

	return read_word("/proc/kpageflags", entry & ((1ULL << 55) - 1)) &
	       KPF_DIRTY;
}

/* A READ does not mark a page dirty, a WRITE does. */
TEST_F_TIMEOUT(table, reads_leave_a_page_clean, 60)
{
	uint8_t *page = free_addresses(PAGE);
	struct ibv_mr *mr;

	ASSERT_EQ(page, map_host(page, PAGE));
	memset(page, 1, PAGE);
	ASSERT_EQ(0, madvise(page, PAGE, MADV_FREE));
	mr = ibv_reg_mr(self->dev.pd, page, PAGE, ACCESS);
	ASSERT_NE(NULL, mr);
	EXPECT_EQ(0, get(self, mr, page, 0, 100));
	EXPECT_FALSE(is_dirty(page));
	EXPECT_EQ(0, put(self, mr, page, 0, 100));
	EXPECT_TRUE(is_dirty(page));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	munmap(page, PAGE);
}

/* ---- adjacent device memory without a CPU mapping ---- */

#define HALF (HUGE / 2)

FIXTURE(placed)
{
	table_t table;
	uint8_t *area;
	int fd[2];
	struct ibv_mr *mr;
};

static int place(int fd, void *at)
{
	uint64_t addr = (uintptr_t)at;

	return ioctl(fd, PEER_TEST_IOC_PLACE, &addr) ? -errno : 0;
}

/* Allocates device memory that is not mapped. Return: its descriptor or -errno. */
static int alloc_unmapped(size_t length)
{
	int fd = open("/dev/peer_test_mem", O_RDWR | O_CLOEXEC);
	void *addr;

	if (fd < 0)
		return -errno;
	addr = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (addr == MAP_FAILED) {
		close(fd);
		return -ENOMEM;
	}
	munmap(addr, length);
	return fd;
}

/*
 * A gap of 2 MiB between mappings, with device memory in both halves. While the first
 * half is claimed, anonymous memory is mapped in the second.
 */
FIXTURE_SETUP(placed)
{
	int i;

	ASSERT_EQ(0, vt_peerdirect_load(NULL));
	ASSERT_EQ(0, table_open(&self->table));
	self->area = free_addresses(3 * HUGE) + HUGE;
	ASSERT_EQ(self->area - PAGE, map_host(self->area - PAGE, PAGE));
	ASSERT_EQ(self->area + HUGE, map_host(self->area + HUGE, PAGE));
	ASSERT_EQ(self->area + HALF, map_host(self->area + HALF, HALF));
	for (i = 0; i < 2; i++) {
		self->fd[i] = alloc_unmapped(HALF);
		ASSERT_LE(0, self->fd[i]);
		ASSERT_EQ(0, place(self->fd[i], self->area + i * HALF));
	}
	self->mr = ibv_reg_mr(self->table.dev.pd, self->area, HUGE, ACCESS);
	ASSERT_NE(NULL, self->mr);
	ASSERT_EQ(0, put(&self->table, self->mr, self->area + 100, 0, 5000));
	ASSERT_EQ(0, munmap(self->area + HALF, HALF));
}

FIXTURE_TEARDOWN(placed)
{
	int i;

	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	for (i = 0; i < 2; i++)
		close(self->fd[i]);
	munmap(self->area - PAGE, PAGE);
	munmap(self->area + HUGE, PAGE);
	EXPECT_EQ(0, table_close(&self->table));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_peerdirect));
	EXPECT_EQ(0, vt_rmmod("peerdirect_test"));
}

/* Compares device memory through the exporter. Return: 0, -EILSEQ or -errno. */
static int exporter_check(int fd, uint64_t offset, const void *want, size_t length)
{
	uint8_t have[8192];
	struct peer_test_rw rw = {
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)have,
	};

	if (ioctl(fd, PEER_TEST_IOC_RW, &rw))
		return -errno;
	return memcmp(have, want, length) ? -EILSEQ : 0;
}

/* The next claim is for the part of the gap that has no region yet. */
TEST_F_TIMEOUT(placed, claimed_next_to_region, 60)
{
	const uint8_t *shadow = self->table.local.shadow;

	EXPECT_EQ(0, put(&self->table, self->mr, self->area + HALF + 7, 300,
			 5000));
	EXPECT_EQ(0, exporter_check(self->fd[1], 7, shadow + 300, 5000));
	EXPECT_EQ(0, put(&self->table, self->mr, self->area + HALF - 1000, 900,
			 2000));
	EXPECT_EQ(0, exporter_check(self->fd[0], HALF - 1000, shadow + 900, 1000));
	EXPECT_EQ(0, exporter_check(self->fd[1], 0, shadow + 1900, 1000));
}

/* One prefetch covers both regions. */
TEST_F_TIMEOUT(placed, prefetched_across_regions, 60)
{
	struct vt_mr_counters before, after;

	EXPECT_EQ(0, prefetch(&self->table, self->mr, self->area, HUGE));
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_EQ(0, put(&self->table, self->mr, self->area + HALF - 1000, 900,
			 2000));
	EXPECT_EQ(0, put(&self->table, self->mr, self->area + HUGE - 1000, 900,
			 1000));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
}

TEST_HARNESS_MAIN
