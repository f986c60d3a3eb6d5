// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Data that an operation writes into a page of system memory is not lost when the
 * kernel reclaims the page. In the CPU's page table the page may be writable and
 * clean, so only the importer can mark it dirty.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define PAGE page_size()
#define PAGES 64
#define SIZE (PAGES * PAGE)

struct memory;

FIXTURE(dirty)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	char path[256];
	int file;		/* -1: anonymous memory */
	uint8_t *addr;
	uint8_t *want;
	struct ibv_mr *mr;
};

typedef FIXTURE_DATA(dirty) dirty_t;

/*
 * @make:  maps self->addr, and fills it with self->want
 * @clean: faults the pages into the MR and cleans them; the CPU may still write them
 */
FIXTURE_VARIANT(dirty)
{
	int (*make)(dirty_t *self);
	int (*clean)(dirty_t *self);
};

/* ---- memory ---- */

static int map(dirty_t *self, int flags)
{
	self->addr = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, flags, self->file,
			  0);
	if (self->addr == MAP_FAILED)
		return -errno;
	/* The tests clean and reclaim single pages. */
	madvise(self->addr, SIZE, MADV_NOHUGEPAGE);
	return 0;
}

static int get_all(dirty_t *self)
{
	struct ibv_sge sge = vt_sge(&self->local, 0, SIZE);
	struct vt_remote from = { (uintptr_t)self->addr, self->mr->rkey };

	return vt_rdma_read(&self->pair.end[0], &sge, 1, from);
}

static int pageout(dirty_t *self)
{
	return madvise(self->addr, SIZE, MADV_PAGEOUT) ? -errno : 0;
}

/* A hole in the file: the page cache gets zero-filled pages. */
static int make_hole(dirty_t *self)
{
	self->file = memfd_create("dirty", MFD_CLOEXEC);
	if (self->file < 0 || ftruncate(self->file, SIZE))
		return -errno;
	return map(self, MAP_SHARED);
}

static int make_anonymous(dirty_t *self)
{
	int ret = map(self, MAP_PRIVATE | MAP_ANONYMOUS);

	if (ret)
		return ret;
	vt_pattern_fill(self->want, 3, 0, SIZE);
	memcpy(self->addr, self->want, SIZE);
	return 0;
}

static int make_file(dirty_t *self)
{
	self->file = open(self->path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC,
			  0600);
	if (self->file < 0)
		return -errno;
	vt_pattern_fill(self->want, 3, 0, SIZE);
	if (write(self->file, self->want, SIZE) != (ssize_t)SIZE ||
	    fsync(self->file))
		return -EIO;
	return map(self, MAP_SHARED);
}

/* The kernel may drop the bytes of a page unless it is written again. */
static int free_lazily(dirty_t *self)
{
	int ret = get_all(self);

	if (!ret && madvise(self->addr, SIZE, MADV_FREE))
		ret = -errno;
	return ret;
}

/* The pages equal their copies in the swap space: a READ does not change them. */
static int swap_in(dirty_t *self)
{
	int ret = pageout(self);

	return ret ? ret : get_all(self);
}

static int write_back(dirty_t *self)
{
	int ret = get_all(self);

	if (!ret && fsync(self->file))
		ret = -errno;
	return ret;
}

FIXTURE_VARIANT_ADD(dirty, hole) { .make = make_hole, .clean = get_all };
FIXTURE_VARIANT_ADD(dirty, freed) {
	.make = make_anonymous, .clean = free_lazily
};
FIXTURE_VARIANT_ADD(dirty, swapped) { .make = make_anonymous, .clean = swap_in };
FIXTURE_VARIANT_ADD(dirty, file) { .make = make_file, .clean = write_back };

FIXTURE_SETUP(dirty)
{
	self->file = -1;
	snprintf(self->path, sizeof(self->path), "%s/dirty",
		 getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, SIZE,
				 NULL));
	self->want = calloc(1, SIZE);
	ASSERT_NE(NULL, self->want);
	ASSERT_EQ(0, variant->make(self));
	self->mr = ibv_reg_mr(self->dev.pd, self->addr, SIZE,
			      VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND);
	ASSERT_NE(NULL, self->mr);
}

FIXTURE_TEARDOWN(dirty)
{
	EXPECT_EQ(0, ibv_dereg_mr(self->mr));
	munmap(self->addr, SIZE);
	if (self->file >= 0)
		close(self->file);
	unlink(self->path);
	free(self->want);
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
}

/* ---- operations that write into every page, and into self->want ---- */

static struct vt_remote at(dirty_t *self, uint64_t offset)
{
	return (struct vt_remote){
		(uintptr_t)self->addr + offset, self->mr->rkey
	};
}

static struct ibv_sge all(dirty_t *self)
{
	return (struct ibv_sge){ (uintptr_t)self->addr, SIZE, self->mr->lkey };
}

/* New bytes in the local buffer, and in self->want. */
static struct ibv_sge fresh(dirty_t *self)
{
	vt_buf_fill(&self->local, 5);
	memcpy(self->want, self->local.shadow, SIZE);
	return vt_sge(&self->local, 0, SIZE);
}

static int by_write(dirty_t *self)
{
	struct ibv_sge sge = fresh(self);

	return vt_rdma_write(&self->pair.end[0], &sge, 1, at(self, 0));
}

/* Writes into the memory of the requester. */
static int by_read(dirty_t *self)
{
	struct ibv_sge sge = all(self);

	fresh(self);
	return vt_rdma_read(&self->pair.end[0], &sge, 1,
			    vt_remote(&self->local, 0));
}

static int by_receive(dirty_t *self)
{
	struct ibv_sge from = fresh(self), to = all(self);
	struct ibv_wc wc;

	return vt_send_recv(&self->pair, &from, 1, &to, 1, &wc);
}

/*
 * Changes a word of each page. @change: operation; *@word: value of the word before
 * it, and, on return, after it. Return: the status.
 */
static int each_word(dirty_t *self,
		     int (*change)(dirty_t *self, uint64_t offset,
				   uint64_t *word))
{
	uint64_t offset, word;
	int ret = 0;

	for (offset = 8; !ret && offset < SIZE; offset += PAGE) {
		memcpy(&word, self->want + offset, 8);
		ret = change(self, offset, &word);
		memcpy(self->want + offset, &word, 8);
	}
	return ret;
}

static int add(dirty_t *self, uint64_t offset, uint64_t *word)
{
	struct ibv_sge result = vt_sge(&self->local, 0, 8);

	*word += 77;
	return vt_fetch_add(&self->pair.end[0], &result, at(self, offset), 77);
}

static int swap(dirty_t *self, uint64_t offset, uint64_t *word)
{
	struct ibv_sge result = vt_sge(&self->local, 0, 8);
	uint64_t compare = *word;

	*word = ~*word;
	return vt_cmp_swap(&self->pair.end[0], &result, at(self, offset),
			   compare, *word);
}

static int store(dirty_t *self, uint64_t offset, uint64_t *word)
{
	*word ^= 0x0123456789abcdefULL;
	return vt_atomic_write(&self->pair.end[0], at(self, offset), *word);
}

static int by_fetch_add(dirty_t *self)
{
	return each_word(self, add);
}

static int by_cmp_swap(dirty_t *self)
{
	return each_word(self, swap);
}

static int by_atomic_write(dirty_t *self)
{
	return each_word(self, store);
}

/* ---- reclaim ---- */

/* Number of pages that are present in the CPU's page table, or -errno. */
static int count_mapped(dirty_t *self)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	off_t at = (uintptr_t)self->addr / PAGE * 8;
	uint64_t pages[PAGES];
	int i, count = 0;

	if (fd < 0)
		return -errno;
	if (pread(fd, pages, sizeof(pages), at) != sizeof(pages))
		count = -EIO;
	close(fd);
	for (i = 0; i < PAGES && count >= 0; i++)
		count += pages[i] >> 63;
	return count;
}

/*
 * Unmaps the pages, and reclaims those that are clean. A page that was written after
 * MADV_FREE is reclaimed only by the second attempt. Return: 0, -EBUSY if most pages
 * are still mapped, or another -errno.
 */
static int reclaim(dirty_t *self)
{
	int ret = self->file >= 0 && fsync(self->file) ? -errno : 0;

	if (!ret)
		ret = pageout(self);
	if (!ret)
		ret = pageout(self);
	if (!ret)
		ret = vt_write_file("/proc/sys/vm/drop_caches", "3");
	if (!ret)
		ret = count_mapped(self);
	return ret > PAGES / 2 ? -EBUSY : ret < 0 ? ret : 0;
}

static void run(struct __test_metadata *_metadata, dirty_t *self,
		int (*clean)(dirty_t *self), int (*operation)(dirty_t *self))
{
	ASSERT_EQ(0, clean(self));
	ASSERT_EQ(0, operation(self));
	ASSERT_EQ(0, reclaim(self));
	EXPECT_EQ(-1, vt_first_diff(self->addr, self->want, SIZE));

	/* The same, with a write before the pages are cleaned. */
	ASSERT_EQ(0, operation(self));
	ASSERT_EQ(0, clean(self));
	ASSERT_EQ(0, operation(self));
	ASSERT_EQ(0, reclaim(self));
	EXPECT_EQ(-1, vt_first_diff(self->addr, self->want, SIZE));
}

#define DIRTY_TEST(name)						\
	TEST_F_TIMEOUT(dirty, name, 60)					\
	{								\
		run(_metadata, self, variant->clean, by_##name);	\
	}

DIRTY_TEST(write)
DIRTY_TEST(read)
DIRTY_TEST(receive)
DIRTY_TEST(fetch_add)
DIRTY_TEST(cmp_swap)
DIRTY_TEST(atomic_write)

TEST_HARNESS_MAIN
