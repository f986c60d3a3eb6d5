// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs and the address space under them: ranges with several kinds of memory
 * and with holes, mprotect(), munmap() and mmap(), copy-on-write, implicit MRs,
 * prefetch.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include <rdma/peer_vram.h>

#include "../page_size.h"
#include "applies.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define PART (64 * 1024)
#define SPAN (4 * PART)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

enum part { HEAP, DEVICE, FILE_, HOLE };

FIXTURE(map)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;	/* pinned, on the other side */
	uint8_t *area;		/* four adjacent parts */
	struct ibv_mr *mr;
	int file;
};

/* @kind: memory of part DEVICE */
FIXTURE_VARIANT(map)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(map, vram) { .kind = &vt_mem_vram_named };
FIXTURE_VARIANT_ADD(map, cmb) { .kind = &vt_mem_cmb };

static void *map_at(void *at, size_t length, int prot, int flags, int fd)
{
	void *addr = mmap(at, length, prot, flags | MAP_FIXED, fd, 0);

	return addr == at ? addr : NULL;
}

static void *map_anonymous(void *at, size_t length)
{
	return map_at(at, length, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1);
}

static int new_file(size_t length)
{
	int fd = memfd_create("odp", MFD_CLOEXEC);

	return fd >= 0 && !ftruncate(fd, length) ? fd : -1;
}

FIXTURE_SETUP(map)
{
	struct vt_pair_opts pair = { 0 };

	ASSERT_EQ(0, vt_mem_prepare(variant->kind));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &pair));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, SPAN,
				 NULL));
	vt_buf_fill(&self->local, 1);

	self->area = mmap(NULL, SPAN, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);
	ASSERT_NE(MAP_FAILED, self->area);
	ASSERT_EQ(0, munmap(self->area + HOLE * PART, PART));
	self->file = new_file(PART);
	ASSERT_LE(0, self->file);
	ASSERT_TRUE(map_anonymous(self->area, PART));
	ASSERT_EQ(0, vt_mem_map_at(variant->kind, self->area + DEVICE * PART,
				   PART));
	ASSERT_TRUE(map_at(self->area + FILE_ * PART, PART,
			   PROT_READ | PROT_WRITE, MAP_SHARED, self->file));
	self->mr = ibv_reg_mr(self->dev.pd, self->area, SPAN, ON_DEMAND);
	ASSERT_TRUE(self->mr);
}

FIXTURE_TEARDOWN(map)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->area, SPAN);
	close(self->file);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

typedef FIXTURE_DATA(map) map_t;

static struct vt_remote at(map_t *self, uint64_t offset)
{
	return (struct vt_remote){
		(uintptr_t)self->area + offset, self->mr->rkey
	};
}

/* Both renew the pair after an error. Return: the status of the completion. */
static int put(map_t *self, uint64_t from, struct vt_remote to, uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->local, from, length);
	int ret = vt_rdma_write(&self->pair.end[0], &sge, 1, to);

	if (ret > 0)
		vt_pair_renew(&self->pair);
	return ret;
}

static int get(map_t *self, uint64_t to, struct vt_remote from, uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->local, to, length);
	int ret = vt_rdma_read(&self->pair.end[0], &sge, 1, from);

	if (ret > 0)
		vt_pair_renew(&self->pair);
	return ret;
}

#define EXPECT_PUT(from, offset, length) do {				\
	ASSERT_EQ(0, put(self, from, at(self, offset), length));	\
	EXPECT_EQ(0, memcmp(self->area + (offset),			\
			    self->local.shadow + (from), length));	\
} while (0)

#define EXPECT_GET(to, offset, length) do {				\
	ASSERT_EQ(0, get(self, to, at(self, offset), length));		\
	EXPECT_EQ(0, memcmp(self->area + (offset),			\
			    self->local.mem.addr + (to), length));	\
} while (0)

TEST_F(map, parts_and_hole)
{
	EXPECT_PUT(100, 3, PART - 100);
	EXPECT_PUT(200, DEVICE * PART - 5000, 10000);
	EXPECT_PUT(300, FILE_ * PART - 6000, 12000);
	EXPECT_PUT(77, 1, 3 * PART - 2);

	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, 0, at(self, HOLE * PART + 10), 100));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  get(self, 0, at(self, HOLE * PART - 10), 20));
	EXPECT_PUT(5000, DEVICE * PART + 9, 30000);

	/* Memory is mapped into the hole. */
	ASSERT_TRUE(map_anonymous(self->area + HOLE * PART, PART));
	EXPECT_PUT(1000, HOLE * PART - 50, 5000);
	ASSERT_EQ(0, vt_mem_map_at(variant->kind, self->area + HOLE * PART,
				   PART));
	EXPECT_PUT(2000, HOLE * PART - 50, 5000);
	EXPECT_GET(0, 0, SPAN);
}

TEST_F(map, unmapped_and_mapped_again)
{
	enum part part;

	for (part = HEAP; part <= FILE_; part++) {
		uint64_t offset = part * PART;

		EXPECT_PUT(10, offset, 8000);
		ASSERT_EQ(0, munmap(self->area + offset, PART));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  put(self, 0, at(self, offset + 4000), 200));
		ASSERT_TRUE(map_anonymous(self->area + offset, PART));
		EXPECT_PUT(20, offset, 8000);
	}
}

TEST_F(map, protection_changes)
{
	enum part part;

	for (part = HEAP; part <= FILE_; part++) {
		uint64_t offset = part * PART;

		EXPECT_PUT(10, offset, 9000);
		ASSERT_EQ(0, mprotect(self->area + offset, PART, PROT_READ));
		EXPECT_GET(PART, offset, 9000);
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  put(self, 5000, at(self, offset), 200));
		EXPECT_EQ(0, memcmp(self->area + offset,
				    self->local.shadow + 10, 9000));
		ASSERT_EQ(0, mprotect(self->area + offset, PART, PROT_NONE));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
			  get(self, PART, at(self, offset), 200));
		ASSERT_EQ(0, mprotect(self->area + offset, PART,
				      PROT_READ | PROT_WRITE));
		EXPECT_PUT(30, offset, 9000);
	}
}

/* The CPU never accessed the mapping: only the importer has its pages. */
TEST_F(map, protection_of_untouched_device_memory)
{
	ASSERT_EQ(0, put(self, 0, at(self, DEVICE * PART), PART));
	ASSERT_EQ(0, mprotect(self->area + DEVICE * PART, PART, PROT_READ));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, 99, at(self, DEVICE * PART + 20000), 200));
	EXPECT_GET(PART, DEVICE * PART, PART);
}

/* A private mapping must not let RDMA write the page cache or the zero page. */
TEST_F(map, read_only_pages)
{
	uint8_t *other = mmap(NULL, PART, PROT_READ, MAP_SHARED, self->file, 0);
	static const uint8_t zero[MAX_PAGE_SIZE];

	ASSERT_NE(MAP_FAILED, other);
	memset(self->area + FILE_ * PART, 0x5a, PART);
	ASSERT_TRUE(map_at(self->area + FILE_ * PART, PART, PROT_READ,
			   MAP_PRIVATE, self->file));
	EXPECT_GET(0, FILE_ * PART, 5000);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, PART, at(self, FILE_ * PART), 5000));
	EXPECT_EQ(0x5a, other[0]);
	EXPECT_EQ(0x5a, other[4999]);

	/* A private page is copied before it is written. */
	ASSERT_TRUE(map_at(self->area + FILE_ * PART, PART,
			   PROT_READ | PROT_WRITE, MAP_PRIVATE, self->file));
	EXPECT_GET(0, FILE_ * PART, 5000);
	EXPECT_PUT(PART, FILE_ * PART, 5000);
	EXPECT_EQ(0x5a, other[0]);
	munmap(other, PART);

	EXPECT_GET(0, HEAP * PART, 3 * PAGE);
	EXPECT_PUT(PART, HEAP * PART + 50, PAGE);
	EXPECT_EQ(0, memcmp(self->area + 2 * PAGE, zero, PAGE));
}

/* A shared read-only mapping of a file: there is no copy on write. */
TEST_F(map, read_only_shared_file)
{
	uint8_t have[MAX_PAGE_SIZE];

	memset(self->area + FILE_ * PART, 0x5a, PART);
	ASSERT_TRUE(map_at(self->area + FILE_ * PART, PART, PROT_READ,
			   MAP_SHARED, self->file));
	EXPECT_GET(0, FILE_ * PART, PART);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, PART, at(self, FILE_ * PART + 100), 5000));
	ASSERT_EQ((ssize_t)PAGE, pread(self->file, have, PAGE, 0));
	EXPECT_EQ(0x5a, have[100]);
	EXPECT_EQ(0, memcmp(have, have + 1, PAGE - 1));
}

/* A READ of untouched memory uses the zero page, which a later WRITE must not change. */
TEST_F(map, zero_page)
{
	uint8_t *other = mmap(NULL, PART, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	static const uint8_t zero[PART];

	ASSERT_NE(MAP_FAILED, (void *)other);
	ASSERT_EQ(0, madvise(self->area, PART, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, get(self, 0, at(self, HEAP * PART), PART));
	EXPECT_EQ(0, memcmp(self->local.mem.addr, zero, PART));
	ASSERT_EQ(0, put(self, PART, at(self, HEAP * PART), PART));
	EXPECT_EQ(0, memcmp(other, zero, PART));
	EXPECT_EQ(0, memcmp(self->area, self->local.shadow + PART, PART));
	munmap(other, PART);
}

/* An access to one or two pages does not populate their neighbours. */
TEST_F(map, neighbours_not_populated)
{
	unsigned char there[PART / MIN_PAGE_SIZE];
	unsigned int i;

	ASSERT_EQ(0, put(self, 0, at(self, 5 * PAGE + 100), 10));
	ASSERT_EQ(0, put(self, 0, at(self, 9 * PAGE - 5), 10));
	ASSERT_EQ(0, mincore(self->area, PART, there));
	for (i = 0; i < PART / PAGE; i++)
		EXPECT_EQ(i == 5 || i == 8 || i == 9, there[i] & 1);
}

/* After a fork, a WRITE to the parent does not change the pages of the child. */
TEST_F(map, copy_on_write_after_fork)
{
	int status, go[2];
	char token;
	pid_t pid;

	EXPECT_PUT(0, HEAP * PART, PART);
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		/* The child has the contents from the time of the fork. */
		if (read(go[0], &token, 1) != 1)
			_exit(2);
		_exit(memcmp(self->area, self->local.shadow, PART) != 0);
	}
	EXPECT_PUT(PART, HEAP * PART, PART);
	ASSERT_EQ(1, write(go[1], "x", 1));
	ASSERT_EQ(pid, waitpid(pid, &status, 0));
	EXPECT_EQ(0, status);
	close(go[0]);
	close(go[1]);
}

TEST_F(map, two_mrs_of_a_page)
{
	struct ibv_mr *other;
	struct vt_remote there;
	enum part part;

	other = ibv_reg_mr(self->dev.pd, self->area, SPAN, ON_DEMAND);
	ASSERT_TRUE(other);
	for (part = HEAP; part <= FILE_; part++) {
		there = at(self, part * PART + 100);
		there.rkey = other->rkey;
		EXPECT_PUT(0, part * PART, 3000);
		EXPECT_EQ(0, put(self, 9000, there, 1000));
		EXPECT_EQ(0, memcmp(self->area + part * PART + 100,
				    self->local.shadow + 9000, 1000));
		EXPECT_GET(PART, part * PART, 3000);
	}
	EXPECT_EQ(0, ibv_dereg_mr(other));
}

TEST_F(map, implicit_mr)
{
	struct ibv_mr *all;
	struct vt_remote there;

	all = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX, ON_DEMAND);
	ASSERT_TRUE(all);
	there = at(self, DEVICE * PART - 3000);
	there.rkey = all->rkey;
	EXPECT_EQ(0, put(self, 50, there, 70000));
	EXPECT_EQ(0, memcmp(self->area + DEVICE * PART - 3000,
			    self->local.shadow + 50, 70000));
	there.addr = 4096;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 8));
	there.addr = 1ULL << 47;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 8));
	there.addr = ~0ULL - 7;
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 8));
	EXPECT_EQ(0, ibv_dereg_mr(all));
}

TEST_F(map, parts_of_implicit_mr)
{
	struct ibv_mr *part_mr = self->mr;
	enum part part;

	self->mr = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX, ON_DEMAND);
	ASSERT_TRUE(self->mr);
	for (part = HEAP; part <= FILE_; part++) {
		EXPECT_PUT(PART, part * PART + 3, PART - 3);
		EXPECT_GET(0, part * PART + 5, 9000);
	}
	EXPECT_PUT(PART, PART - 5000, PART + 10000);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, 0, at(self, HOLE * PART - 10), 20));
	/* The implicit MR as memory of the requester. */
	struct ibv_sge sge = {
		(uintptr_t)self->area + DEVICE * PART + 77, 20000, self->mr->lkey
	};
	ASSERT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1,
				   vt_remote(&self->local, 99)));
	EXPECT_EQ(0, memcmp(self->area + DEVICE * PART + 77,
			    self->local.mem.addr + 99, 20000));
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	self->mr = part_mr;
}

TEST_F(map, unusual_ranges)
{
	struct vt_remote there;
	struct ibv_mr *mr;

	/* 1 TiB without mappings. */
	mr = ibv_reg_mr(self->dev.pd, (void *)(1UL << 44), 1UL << 40,
			ON_DEMAND);
	ASSERT_TRUE(mr);
	there = (struct vt_remote){ (1UL << 44) + (1UL << 39), mr->rkey };
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 100));
	EXPECT_EQ(0, ibv_dereg_mr(mr));

	errno = 0;
	EXPECT_FALSE(ibv_reg_mr(self->dev.pd, self->area, 0, ON_DEMAND));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_FALSE(ibv_reg_mr(self->dev.pd, (void *)-PAGE, 2 * PAGE, ON_DEMAND));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_FALSE(ibv_reg_mr(self->dev.pd, self->area + PAGE, SIZE_MAX,
				ON_DEMAND));
	EXPECT_EQ(EINVAL, errno);

	/* One byte too long; and a range that wraps around. */
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, at(self, SPAN - 4), 5));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR,
		  put(self, 0, at(self, -1ULL - (uintptr_t)self->area), 8));
}

static struct vt_remote start_of(struct ibv_mr *mr)
{
	return (struct vt_remote){ (uintptr_t)mr->addr, mr->rkey };
}

TEST_F(map, exporter_denies)
{
	struct vt_remote there;
	struct vt_mem mem;
	struct ibv_mr *mr;
	int ret;

	ret = vt_mem_alloc(&mem, variant->kind, PART, VT_MEM_NO_EXPORT);
	if (ret == -EOPNOTSUPP)
		DOES_NOT_APPLY(return, "all memory of this kind may be registered");
	ASSERT_EQ(0, ret);
	mr = ibv_reg_mr(self->dev.pd, mem.addr, PART, ON_DEMAND);
	ASSERT_TRUE(mr);
	there = start_of(mr);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 100));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&mem);
}

TEST_F(map, revoked_and_destroyed)
{
	struct vt_remote there;
	struct vt_mem mem;
	struct ibv_mr *mr;

	ASSERT_EQ(0, vt_mem_alloc(&mem, variant->kind, PART, 0));
	mr = ibv_reg_mr(self->dev.pd, mem.addr, PART, ON_DEMAND);
	ASSERT_TRUE(mr);
	there = start_of(mr);
	EXPECT_EQ(0, put(self, 0, there, 100));
	ASSERT_EQ(0, vt_mem_revoke(&mem));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 100));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, get(self, 0, there, 100));
	ASSERT_EQ(0, vt_mem_destroy(&mem));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, 0, there, 100));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&mem);
}

static int domain(struct vt_mem *mem)
{
	struct peer_vram_query query = {
		.size = sizeof(query), .handle = mem->handle,
	};

	return ioctl(mem->fd, PEER_VRAM_IOC_QUERY, &query) ? -errno :
							     (int)query.domain;
}

/* @implicit: with an implicit MR, else with an MR over the memory only */
static void run_prefetch(struct __test_metadata *_metadata, map_t *self,
			 const struct vt_mem_kind *kind, bool implicit)
{
	struct ibv_sge sge;
	struct vt_mem mem;
	struct ibv_mr *mr;
	int n;

	if (!kind->move)
		DOES_NOT_APPLY(return, "memory of this kind does not move");
	ASSERT_EQ(0, vt_mem_alloc(&mem, kind, PART, 0));
	ASSERT_EQ(0, vt_mem_move(&mem, false));
	mr = ibv_reg_mr(self->dev.pd, implicit ? NULL : mem.addr,
			implicit ? SIZE_MAX : PART, ON_DEMAND);
	ASSERT_TRUE(mr);
	sge = (struct ibv_sge){ (uintptr_t)mem.addr, PART, mr->lkey };
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, domain(&mem));
	/* This advice does not cause a move. */
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, domain(&mem));
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, domain(&mem));
	ASSERT_EQ(0, vt_mem_move(&mem, false));
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				  0, &sge, 1));
	for (n = 0; n < 500 && domain(&mem) != PEER_VRAM_DOMAIN_VRAM; n++)
		usleep(10000);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, domain(&mem));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	vt_mem_free(&mem);
}

TEST_F(map, prefetch)
{
	run_prefetch(_metadata, self, variant->kind, false);
}

TEST_F(map, prefetch_of_implicit_mr)
{
	run_prefetch(_metadata, self, variant->kind, true);
}

TEST_F(map, prefetch_errors)
{
	struct ibv_sge sge = { (uintptr_t)self->area, SPAN, self->mr->lkey };
	struct ibv_pd *pd = ibv_alloc_pd(self->dev.ctx);
	struct ibv_mr *mr;

	/* The range has a hole. */
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
					IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	sge.length = SPAN + 1;
	EXPECT_EQ(-EFAULT, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
					IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	sge.length = PART;
	EXPECT_EQ(-ENOENT, vt_advise_mr(pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
					IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	sge.lkey = self->local.mr->lkey;
	EXPECT_EQ(-EINVAL, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
					IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	mr = ibv_reg_mr(self->dev.pd, self->area, PART,
			IBV_ACCESS_REMOTE_READ | IBV_ACCESS_ON_DEMAND);
	ASSERT_TRUE(mr);
	sge.lkey = mr->lkey;
	EXPECT_EQ(-EPERM, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
				       IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(0, vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH,
				  IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1));
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	ibv_dealloc_pd(pd);
}

TEST_HARNESS_MAIN
