// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Two invalidations of the same pages. The first is held where it has dropped
 * its locks: between two batches of entries, after all entries are erased,
 * after the wait for the readers of one processor, or after the wait for all
 * readers. A second invalidation then covers pages whose entries the first has
 * already erased. When the second returns, no access may use the old location,
 * although the first is still in progress. The test frees the page or gives it
 * to another process, and then accesses it. Builds with hold points erase in
 * batches of two entries.
 *
 *   first (held)       then                              memory
 *   mmu notifier       mmu notifier                      system
 *   mmu notifier       exporter moves, revokes, or       VRAM
 *                      destroys the BO
 *   exporter moves     access, deregistration, or kill   VRAM, dma-bufs of VRAM
 *                      of the process                    and of an exporter that
 *                                                        checks the old location
 *   mmu notifier       no memory for an entry            all of them
 */
#include <kselftest_harness.h>

#include <sys/mman.h>

#include "page_size.h"
#include "attempt.h"
#include "hold.h"
#include "race.h"
#include "victim.h"
#include "lib/counters.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"

#define PAGE page_size()
#define LARGE (64 * PAGE)	/* four entries of VRAM */
#define BYTES 3000		/* length of an access, in the first page */
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/* ---- accesses to the first page ---- */

static int put(struct vt_link *link)
{
	struct ibv_sge sge = vt_sge(&link->here, 0, BYTES);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

static int get(struct vt_link *link)
{
	struct ibv_sge sge = vt_sge(&link->here, 0, BYTES);

	return vt_rdma_read(&link->pair.end[0], &sge, 1,
			    vt_remote(&link->there, 0));
}

/* Makes all pages present, and the first page a hint on every processor. */
static int warm_up(struct vt_link *link)
{
	struct ibv_sge all = vt_sge(&link->there, 0, link->there.mem.length);
	int i, ret;

	ret = vt_advise_mr(link->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			   IBV_ADVISE_MR_FLAG_FLUSH, &all, 1);
	for (i = 0; i < 50 && !ret; i++)
		ret = put(link);
	memcpy(link->there.shadow, link->here.shadow, BYTES);
	return ret;
}

static int open_warm(struct vt_link *link, const struct vt_mem_kind *kind,
		     size_t length, int access)
{
	int ret = vt_mem_prepare(kind);

	if (!ret)
		ret = vt_link_open(link, kind, length, access, NULL);
	return ret ?: warm_up(link);
}

static int do_put(void *link)
{
	return put(link);
}

static int do_get(void *link)
{
	return get(link);
}

/* Starts the attempt and gives it time to do what must not happen. */
static void go_early(struct attempt *attempt)
{
	attempt_go(attempt);
	usleep(300000);
}

/* ---- the first invalidation, which is held ---- */

static int drop(void *link)
{
	struct vt_mem *mem = &((struct vt_link *)link)->there.mem;

	return madvise(mem->addr, mem->length, MADV_DONTNEED) ? -errno : 0;
}

static int make_read_only(void *link)
{
	struct vt_mem *mem = &((struct vt_link *)link)->there.mem;

	return mprotect(mem->addr, mem->length, PROT_READ) ? -errno : 0;
}

static int unmap_last_page(void *link)
{
	struct vt_mem *mem = &((struct vt_link *)link)->there.mem;

	return munmap(mem->addr + mem->length - PAGE, PAGE) ? -errno : 0;
}

static int move(void *link)
{
	return vt_mem_move(&((struct vt_link *)link)->there.mem, false);
}

/*
 * Starts @first and holds it. Creates the thread of @other before that, because
 * the held call may hold mmap_lock.
 */
static int hold_first(struct attempt *first, const char *point,
		      int (*make)(void *link), struct attempt *other,
		      int (*make_other)(void *link), struct vt_link *link)
{
	int ret = attempt_prepare(other, make_other, link);

	return ret ?: attempt_start(first, point, make, link);
}

static int dereg(void *link)
{
	struct vt_buf *there = &((struct vt_link *)link)->there;
	int ret = vt_dereg_mem(&there->mem, there->mr);

	there->mr = NULL;
	return ret;
}

/*
 * Deregistration waits for the held invalidation, which may still use the umem.
 */
static void against_deregistration(struct __test_metadata *_metadata,
				   struct vt_link *link, const char *point,
				   int (*make)(void *link))
{
	struct attempt first, second;

	ASSERT_EQ(0, hold_first(&first, point, make, &second, dereg, link));
	go_early(&second);
	EXPECT_TRUE(hold_is_held(point));
	EXPECT_EQ(0, attempt_end(&first));
	EXPECT_EQ(0, attempt_join(&second));
}

/* ---- system memory: two mmu notifier events ---- */

FIXTURE(system)
{
	VT_LINK;
	struct attempt first, access;
};

FIXTURE_VARIANT(system)
{
	const char *point;
};

FIXTURE_VARIANT_ADD(system, erase) { .point = "erase" };
FIXTURE_VARIANT_ADD(system, erased) { .point = "erased" };
FIXTURE_VARIANT_ADD(system, waiting) { .point = "waiting" };
FIXTURE_VARIANT_ADD(system, waited) { .point = "waited" };

FIXTURE_SETUP(system)
{
	ASSERT_EQ(0, open_warm(&self->link, &vt_mem_host, SIZE, ACCESS));
}

FIXTURE_TEARDOWN(system)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

/* The file frees the page: a write must not reach it. */
TEST_F_TIMEOUT(system, second_event_then_write, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, drop,
				&self->access, do_put, &self->link));
	ASSERT_EQ(0, madvise(self->there.mem.addr, PAGE, MADV_REMOVE));
	EXPECT_TRUE(hold_is_held(variant->point));
	vt_buf_fill(&self->here, 3);
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&self->access));
	memset(self->there.shadow, 0, PAGE);
	memcpy(self->there.shadow, self->here.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* The file now contains zeros: a read must not return the old data. */
TEST_F_TIMEOUT(system, second_event_then_read, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, drop,
				&self->access, do_get, &self->link));
	ASSERT_EQ(0, madvise(self->there.mem.addr, PAGE, MADV_REMOVE));
	EXPECT_TRUE(hold_is_held(variant->point));
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&self->access));
	memset(self->here.shadow, 0, BYTES);
	EXPECT_EQ(0, vt_buf_check(&self->here, 0, BYTES));
}

TEST_F_TIMEOUT(system, deregistration, 240)
{
	against_deregistration(_metadata, &self->link, variant->point, drop);
}

/* ---- VRAM: an mmu notifier event and the exporter ---- */

FIXTURE(vram)
{
	VT_LINK;
	struct attempt first, access;
	struct victim victim;
	uint64_t bar;
};

FIXTURE_VARIANT(vram)
{
	const char *point;
};

FIXTURE_VARIANT_ADD(vram, erase) { .point = "erase" };
FIXTURE_VARIANT_ADD(vram, erased) { .point = "erased" };
FIXTURE_VARIANT_ADD(vram, waiting) { .point = "waiting" };
FIXTURE_VARIANT_ADD(vram, waited) { .point = "waited" };
FIXTURE_VARIANT_ADD(vram, drop) { .point = "drop" };

FIXTURE_SETUP(vram)
{
	ASSERT_EQ(0, victim_start(&self->victim));
	ASSERT_EQ(0, open_warm(&self->link, &vt_mem_vram, LARGE, ACCESS));
	ASSERT_EQ(0, vram_bar_addr(&self->there.mem, &self->bar));
}

FIXTURE_TEARDOWN(vram)
{
	victim_end(&self->victim);
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

/* Another process owns the old location: it must not be read. */
TEST_F_TIMEOUT(vram, move_then_read, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, make_read_only,
				&self->access, do_get, &self->link));
	ASSERT_EQ(0, vt_mem_move(&self->there.mem, false));
	ASSERT_EQ(0, victim_allocate(&self->victim, self->bar));
	EXPECT_TRUE(hold_is_held(variant->point));
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&self->access));
	memcpy(self->here.shadow, self->there.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check(&self->here, 0, BYTES));
}

/*
 * The old location must not be written. The mapping does not permit writes now.
 */
TEST_F_TIMEOUT(vram, move_then_write, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, make_read_only,
				&self->access, do_put, &self->link));
	ASSERT_EQ(0, vt_mem_move(&self->there.mem, false));
	ASSERT_EQ(0, victim_allocate(&self->victim, self->bar));
	EXPECT_TRUE(hold_is_held(variant->point));
	vt_buf_fill(&self->here, 3);
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_join(&self->access));
	EXPECT_EQ(0, victim_check(&self->victim));
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(vram, destruction, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, make_read_only,
				&self->access, do_put, &self->link));
	ASSERT_EQ(0, vt_mem_destroy(&self->there.mem));
	ASSERT_EQ(0, victim_allocate(&self->victim, self->bar));
	EXPECT_TRUE(hold_is_held(variant->point));
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_join(&self->access));
	EXPECT_EQ(0, victim_check(&self->victim));
}

TEST_F_TIMEOUT(vram, deregistration, 240)
{
	against_deregistration(_metadata, &self->link, variant->point,
			       make_read_only);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* ---- two invalidations end the same region ---- */

FIXTURE(region)
{
	VT_LINK;
	struct attempt first, access;
};

/* @after: status of an access after both invalidations */
FIXTURE_VARIANT(region)
{
	const char *point;
	int (*second)(struct vt_mem *mem);
	int after;
};

#define REGION(_point, _second, _after)					\
	FIXTURE_VARIANT_ADD(region, _point##_##_second)			\
	{								\
		.point = #_point,					\
		.second = vt_mem_##_second,				\
		.after = _after,					\
	}

/* A fault may claim a mapped range again, but not that of a destroyed BO. */
#define REGIONS(_point)							\
	REGION(_point, revoke, IBV_WC_SUCCESS);				\
	REGION(_point, destroy, IBV_WC_REM_ACCESS_ERR)

REGIONS(erase);
REGIONS(erased);
REGIONS(waiting);
REGIONS(waited);
REGIONS(drop);
REGIONS(stop);

FIXTURE_SETUP(region)
{
	ASSERT_EQ(0, open_warm(&self->link, &vt_mem_vram, LARGE, ACCESS));
}

FIXTURE_TEARDOWN(region)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

static int put_at_third_entry(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->here, 0, BYTES);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 2 * SIZE + 100));
}

static int claims(void)
{
	struct vt_counters now;
	int ret = vt_counters_read(&vt_mem_vram, &now);

	return ret ?: (int)now.alloc_mrs;
}

/*
 * munmap of the last page kills the region of all pages. When the second
 * invalidation has returned, the old region must not serve accesses, wherever
 * the first is. An access that succeeds has claimed a new region.
 */
TEST_F_TIMEOUT(region, old_region_not_accessed, 240)
{
	int before = claims();

	ASSERT_LT(0, before);
	ASSERT_EQ(0, hold_first(&self->first, variant->point, unmap_last_page,
				&self->access, put_at_third_entry,
				&self->link));
	ASSERT_EQ(0, variant->second(&self->there.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	go_early(&self->access);
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(variant->after, attempt_join(&self->access));
	if (!variant->after)
		EXPECT_LT(before, claims());
}

/* ---- two invalidations revoke pinned memory ---- */

FIXTURE(pinned)
{
	VT_LINK;
	struct attempt first, access;
};

FIXTURE_VARIANT(pinned)
{
	const char *point;
};

FIXTURE_VARIANT_ADD(pinned, erased) { .point = "erased" };
FIXTURE_VARIANT_ADD(pinned, waiting) { .point = "waiting" };
FIXTURE_VARIANT_ADD(pinned, waited) { .point = "waited" };
FIXTURE_VARIANT_ADD(pinned, drop) { .point = "drop" };
FIXTURE_VARIANT_ADD(pinned, stop) { .point = "stop" };

FIXTURE_SETUP(pinned)
{
	int i;

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_vram, LARGE, 0, NULL));
	for (i = 0; i < 50; i++)
		ASSERT_EQ(0, put(&self->link));
}

FIXTURE_TEARDOWN(pinned)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
}

TEST_F_TIMEOUT(pinned, revocation, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, unmap_last_page,
				&self->access, do_put, &self->link));
	ASSERT_EQ(0, vt_mem_revoke(&self->there.mem));
	EXPECT_TRUE(hold_is_held(variant->point));
	attempt_go(&self->access);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, attempt_join(&self->access));
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->first));
}

TEST_F_TIMEOUT(pinned, deregistration, 240)
{
	against_deregistration(_metadata, &self->link, variant->point,
			       unmap_last_page);
}

/* ---- the exporter alone, without an mmu notifier event ---- */

FIXTURE(exporter)
{
	VT_LINK;
	struct attempt first, access;
};

FIXTURE_VARIANT(exporter)
{
	const struct vt_mem_kind *kind;
	const char *point;
};

#define EXPORTER(_kind, _point)						\
	FIXTURE_VARIANT_ADD(exporter, _kind##_##_point)			\
	{								\
		.kind = &vt_mem_##_kind,				\
		.point = #_point,					\
	}

#define EXPORTERS(_point)						\
	EXPORTER(vram, _point);						\
	EXPORTER(vram_dmabuf, _point);					\
	EXPORTER(moving, _point);					\
	EXPORTER(iomem, _point)

EXPORTERS(erase);
EXPORTERS(erased);
EXPORTERS(waiting);
EXPORTERS(waited);

FIXTURE_SETUP(exporter)
{
	const struct vt_mem_kind *kind = variant->kind;

	ASSERT_EQ(0, open_warm(&self->link, kind, LARGE,
			       kind == &vt_mem_vram ? ACCESS : 0));
}

FIXTURE_TEARDOWN(exporter)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

/*
 * Data written during the move is moved, or the write waits. Data written after
 * the move goes to the new location.
 */
TEST_F_TIMEOUT(exporter, write_during_move, 240)
{
	ASSERT_EQ(0, hold_first(&self->first, variant->point, move,
				&self->access, do_put, &self->link));
	vt_buf_fill(&self->here, 3);
	go_early(&self->access);
	EXPECT_TRUE(hold_is_held(variant->point));
	EXPECT_EQ(0, attempt_end(&self->first));
	EXPECT_EQ(0, attempt_join(&self->access));
	memcpy(self->there.shadow, self->here.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
	vt_buf_fill(&self->here, 4);
	EXPECT_EQ(0, put(&self->link));
	memcpy(self->there.shadow, self->here.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_F_TIMEOUT(exporter, deregistration, 240)
{
	against_deregistration(_metadata, &self->link, variant->point, move);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

/* ---- no memory for an entry ---- */

FIXTURE(nomem)
{
	VT_LINK;
	struct attempt first;
};

FIXTURE_VARIANT(nomem)
{
	const struct vt_mem_kind *kind;
};

FIXTURE_VARIANT_ADD(nomem, host) { .kind = &vt_mem_host };
FIXTURE_VARIANT_ADD(nomem, vram) { .kind = &vt_mem_vram };
FIXTURE_VARIANT_ADD(nomem, vram_dmabuf) { .kind = &vt_mem_vram_dmabuf };
FIXTURE_VARIANT_ADD(nomem, moving) { .kind = &vt_mem_moving };

FIXTURE_SETUP(nomem)
{
	const struct vt_mem_kind *kind = variant->kind;
	bool dmabuf = kind == &vt_mem_vram_dmabuf || kind == &vt_mem_moving;

	ASSERT_EQ(0, vt_mem_prepare(kind));
	ASSERT_EQ(0, vt_link_open(&self->link, kind, LARGE,
				  dmabuf ? 0 : ACCESS, NULL));
	ASSERT_EQ(0, attempt_start(&self->first, "nomem", do_get,
				   &self->link));
}

FIXTURE_TEARDOWN(nomem)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
	EXPECT_EQ(0, vt_counters_balanced(variant->kind));
}

static int leave(struct vt_mem *mem)
{
	if (mem->kind != &vt_mem_host)
		return vt_mem_move(mem, false);
	return madvise(mem->addr, mem->length, MADV_REMOVE) ? -errno : 0;
}

/*
 * The pages are invalidated while the fault allocates memory for their entries:
 * the result of resolve is stale.
 */
TEST_F_TIMEOUT(nomem, invalidation, 240)
{
	ASSERT_EQ(0, leave(&self->there.mem));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&self->there, 3));
	EXPECT_TRUE(hold_is_held("nomem"));
	EXPECT_EQ(0, attempt_end(&self->first));
	memcpy(self->here.shadow, self->there.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check(&self->here, 0, BYTES));
}

/* The pages stay: the fault stores their entries when it retries. */
TEST_F_TIMEOUT(nomem, retry, 240)
{
	EXPECT_EQ(0, attempt_end(&self->first));
	memcpy(self->here.shadow, self->there.shadow, BYTES);
	EXPECT_EQ(0, vt_buf_check(&self->here, 0, BYTES));
}

/* ---- an invalidation that erases nothing does not wait for readers ---- */

FIXTURE(no_entries)
{
	VT_LINK;
	struct ibv_mr *all;
	uint8_t *room, *other;
};

#define ROOM (8 << 20)

FIXTURE_SETUP(no_entries)
{
	struct vt_buf *there = &self->there;

	ASSERT_EQ(0, vt_link_open(&self->link, &vt_mem_host, SIZE, ACCESS,
				  NULL));
	/* An implicit MR registers the same memory. */
	self->all = ibv_reg_mr(self->dev.pd, NULL, SIZE_MAX, ACCESS);
	ASSERT_NE(NULL, self->all);
	ASSERT_EQ(0, ibv_dereg_mr(there->mr));
	there->mr = self->all;
	/*
	 * A fault may fault in adjacent pages: this range is far from all
	 * others.
	 */
	self->room = mmap(NULL, ROOM, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)self->room);
	self->other = self->room + ROOM / 2;
	memset(self->other, 1, SIZE);
	ASSERT_EQ(0, warm_up(&self->link));
}

FIXTURE_TEARDOWN(no_entries)
{
	munmap(self->room, ROOM);
	EXPECT_EQ(0, vt_link_close(&self->link));
}

TEST_F(no_entries, readers_not_waited_for)
{
	struct vt_mem *mem = &self->there.mem;
	int before = hold_count("waiting");

	ASSERT_LE(0, before);
	ASSERT_EQ(0, madvise(self->other, SIZE, MADV_DONTNEED));
	EXPECT_EQ(before, hold_count("waiting"));
	/*
	 * Waits once when it erases entries, and not again when none are left.
	 */
	ASSERT_EQ(0, madvise(mem->addr, SIZE, MADV_DONTNEED));
	EXPECT_LT(before, hold_count("waiting"));
	before = hold_count("waiting");
	ASSERT_EQ(0, madvise(mem->addr, SIZE, MADV_DONTNEED));
	EXPECT_EQ(before, hold_count("waiting"));
}

/* ---- two invalidations and a reader that both wait for ---- */

FIXTURE(reader)
{
	VT_LINK;
	struct attempt access;
};

FIXTURE_SETUP(reader)
{
	ASSERT_EQ(0, open_warm(&self->link, &vt_mem_host, SIZE, ACCESS));
	vt_buf_fill(&self->here, 3);
}

FIXTURE_TEARDOWN(reader)
{
	EXPECT_EQ(0, vt_link_close(&self->link));
}

/* One packet, so that the held reader writes all of it. */
static int put_packet(void *arg)
{
	struct vt_link *link = arg;
	struct ibv_sge sge = vt_sge(&link->here, 0, 1000);

	return vt_rdma_write(&link->pair.end[0], &sge, 1,
			     vt_remote(&link->there, 0));
}

TEST_F_TIMEOUT(reader, both_wait, 60)
{
	struct attempt first;

	ASSERT_EQ(0, attempt_prepare(&self->access, put_packet, &self->link));
	ASSERT_EQ(0, attempt_prepare(&first, drop, &self->link));
	ASSERT_EQ(0, hold_arm("copy", HOLD_SPIN));
	attempt_go(&self->access);
	ASSERT_EQ(0, hold_wait("copy"));
	attempt_go(&first);
	ASSERT_EQ(0, madvise(self->there.mem.addr, PAGE, MADV_REMOVE));
	EXPECT_FALSE(hold_is_held("copy"));
	EXPECT_EQ(0, attempt_join(&self->access));
	EXPECT_EQ(0, attempt_join(&first));
	/* MADV_REMOVE has removed the data from the file. */
	memset(self->there.shadow, 0, PAGE);
	EXPECT_EQ(0, vt_buf_check_all(&self->there));
}

TEST_HARNESS_MAIN
