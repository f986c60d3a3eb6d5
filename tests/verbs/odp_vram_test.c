// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * On-demand MRs over VRAM that becomes unavailable: eviction, swapping, destruction,
 * denied access, unbinding. The bytes are compared after each operation, and counters
 * show that the event under test did happen.
 *
 * squeeze() pins most of the VRAM: SQUEEZE bytes are left.
 */
#include <kselftest_harness.h>

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

#include "../page_size.h"
#include "lib/buf.h"
#include "lib/counters.h"
#include "lib/driver.h"
#include "lib/pattern.h"
#include "lib/proc.h"
#include "lib/raw.h"
#include "odp_vram.h"

#define MIB (1024UL * 1024)
#define PIECE (2 * MIB)
/* What one fault resolves. */
#define ENTRY large_entry_size()
#define SQUEEZE (64 * MIB)
#define LOCAL (64 * 1024)
#define ACCESS (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)
#define TTM_LIMIT "/sys/module/ttm/parameters/pages_limit"
#define PIN_PERCENT "/sys/module/peer_vram/parameters/pin_percent"
#define SCATTER "/sys/module/peer_vram/parameters/scatter"

/* ---- fixture ---- */

FIXTURE(vram)
{
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf local;
	struct vt_buf pinned;
	uint64_t seed;
	int fd;
};

typedef FIXTURE_DATA(vram) vram_t;

FIXTURE_SETUP(vram)
{
	struct vt_pair_opts opts = { 0 };
	const char *path = getenv("PEER_VRAM");

	ASSERT_EQ(0, vt_dev_open(&self->dev));
	ASSERT_EQ(0, vt_pair_open(&self->pair, &self->dev, &opts));
	ASSERT_EQ(0, vt_buf_open(&self->local, &self->dev, &vt_mem_host, LOCAL,
				 NULL));
	self->fd = open(path ? path : "/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->fd);
}

FIXTURE_TEARDOWN(vram)
{
	if (self->pinned.mr)
		EXPECT_EQ(0, vt_buf_close(&self->pinned));
	EXPECT_EQ(0, vt_buf_close(&self->local));
	vt_pair_close(&self->pair);
	vt_dev_close(&self->dev);
	EXPECT_EQ(0, vt_counters_balanced(&vt_mem_vram));
	EXPECT_EQ(0, wait_until_empty(self->fd));
	close(self->fd);
}

static int squeeze(vram_t *self)
{
	struct peer_vram_info now = info(self->fd);

	if (now.vram_size <= SQUEEZE)
		return -EINVAL;
	return vt_buf_open(&self->pinned, &self->dev, &vt_mem_vram_named,
			   now.vram_size - SQUEEZE, NULL);
}

static int open_odp(vram_t *self, struct vt_buf *buf,
		    const struct vt_mem_kind *kind, size_t length)
{
	struct vt_buf_opts opts = { .access = ACCESS };

	return vt_buf_open(buf, &self->dev, kind, length, &opts);
}

/* Reads the bytes at @at into the local buffer, and writes new ones there. */
static int exchange(vram_t *self, struct vt_buf *buf, uint64_t at)
{
	uint32_t length = LOCAL / 2 - 77;
	struct ibv_sge from = vt_sge(&self->local, 0, length);
	struct ibv_sge to = vt_sge(&self->local, LOCAL / 2, length);
	int ret;

	vt_buf_fill(&self->local, ++self->seed);
	memcpy(self->local.shadow + LOCAL / 2, buf->shadow + at, length);
	ret = vt_rdma_read(&self->pair.end[0], &to, 1, vt_remote(buf, at));
	if (ret)
		return ret;
	memcpy(buf->shadow + at, self->local.shadow, length);
	ret = vt_rdma_write(&self->pair.end[0], &from, 1, vt_remote(buf, at));
	if (!ret)
		ret = vt_buf_check_all(&self->local);
	return ret ? ret : vt_buf_check(buf, at, length);
}

/* ---- eviction ---- */

#define MANY 40
#define MANY_SIZE PIECE

/* 32 of the BOs fit. They are used in turn: each access evicts the one least recently used. */
TEST_F_TIMEOUT(vram, every_access_evicts_another, 200)
{
	struct peer_vram_info before, after;
	struct vt_buf buf[MANY];
	long invalidations = 0;
	int i;

	ASSERT_EQ(0, squeeze(self));
	for (i = 0; i < MANY; i++) {
		ASSERT_EQ(0, open_odp(self, &buf[i], &vt_mem_vram_named,
				      MANY_SIZE));
		ASSERT_EQ(0, vt_buf_fill_by_owner(&buf[i], 100 + i));
	}
	for (i = 0; i < 3 * MANY; i++) {
		if (i == MANY)
			invalidations = exporter_counter("num_invalidations");
		before = info(self->fd);
		ASSERT_EQ(0, exchange(self, &buf[i % MANY],
				      (i * 7919 * 4096UL + i) %
				      (MANY_SIZE - LOCAL)));
		after = info(self->fd);
		EXPECT_LT(before.evictions, after.evictions);
		EXPECT_EQ(before.substituted, after.substituted);
		EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf[i % MANY].mem).domain);
		EXPECT_EQ(0, query(&buf[i % MANY].mem).pins);
	}
	EXPECT_LE(invalidations + 2 * MANY,
		  exporter_counter("num_invalidations"));
	for (i = 0; i < MANY; i++) {
		EXPECT_EQ(0, vt_buf_check_all(&buf[i]));
		EXPECT_EQ(0, vt_buf_close(&buf[i]));
	}
}

#define SPAN_BOS 26
#define SPAN_SIZE (12 * MIB)
#define SPAN (SPAN_BOS * SPAN_SIZE)
#define SLOTS (SPAN / PIECE)

/* Maps the BOs next to each other, for one MR over all. */
static int map_span(struct vt_mem *bo, uint8_t *space)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < SPAN_BOS; i++) {
		ret = vt_mem_alloc(&bo[i], &vt_mem_vram_named, SPAN_SIZE, 0);
		if (ret)
			break;
		if (mremap(bo[i].addr, SPAN_SIZE, SPAN_SIZE,
			   MREMAP_MAYMOVE | MREMAP_FIXED,
			   space + i * SPAN_SIZE) == MAP_FAILED)
			ret = -errno;
		bo[i].addr = space + i * SPAN_SIZE;
	}
	return ret;
}

/* Writes stream @slot across the middle of a slot of 2 MiB, or reads and compares it. */
static int span_slot(vram_t *self, struct ibv_mr *mr, unsigned int slot,
		     bool write)
{
	uint64_t at = slot * PIECE + MIB - 1000;
	struct vt_remote remote = { (uintptr_t)mr->addr + at, mr->rkey };
	struct ibv_sge sge = vt_sge(&self->local, 0, LOCAL);
	int ret;

	if (write) {
		vt_buf_fill(&self->local, 1000 + slot);
		return vt_rdma_write(&self->pair.end[0], &sge, 1, remote);
	}
	vt_buf_fill(&self->local, 1);
	ret = vt_rdma_read(&self->pair.end[0], &sge, 1, remote);
	vt_pattern_fill(self->local.shadow, 1000 + slot, 0, LOCAL);
	return ret ? ret : vt_buf_check_all(&self->local);
}

TEST_F_TIMEOUT(vram, mr_larger_than_vram, 200)
{
	struct vt_mem bo[SPAN_BOS];
	struct peer_vram_info before;
	uint8_t *space = mmap(NULL, SPAN, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	struct ibv_mr *mr;
	unsigned int i;

	ASSERT_NE(MAP_FAILED, space);
	ASSERT_EQ(0, squeeze(self));
	ASSERT_EQ(0, map_span(bo, space));
	mr = ibv_reg_mr(self->dev.pd, space, SPAN, ACCESS);
	ASSERT_NE(NULL, mr);
	before = info(self->fd);
	for (i = 0; i < SLOTS; i++)
		ASSERT_EQ(0, span_slot(self, mr, i, true));
	/* Nearly every step accesses another BO. */
	for (i = 0; i < SLOTS / 3; i++)
		ASSERT_EQ(0, span_slot(self, mr, i * 25 % SLOTS, false));
	EXPECT_LT(before.evictions + SPAN_BOS + SLOTS / 4,
		  info(self->fd).evictions);
	EXPECT_EQ(0, ibv_dereg_mr(mr));
	for (i = 0; i < SPAN_BOS; i++)
		vt_mem_free(&bo[i]);
}

/* ---- faults that use system pages ---- */

TEST_F_TIMEOUT(vram, system_pages_if_no_room, 120)
{
	struct vt_buf buf;
	uint64_t before;
	int i;

	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_named, SQUEEZE + PIECE));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&buf, 7));
	ASSERT_EQ(0, exchange(self, &buf, 12345));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf.mem).domain);
	before = info(self->fd).evictions;
	/* Pinning other memory evicts the BO, and leaves no room for a part of it. */
	ASSERT_EQ(0, vt_write_file(PIN_PERCENT, "100"));
	EXPECT_EQ(0, vt_buf_open(&self->pinned, &self->dev, &vt_mem_vram_named,
				 info(self->fd).vram_size - MIB, NULL));
	ASSERT_EQ(0, vt_write_file(PIN_PERCENT, "75"));
	ASSERT_NE(NULL, self->pinned.mr);
	EXPECT_EQ(0, info(self->fd).vram_pinnable);
	EXPECT_LT(before, info(self->fd).evictions);
	before = info(self->fd).substituted;
	for (i = 0; i < 20; i++)
		ASSERT_EQ(0, exchange(self, &buf, i * (3 * MIB) + 4000 + i));
	EXPECT_LT(before, info(self->fd).substituted);
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, query(&buf.mem).domain);
	EXPECT_EQ(-ENOMEM, move(&buf.mem, PEER_VRAM_DOMAIN_VRAM));
	/* Once there is room, it can move back, under the same MR. */
	EXPECT_EQ(0, vt_buf_close(&self->pinned));
	EXPECT_EQ(0, move(&buf.mem, PEER_VRAM_DOMAIN_VRAM));
	before = info(self->fd).substituted;
	EXPECT_EQ(0, exchange(self, &buf, 4711));
	EXPECT_EQ(before, info(self->fd).substituted);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf.mem).domain);
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(vram, in_place_flag)
{
	struct peer_vram_info before, after;
	struct vt_buf buf;

	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_system, PIECE));
	EXPECT_EQ(0, query(&buf.mem).flags & PEER_VRAM_QUERY_IN_PLACE);
	ASSERT_EQ(0, set_flags(&buf.mem, PEER_VRAM_CREATE_IN_PLACE));
	EXPECT_EQ(PEER_VRAM_QUERY_IN_PLACE | PEER_VRAM_QUERY_EXPORTABLE,
		  query(&buf.mem).flags);
	before = info(self->fd);
	EXPECT_EQ(0, exchange(self, &buf, MIB - 9999));
	after = info(self->fd);
	EXPECT_LT(before.substituted, after.substituted);
	EXPECT_EQ(before.moves, after.moves);
	EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM, query(&buf.mem).domain);
	/* The flag holds in the domain to which the user has moved the BO. */
	EXPECT_EQ(0, move(&buf.mem, PEER_VRAM_DOMAIN_VRAM));
	EXPECT_EQ(0, exchange(self, &buf, MIB / 2 - 11));
	EXPECT_EQ(after.substituted, info(self->fd).substituted);
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf.mem).domain);
	/* Without the flag an access moves the BO. */
	EXPECT_EQ(0, move(&buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(0, set_flags(&buf.mem, 0));
	EXPECT_EQ(0, exchange(self, &buf, 3));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf.mem).domain);
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

#define SWAPPED 4
#define SWAPPED_SIZE PIECE

/* Limits the system memory of TTM to @bytes. Return: 0 or -errno. */
static int set_ttm_limit(size_t bytes)
{
	char pages[32];

	snprintf(pages, sizeof(pages), "%zu", bytes / page_size());
	return vt_write_file(TTM_LIMIT, pages);
}

/* TTM's limit has room for one of the BOs: each access swaps another one out. */
TEST_F_TIMEOUT(vram, swapped_out_under_traffic, 120)
{
	struct vt_buf buf[SWAPPED];
	struct peer_vram_info before, after;
	char limit[32] = "";
	int fd = open(TTM_LIMIT, O_RDONLY | O_CLOEXEC);
	long invalidations;
	int i;

	ASSERT_LT(0, read(fd, limit, sizeof(limit) - 1));
	close(fd);
	ASSERT_EQ(0, set_ttm_limit(3 * MIB));
	for (i = 0; i < SWAPPED; i++) {
		ASSERT_EQ(0, open_odp(self, &buf[i], &vt_mem_vram_system,
				      SWAPPED_SIZE));
		ASSERT_EQ(0, set_flags(&buf[i].mem, PEER_VRAM_CREATE_IN_PLACE));
		ASSERT_EQ(0, vt_buf_fill_by_owner(&buf[i], 50 + i));
		EXPECT_EQ(0, exchange(self, &buf[i], 1000 * i));
	}
	invalidations = exporter_counter("num_invalidations");
	for (i = 0; i < 6 * SWAPPED; i++) {
		before = info(self->fd);
		EXPECT_EQ(0, exchange(self, &buf[i % SWAPPED], 50001 * i));
		after = info(self->fd);
		EXPECT_LT(before.swapouts, after.swapouts);
		EXPECT_EQ(PEER_VRAM_DOMAIN_SYSTEM,
			  query(&buf[i % SWAPPED].mem).domain);
	}
	EXPECT_LE(invalidations + 6 * SWAPPED,
		  exporter_counter("num_invalidations"));
	EXPECT_EQ(0, vt_write_file(TTM_LIMIT, limit));
	for (i = 0; i < SWAPPED; i++) {
		EXPECT_EQ(0, vt_buf_check_all(&buf[i]));
		EXPECT_EQ(0, vt_buf_close(&buf[i]));
	}
}

/* ---- destruction and unbinding under traffic ---- */

struct traffic {
	pthread_t thread;
	vram_t *self;
	struct vt_buf *buf;
	atomic_ulong done;
	int status;
};

/* Writes until an error. Each operation has a time limit. */
static void *traffic_run(void *arg)
{
	struct traffic *traffic = arg;
	struct ibv_sge sge = vt_sge(&traffic->self->local, 0, LOCAL);

	do {
		traffic->status = vt_rdma_write(&traffic->self->pair.end[0], &sge,
						1, vt_remote(traffic->buf, 777));
		atomic_fetch_add(&traffic->done, 1);
	} while (!traffic->status);
	return NULL;
}

static int traffic_start(struct traffic *traffic, vram_t *self,
			 struct vt_buf *buf)
{
	int64_t end = vt_now_ms() + VT_TIMEOUT_MS;
	int ret;

	traffic->self = self;
	traffic->buf = buf;
	ret = -pthread_create(&traffic->thread, NULL, traffic_run, traffic);
	while (!ret && atomic_load(&traffic->done) < 20 && vt_now_ms() < end)
		usleep(1000);
	return ret;
}

TEST_F(vram, destroyed_under_traffic)
{
	uint64_t used = info(self->fd).vram_used;
	struct traffic traffic = { 0 };
	struct vt_buf buf;

	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_named, 4 * MIB));
	ASSERT_EQ(0, traffic_start(&traffic, self, &buf));
	EXPECT_EQ(0, vt_mem_destroy(&buf.mem));
	/* The VRAM is free although there is an MR. */
	EXPECT_EQ(used, info(self->fd).vram_used);
	pthread_join(traffic.thread, NULL);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, traffic.status);
	EXPECT_LE(20, traffic.done);
	EXPECT_EQ(0, ibv_dereg_mr(buf.mr));
	buf.mr = NULL;
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(vram, unbound_driver)
{
	struct traffic traffic = { 0 };
	struct vt_driver device;
	struct vt_buf buf;

	ASSERT_EQ(0, vt_driver_find(&device, "/dev/peer_vram0"));
	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_named, 4 * MIB));
	ASSERT_EQ(0, traffic_start(&traffic, self, &buf));
	EXPECT_EQ(0, vt_driver_write(&device, "unbind"));
	pthread_join(traffic.thread, NULL);
	EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, traffic.status);
	EXPECT_EQ(0, vt_buf_close(&buf));
	EXPECT_EQ(0, vt_driver_write(&device, "bind"));
	close(self->fd);
	self->fd = open("/dev/peer_vram0", O_RDWR | O_CLOEXEC);
	EXPECT_LE(0, self->fd);
}

/* ---- denied access, and errors of ioctls ---- */

static int advise(vram_t *self, struct vt_buf *buf)
{
	struct ibv_sge sge = vt_sge(buf, 0, page_size());

	return vt_advise_mr(self->dev.pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			    IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
}

TEST_F(vram, export_denied_later)
{
	struct vt_buf buf;
	int i;

	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_named, 4 * MIB));
	/* Before the first access, and after many. */
	for (i = 0; i < 3; i++) {
		ASSERT_EQ(0, set_flags(&buf.mem, PEER_VRAM_CREATE_NO_EXPORT));
		EXPECT_EQ(0, query(&buf.mem).flags);
		EXPECT_EQ(-EACCES, advise(self, &buf));
		EXPECT_EQ(IBV_WC_REM_ACCESS_ERR, exchange(self, &buf, 12));
		EXPECT_EQ(NULL, ibv_reg_mr(self->dev.pd, buf.mem.addr, 4 * MIB,
					   VT_ACCESS_ALL));
		EXPECT_EQ(EACCES, errno);
		ASSERT_EQ(0, vt_pair_renew(&self->pair));
		/* The same MR works again, with the same keys. */
		ASSERT_EQ(0, set_flags(&buf.mem, 0));
		EXPECT_EQ(0, advise(self, &buf));
		EXPECT_EQ(0, exchange(self, &buf, MIB));
	}
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_F(vram, set_flags_errors)
{
	struct peer_vram_set_flags arg = { .size = sizeof(arg) };
	struct vt_mem mem;

	EXPECT_EQ(-1, ioctl(self->fd, PEER_VRAM_IOC_SET_FLAGS, &arg));
	EXPECT_EQ(ENOENT, errno);
	ASSERT_EQ(0, vt_mem_alloc(&mem, &vt_mem_vram_named, MIB, 0));
	EXPECT_EQ(-EINVAL, set_flags(&mem, PEER_VRAM_CREATE_SYSTEM));
	EXPECT_EQ(-EINVAL, set_flags(&mem, 1U << 31));
	arg.handle = mem.handle;
	arg.reserved = 1;
	EXPECT_EQ(-1, ioctl(mem.fd, PEER_VRAM_IOC_SET_FLAGS, &arg));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, vt_mem_destroy(&mem));
	EXPECT_EQ(-ENODEV, set_flags(&mem, 0));
	vt_mem_free(&mem);
}

/* ---- pinned MRs, contiguous pieces ---- */

TEST_F_TIMEOUT(vram, pinned_and_on_demand_at_once, 120)
{
	struct vt_buf buf, other;
	struct vt_remote there;
	struct ibv_sge sge = vt_sge(&self->local, 0, LOCAL);
	struct ibv_mr *pin;

	ASSERT_EQ(0, squeeze(self));
	EXPECT_EQ(0, vt_buf_close(&self->pinned));
	ASSERT_EQ(0, open_odp(self, &buf, &vt_mem_vram_named, 4 * MIB));
	ASSERT_EQ(0, vt_buf_fill_by_owner(&buf, 3));
	EXPECT_EQ(0, exchange(self, &buf, 5));
	pin = ibv_reg_mr(self->dev.pd, buf.mem.addr, 4 * MIB, VT_ACCESS_ALL);
	ASSERT_NE(NULL, pin);
	EXPECT_EQ(0, exchange(self, &buf, PIECE - 5));
	there = (struct vt_remote){ (uintptr_t)buf.mem.addr + MIB, pin->rkey };
	vt_buf_fill(&self->local, 11);
	memcpy(buf.shadow + MIB, self->local.shadow, LOCAL);
	EXPECT_EQ(0, vt_rdma_write(&self->pair.end[0], &sge, 1, there));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(1, query(&buf.mem).pins);
	EXPECT_EQ(2, query(&buf.mem).regions);
	/* The pin prevents moves by the user, and eviction by other BOs. */
	EXPECT_EQ(-EBUSY, move(&buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	ASSERT_EQ(0, open_odp(self, &other, &vt_mem_vram_named,
			      info(self->fd).vram_size - 4 * MIB));
	EXPECT_EQ(0, exchange(self, &other, 1));
	EXPECT_EQ(PEER_VRAM_DOMAIN_VRAM, query(&buf.mem).domain);
	EXPECT_EQ(0, vt_buf_close(&other));
	EXPECT_EQ(0, exchange(self, &buf, 3 * MIB));
	/* Only the on-demand MR is left: the BO can move again. */
	EXPECT_EQ(0, ibv_dereg_mr(pin));
	EXPECT_EQ(0, query(&buf.mem).pins);
	EXPECT_EQ(0, move(&buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	EXPECT_EQ(0, exchange(self, &buf, 3 * MIB + 17));
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

/* Maps a BO at an address that is aligned to ENTRY, and registers it. */
static int open_aligned(vram_t *self, struct vt_buf *buf)
{
	uint8_t *space = mmap(NULL, 3 * ENTRY, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint8_t *at = (uint8_t *)(((uintptr_t)space + ENTRY - 1) & -ENTRY);
	int ret;

	ret = vt_mem_alloc(&buf->mem, &vt_mem_vram_named, 2 * ENTRY, 0);
	if (ret)
		return ret;
	if (mremap(buf->mem.addr, 2 * ENTRY, 2 * ENTRY,
		   MREMAP_MAYMOVE | MREMAP_FIXED, at) == MAP_FAILED)
		return -errno;
	buf->mem.addr = at;
	buf->iova = (uintptr_t)at;
	buf->shadow = calloc(1, 2 * ENTRY);
	buf->mr = ibv_reg_mr(self->dev.pd, at, 2 * ENTRY, ACCESS);
	return buf->mr && buf->shadow ? 0 : -errno;
}

TEST_F(vram, one_fault_per_contiguous_piece)
{
	struct vt_mr_counters before, after;
	struct vt_block block[64];
	struct vt_buf buf = { 0 };
	long faults;

	ASSERT_EQ(0, vt_write_file(SCATTER, "N"));
	EXPECT_EQ(0, open_aligned(self, &buf));
	ASSERT_EQ(0, vt_write_file(SCATTER, "Y"));
	ASSERT_NE(NULL, buf.mr);
	EXPECT_GE(2, vt_mem_blocks(&buf.mem, block, 64));
	EXPECT_EQ(0, block[0].bar % ENTRY);
	EXPECT_LE(ENTRY, block[0].length);

	faults = exporter_counter("num_faults");
	EXPECT_EQ(0, exchange(self, &buf, 5000));
	EXPECT_EQ(0, exchange(self, &buf, ENTRY - LOCAL));
	EXPECT_EQ(0, exchange(self, &buf, MIB));
	EXPECT_EQ(faults + 1, exporter_counter("num_faults"));
	EXPECT_EQ(0, exchange(self, &buf, ENTRY + 100));
	EXPECT_EQ(faults + 2, exporter_counter("num_faults"));
	/* All pages of both pieces were present. */
	ASSERT_EQ(0, vt_mr_counters_read(&before));
	EXPECT_EQ(0, move(&buf.mem, PEER_VRAM_DOMAIN_SYSTEM));
	ASSERT_EQ(0, vt_mr_counters_read(&after));
	EXPECT_EQ(before.invalidations + 2 * ENTRY / page_size(),
		  after.invalidations);
	EXPECT_EQ(0, vt_buf_check_all(&buf));
	EXPECT_EQ(0, vt_buf_close(&buf));
}

TEST_HARNESS_MAIN
