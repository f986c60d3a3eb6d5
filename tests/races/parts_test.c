// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * An exporter that resolves each page separately and moves single pages
 * (tests/kmod/peer_test_parts.c). The test uses its dma-buf, so that only the
 * exporter reports a move. Three rules are tested. An entry that covers all
 * pages is replaced by an entry of one page with more rights. A page that
 * resolve omits is absent. A move of some pages invalidates only those pages.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <sys/ioctl.h>

#include "../kmod/peer_test_parts.h"
#include "page_size.h"
#include "attempt.h"
#include "hold.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define LENGTH PEER_TEST_PARTS_LENGTH
#define PAGES (LENGTH / PAGE)

FIXTURE(parts)
{
	struct vt_dev dev;
	struct vt_pair pair[2];
	struct vt_buf here;	/* as long as the remote buffer */
	struct ibv_mr there;
	uint8_t *shadow;	/* expected content of the remote buffer */
	int fd, dmabuf;
};

typedef FIXTURE_DATA(parts) parts_t;

static int owner_rw(parts_t *self, uint32_t offset, void *buffer,
		    uint32_t length, bool write)
{
	struct peer_test_parts_rw rw = {
		.offset = offset,
		.length = length,
		.buffer = (uintptr_t)buffer,
		.write = write,
	};

	return ioctl(self->fd, PEER_TEST_PARTS_RW, &rw) ? -errno : 0;
}

static int pages(parts_t *self, unsigned long request, uint32_t first,
		 uint32_t count)
{
	struct peer_test_parts_range range = { first, count };

	return ioctl(self->fd, request, &range) ? -errno : 0;
}

FIXTURE_SETUP(parts)
{
	int i;

	if (!vt_module_is_loaded("peer_test_parts"))
		ASSERT_EQ(0, vt_insmod_test("peer_test_parts.ko", ""));
	ASSERT_EQ(0, vt_dev_open(&self->dev));
	for (i = 0; i < 2; i++)
		ASSERT_EQ(0, vt_pair_open(&self->pair[i], &self->dev, NULL));
	ASSERT_EQ(0, vt_buf_open(&self->here, &self->dev, &vt_mem_host, LENGTH,
				 NULL));
	vt_buf_fill(&self->here, 1);
	self->fd = open("/dev/peer_test_parts", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
	self->dmabuf = ioctl(self->fd, PEER_TEST_PARTS_EXPORT);
	ASSERT_LE(0, self->dmabuf);
	self->shadow = malloc(LENGTH);
	ASSERT_NE(NULL, self->shadow);
	vt_pattern_fill(self->shadow, 2, 0, LENGTH);
	ASSERT_EQ(0, owner_rw(self, 0, self->shadow, LENGTH, true));
	ASSERT_EQ(0, vt_reg_dmabuf_mr(&self->there, self->dev.pd, 0, LENGTH, 0,
				      self->dmabuf, VT_ACCESS_DMABUF));
}

FIXTURE_TEARDOWN(parts)
{
	int i;

	EXPECT_EQ(0, ioctl(self->fd, PEER_TEST_PARTS_WRONG));
	EXPECT_EQ(0, vt_dereg_dmabuf_mr(&self->there));
	EXPECT_EQ(0, vt_buf_close(&self->here));
	close(self->dmabuf);
	close(self->fd);
	free(self->shadow);
	for (i = 0; i < 2; i++)
		vt_pair_close(&self->pair[i]);
	vt_dev_close(&self->dev);
}

/* ---- data ---- */

static int get(parts_t *self, struct vt_pair *pair, uint64_t at,
	       uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, at, length);
	struct vt_remote from = { at, self->there.rkey };
	int ret = vt_rdma_read(&pair->end[0], &sge, 1, from);

	if (ret > 0)
		vt_pair_renew(pair);
	memcpy(self->here.shadow + at, self->shadow + at, ret ? 0 : length);
	return ret ? ret : vt_buf_check(&self->here, at, length);
}

static int put(parts_t *self, struct vt_pair *pair, uint64_t at,
	       uint32_t length)
{
	struct ibv_sge sge = vt_sge(&self->here, at, length);
	struct vt_remote to = { at, self->there.rkey };
	int ret = vt_rdma_write(&pair->end[0], &sge, 1, to);

	if (ret > 0)
		vt_pair_renew(pair);
	memcpy(self->shadow + at, self->here.shadow + at, ret ? 0 : length);
	return ret;
}

/* Compares all data, read through the exporter. */
static int check_all(parts_t *self)
{
	uint8_t *have = malloc(LENGTH);
	int ret = have ? owner_rw(self, 0, have, LENGTH, false) : -ENOMEM;

	if (!ret && memcmp(have, self->shadow, LENGTH))
		ret = -EILSEQ;
	free(have);
	return ret;
}

/* ---- an entry of all pages and an entry of one page ---- */

TEST_F_TIMEOUT(parts, one_writable_page, 60)
{
	struct vt_pair *pair = &self->pair[0];

	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_PROTECT, 0, PAGES));
	EXPECT_EQ(0, get(self, pair, 0, LENGTH));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, pair, 7 * PAGE, 100));
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_PERMIT, 7, 1));
	EXPECT_EQ(0, put(self, pair, 7 * PAGE + 5, PAGE - 5));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, pair, 8 * PAGE - 5, 10));
	EXPECT_EQ(0, get(self, pair, 0, LENGTH));
	/* Only this page is at another location. */
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, 7, 1));
	EXPECT_EQ(0, put(self, pair, 7 * PAGE + 9, PAGE - 9));
	EXPECT_EQ(0, get(self, pair, 0, LENGTH));
	EXPECT_EQ(0, check_all(self));
}

/* Runs of pages, with a page at another location between them. */
TEST_F_TIMEOUT(parts, scattered_pages, 60)
{
	struct vt_pair *pair = &self->pair[0];
	uint32_t page;

	for (page = 3; page < PAGES; page += 37)
		ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, page, 1));
	EXPECT_EQ(0, put(self, pair, 1, LENGTH - 2));
	EXPECT_EQ(0, get(self, pair, 0, LENGTH));
	EXPECT_EQ(0, check_all(self));
}

/* ---- partial moves ---- */

TEST_F_TIMEOUT(parts, partial_moves, 60)
{
	const struct peer_test_parts_range moves[] = {
		{ 0, 1 }, { PAGES - 1, 1 }, { 15, 2 }, { 100, 1 }, { 99, 3 },
		{ PAGES / 2, PAGES / 2 }, { 0, PAGES }, { 1, PAGES - 2 },
	};
	struct vt_pair *pair = &self->pair[0];
	size_t i;

	for (i = 0; i < sizeof(moves) / sizeof(moves[0]); i++) {
		uint64_t first = moves[i].first * PAGE;
		uint64_t last = first + (moves[i].count - 1) * PAGE;

		ASSERT_EQ(0, put(self, pair, 0, LENGTH));
		ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, moves[i].first,
				   moves[i].count));
		vt_buf_fill(&self->here, 10 + i);
		/*
		 * Access the last and first page only: a fault could also map
		 * pages between them.
		 */
		EXPECT_EQ(0, put(self, pair, last + 11, 1000));
		EXPECT_EQ(0, put(self, pair, first + 11, 1000));
		EXPECT_EQ(0, get(self, pair, first, PAGE));
		EXPECT_EQ(0, check_all(self));
	}
}

/* Pages that did not move are still mapped. */
TEST_F_TIMEOUT(parts, other_pages_stay, 60)
{
	struct vt_mr_counters before, after;
	struct vt_pair *pair = &self->pair[0];

	/* One entry for each page: a larger entry is invalidated as a whole. */
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_PROTECT, 0, PAGES));
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, 64, 1));
	ASSERT_EQ(0, get(self, pair, 0, LENGTH));
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, 30, 4));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.invalidations + 4, after.invalidations);
	ASSERT_EQ(0, get(self, pair, 0, 30 * PAGE));
	ASSERT_EQ(0, get(self, pair, 34 * PAGE, LENGTH - 34 * PAGE));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.faults, after.faults);
}

/* ---- omitted pages ---- */

/* The access fails soon, and does not retry until the deadline. */
TEST_F_TIMEOUT(parts, omitted_page, 60)
{
	struct vt_pair *pair = &self->pair[0];
	int64_t begin;

	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_OMIT, 20, 1));
	EXPECT_EQ(0, put(self, pair, 0, 20 * PAGE));
	EXPECT_EQ(0, put(self, pair, 21 * PAGE, 20 * PAGE));
	begin = vt_now_ms();
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, put(self, pair, 20 * PAGE, 100));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, get(self, pair, 19 * PAGE, 3 * PAGE));
	EXPECT_GT(10000, vt_now_ms() - begin);
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_INCLUDE, 20, 1));
	EXPECT_EQ(0, put(self, pair, 20 * PAGE, 100));
	EXPECT_EQ(0, check_all(self));
}

/* ---- stale results ---- */

static int do_get(void *self)
{
	return get(self, &((parts_t *)self)->pair[0], 100, 200);
}

/*
 * The exporter revokes the memory after it has resolved: the result is not
 * used.
 */
TEST_F_TIMEOUT(parts, revoked_after_resolve, 60)
{
	struct attempt reader;

	ASSERT_EQ(0, attempt_start(&reader, "resolved", do_get, self));
	ASSERT_EQ(0, ioctl(self->fd, PEER_TEST_PARTS_REVOKE));
	EXPECT_TRUE(hold_is_held("resolved"));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_end(&reader));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, get(self, &self->pair[0], 100, 200));
}

/* The exporter moves the page after it has resolved: the fault retries. */
TEST_F_TIMEOUT(parts, moved_after_resolve, 60)
{
	struct attempt reader;

	ASSERT_EQ(0, attempt_start(&reader, "resolved", do_get, self));
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_MOVE, 0, 1));
	EXPECT_TRUE(hold_is_held("resolved"));
	EXPECT_EQ(0, attempt_end(&reader));
	EXPECT_EQ(0, put(self, &self->pair[0], 100, 200));
	EXPECT_EQ(0, check_all(self));
}

/* ---- no memory for an entry after a larger entry was erased ---- */

static int do_put(void *self)
{
	return put(self, &((parts_t *)self)->pair[1], 7 * PAGE, 100);
}

static int do_move(void *self)
{
	return pages(self, PEER_TEST_PARTS_MOVE, 0, 1);
}

/*
 * A reader uses the entry of all pages. A fault erases that entry to store one
 * of another page, and then finds no memory. A move of the page that is being
 * read must wait for the reader, although the page has no entry any more.
 */
TEST_F_TIMEOUT(parts, no_memory_after_erase, 60)
{
	struct attempt reader, writer, mover;

	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_PROTECT, 0, PAGES));
	ASSERT_EQ(0, get(self, &self->pair[0], 100, 200));
	ASSERT_EQ(0, pages(self, PEER_TEST_PARTS_PERMIT, 7, 1));
	ASSERT_EQ(0, attempt_prepare(&reader, do_get, self));
	ASSERT_EQ(0, attempt_prepare(&writer, do_put, self));
	ASSERT_EQ(0, attempt_prepare(&mover, do_move, self));
	ASSERT_EQ(0, hold_arm("nomem", HOLD_LONG));
	ASSERT_EQ(0, hold_arm("copy", 10 * HOLD_SPIN));
	attempt_go(&reader);
	ASSERT_EQ(0, hold_wait("copy"));
	attempt_go(&writer);
	usleep(500000);
	attempt_go(&mover);
	EXPECT_EQ(0, attempt_join(&mover));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_EQ(0, hold_wait("nomem"));
	EXPECT_EQ(0, hold_release("nomem"));
	EXPECT_EQ(0, attempt_join(&writer));
	EXPECT_EQ(0, attempt_join(&reader));
	EXPECT_EQ(0, check_all(self));
}

TEST_HARNESS_MAIN
