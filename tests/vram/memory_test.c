// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The data of BOs: unchanged by moves, evictions and swapping, also under
 * concurrent access, and zeroed before a BO reuses the memory. Patterns differ in
 * every 8-byte word of every BO, so that misplaced data is detected.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kselftest_harness.h"
#include "vram.h"

#define RW (PROT_READ | PROT_WRITE)
#define SYSTEM PEER_VRAM_DOMAIN_SYSTEM
#define VRAM PEER_VRAM_DOMAIN_VRAM

FIXTURE(memory) {
	int fd;
	struct peer_vram_info info;	/* before the test */
};

FIXTURE_SETUP(memory)
{
	ASSERT_EQ(0, vram_wait_empty(10));
	self->fd = vram_open(O_RDWR);
	ASSERT_LE(0, self->fd);
	ASSERT_EQ(0, vram_info(self->fd, &self->info));
}

/* Runs in the parent, so it checks for leaks even if the test crashed. */
FIXTURE_TEARDOWN_PARENT(memory)
{
	EXPECT_EQ(0, vram_wait_empty(20));
}

static uint32_t domain_of(int fd, uint32_t handle)
{
	struct peer_vram_query query;

	return vram_query(fd, handle, &query) ? UINT32_MAX : query.domain;
}

/* ---- one BO ----------------------------------------------------------- */

/* The order of perftest: open, map, close, use, unmap. */
TEST_F(memory, plain_mmap)
{
	size_t length = 3 * MIB + PAGE;
	int fd = vram_open(O_RDWR);
	struct peer_vram_info info;
	void *map;

	map = mmap(NULL, length, RW, MAP_SHARED, fd, 0);
	ASSERT_NE(MAP_FAILED, map);
	close(fd);
	EXPECT_EQ(-1, zero_check(map, length));
	pattern_fill(map, length, 1, 0);
	EXPECT_EQ(-1, pattern_check(map, length, 1, 0));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(1, info.objects);
	EXPECT_EQ(3 * MIB + info.block_size, info.vram_used);
	EXPECT_EQ(0, munmap(map, length));
	EXPECT_EQ(0, vram_wait_empty(10));
}

TEST_F(memory, explicit_moves)
{
	size_t length = 5 * MIB + 3 * PAGE;
	struct peer_vram_info info;
	char *copy = malloc(length);
	uint32_t handle;
	void *map;
	int i;

	map = vram_make_filled(self->fd, length, 0, 1, &handle);
	ASSERT_NE(NULL, map);
	for (i = 0; i < 6; i++) {
		ASSERT_EQ(0, vram_move(self->fd, handle, i % 2));
		EXPECT_EQ(i % 2, domain_of(self->fd, handle));
		EXPECT_EQ(-1, pattern_check(map, length, 1, 0));
		memset(copy, 0, length);
		ASSERT_EQ(0, vram_read(self->fd, handle, 0, copy, length));
		EXPECT_EQ(-1, pattern_check(copy, length, 1, 0));
	}
	/* The BO is in VRAM already; this does not count as a move. */
	ASSERT_EQ(0, vram_move(self->fd, handle, VRAM));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	/* It has three parts, the last one shorter. */
	EXPECT_EQ(self->info.moves + 6 * 3, info.moves);
	EXPECT_EQ(self->info.evictions, info.evictions);
	EXPECT_EQ(0, info.system_used);
}

/* Stale page table entries would show old data or lose writes. */
TEST_F(memory, mappings_follow_moves)
{
	size_t length = 2 * MIB;
	char *buf = malloc(length);
	uint32_t handle;
	void *map;
	int i;

	map = vram_make_filled(self->fd, length, 0, 0, &handle);
	ASSERT_NE(NULL, map);
	for (i = 1; i < 9; i++) {
		/* Map every page, then move the BO. */
		EXPECT_EQ(-1, pattern_check(map, length, 2 * i - 2, 0));
		ASSERT_EQ(0, vram_move(self->fd, handle, (i + 1) % 2));
		/* Data written by ioctl is visible in the mapping... */
		pattern_fill(buf, length, 2 * i - 1, 0);
		ASSERT_EQ(0, vram_write(self->fd, handle, 0, buf, length));
		EXPECT_EQ(-1, pattern_check(map, length, 2 * i - 1, 0));
		/* ...and data written to the mapping can be read by ioctl. */
		pattern_fill(map, length, 2 * i, 0);
		ASSERT_EQ(0, vram_read(self->fd, handle, 0, buf, length));
		EXPECT_EQ(-1, pattern_check(buf, length, 2 * i, 0));
	}
}

TEST_F(memory, unaligned_ranges)
{
	size_t length = MIB, at, size, i;
	unsigned char *shadow = malloc(length), *buf = malloc(length);
	uint32_t handle;
	unsigned int seed = 1;

	ASSERT_EQ(0, vram_create(self->fd, length, 0, &handle));
	memset(shadow, 0, length);
	for (i = 0; i < 300; i++) {
		at = rand_r(&seed) % length;
		size = rand_r(&seed) % (i % 3 ? 5000 : 200000);
		if (size > length - at)
			size = length - at;
		pattern_fill(buf, size + 8, i, 0);
		memcpy(shadow + at, buf, size);
		ASSERT_EQ(0, vram_write(self->fd, handle, at, buf, size));
		if (i % 20 == 0)
			ASSERT_EQ(0, vram_move(self->fd, handle, i / 20 % 2));
		at = rand_r(&seed) % length;
		size = rand_r(&seed) % (length - at);
		memset(buf, 0xee, length);
		ASSERT_EQ(0, vram_read(self->fd, handle, at, buf, size));
		ASSERT_EQ(0, memcmp(buf, shadow + at, size));
		if (at + size < length)
			ASSERT_EQ(0xee, buf[size]);
	}
}

/* Blocks cover the BO, do not overlap, are in the BAR, and not contiguous. */
TEST_F(memory, scattered_blocks)
{
	struct peer_vram_info *info = &self->info;
	uint32_t count = info->vram_size / info->block_size, handle[2], i;
	struct peer_vram_block *blocks = calloc(count, sizeof(*blocks));
	char *used = calloc(count, 1);
	int n, k, num_blocks;

	for (k = 0; k < 2; k++) {
		uint64_t offset = 0, b;

		ASSERT_EQ(0, vram_create(self->fd, 40 * MIB + PAGE, 0,
					 &handle[k]));
		num_blocks = vram_blocks(self->fd, handle[k], blocks, count);
		EXPECT_LT(100, num_blocks);
		for (n = 0; n < num_blocks; n++) {
			EXPECT_EQ(offset, blocks[n].offset);
			offset += blocks[n].length;
			EXPECT_EQ(0, blocks[n].bar % info->block_size);
			ASSERT_LE(blocks[n].bar + blocks[n].length,
				  info->vram_size);
			for (b = 0; b < blocks[n].length; b += info->block_size) {
				i = (blocks[n].bar + b) / info->block_size;
				EXPECT_EQ(0, used[i]);
				used[i] = 1;
			}
		}
		EXPECT_EQ(40 * MIB + PAGE, offset);
	}
	/* All free VRAM can be used although it is fragmented. */
	ASSERT_EQ(0, vram_create(self->fd, info->vram_size - 80 * MIB -
				 2 * info->block_size, 0, &handle[0]));
	EXPECT_EQ(VRAM, domain_of(self->fd, handle[1]));
}

/* ---- no data of earlier users ----------------------------------------- */

TEST_F_TIMEOUT(memory, new_bos_are_zero, 120)
{
	size_t all = self->info.vram_size, length = 32 * MIB;
	uint32_t handle, first;
	void *map;
	int i;

	/* Fill all of VRAM and some system memory. */
	map = vram_make_filled(self->fd, all, 0, 1, &first);
	ASSERT_NE(NULL, map);
	for (i = 0; i < 4; i++) {
		ASSERT_NE(NULL, vram_make_filled(self->fd, length, 2, 2, &handle));
		ASSERT_EQ(0, vram_destroy(self->fd, handle));
	}
	ASSERT_EQ(0, munmap(map, all));
	ASSERT_EQ(0, vram_close(self->fd, first));

	for (i = 0; i < (int)(all / length); i++) {
		uint32_t flags = i % 4 == 3 ? PEER_VRAM_CREATE_SYSTEM : 0;

		ASSERT_EQ(0, vram_create(self->fd, length, flags, &handle));
		/* Vary the initial domain and moves before the first access. */
		if (i % 4 == 1)
			ASSERT_EQ(0, vram_move(self->fd, handle, SYSTEM));
		if (i % 8 == 7)
			ASSERT_EQ(0, vram_move(self->fd, handle, VRAM));
		map = vram_map(self->fd, handle, length, PROT_READ);
		ASSERT_NE(NULL, map);
		EXPECT_EQ(-1, zero_check(map, length));
	}
}

/* ---- more BOs than fit into VRAM -------------------------------------- */

#define NUM_BOS 64
#define BO_LENGTH (16 * MIB)

/* Moves each BO to VRAM and checks its data. Return: -1, or what differs. */
static int64_t check_all_in_vram(int fd, uint32_t *handle, void **map)
{
	int64_t bad = -1;
	int i;

	for (i = 0; i < NUM_BOS && bad < 0; i++) {
		if (vram_move(fd, handle[i], VRAM))
			return i;
		bad = pattern_check(map[i], BO_LENGTH, i, 0);
	}
	return bad;
}

TEST_F_TIMEOUT(memory, overcommit, 240)
{
	uint32_t handle[NUM_BOS];
	void *map[NUM_BOS];
	struct peer_vram_info info;
	int i;

	for (i = 0; i < NUM_BOS; i++) {
		map[i] = vram_make_filled(self->fd, BO_LENGTH, 0, i,
					  &handle[i]);
		ASSERT_NE(NULL, map[i]);
	}
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(NUM_BOS, info.objects);
	EXPECT_EQ(NUM_BOS * BO_LENGTH, info.vram_used + info.system_used);
	EXPECT_EQ(info.vram_size, info.vram_used);
	EXPECT_LE(48, info.evictions - self->info.evictions);
	/* LRU order: the first BOs were evicted, the last ones were not. */
	EXPECT_EQ(SYSTEM, domain_of(self->fd, handle[0]));
	EXPECT_EQ(VRAM, domain_of(self->fd, handle[NUM_BOS - 1]));

	/* Check the data where it is, then while BOs evict each other. */
	for (i = 0; i < NUM_BOS; i++)
		EXPECT_EQ(-1, pattern_check(map[i], BO_LENGTH, i, 0));
	EXPECT_EQ(-1, check_all_in_vram(self->fd, handle, map));
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_EQ(NUM_BOS, info.objects);
}

/* ---- more BOs than TTM keeps in system memory ------------------------- */

#define TTM_LIMIT "/sys/module/ttm/parameters/pages_limit"
#define SWAP_BOS 6
#define SWAP_BO_LENGTH (24 * MIB)

/* Return: the value of a line of /proc/meminfo in KiB, or 0. */
static long meminfo(const char *name)
{
	FILE *file = fopen("/proc/meminfo", "r");
	size_t n = strlen(name);
	char line[128];
	long kib = 0;

	while (file && fgets(line, sizeof(line), file))
		if (!strncmp(line, name, n) && line[n] == ':')
			kib = atol(line + n + 1);
	if (file)
		fclose(file);
	return kib;
}

/* TTM moves system pages beyond its limit to shmem, which can be swapped out. */
TEST_F_TIMEOUT(memory, swapped_out, 120)
{
	char before[32] = "", limit[32], *map[SWAP_BOS];
	uint32_t handle[SWAP_BOS];
	long shmem, swapped;
	int fd, i;

	fd = open(TTM_LIMIT, O_RDONLY);
	ASSERT_LT(0, read(fd, before, sizeof(before) - 1));
	close(fd);
	/* The limit is in pages; two of the BOs fit. */
	snprintf(limit, sizeof(limit), "%zu", 48 * MIB / page_size());
	ASSERT_EQ(0, sysfs_write(TTM_LIMIT, limit));
	shmem = meminfo("Shmem");

	for (i = 0; i < SWAP_BOS; i++) {
		map[i] = vram_make_filled(self->fd, SWAP_BO_LENGTH,
					  PEER_VRAM_CREATE_SYSTEM, i,
					  &handle[i]);
		EXPECT_NE(NULL, map[i]);
	}
	swapped = meminfo("Shmem") - shmem;
	EXPECT_LT(3 * SWAP_BO_LENGTH / KIB, swapped);
	for (i = 0; i < SWAP_BOS; i++)
		EXPECT_EQ(-1, pattern_check(map[i], SWAP_BO_LENGTH, i, 0));
	for (i = 0; i < SWAP_BOS; i++) {
		EXPECT_EQ(0, vram_move(self->fd, handle[i], i % 2));
		EXPECT_EQ(-1, pattern_check(map[i], SWAP_BO_LENGTH, i, 0));
	}
	/* Destroyed BOs have no copy in shmem. */
	for (i = 0; i < SWAP_BOS; i++)
		EXPECT_EQ(0, vram_destroy(self->fd, handle[i]));
	EXPECT_GT(SWAP_BO_LENGTH / KIB, meminfo("Shmem") - shmem);
	EXPECT_EQ(0, sysfs_write(TTM_LIMIT, before));
}

/* ---- concurrent users ------------------------------------------------- */

#define WORKERS 4
#define SLICE (4 * MIB)

struct shared {
	int fd;
	uint32_t handle;
	char *map;
	int stop;
};

struct worker {
	struct shared *work;
	int id;
	int rounds;
	int errors;
	pthread_t thread;
};

static void *mover(void *arg)
{
	struct worker *w = arg;
	struct shared *work = w->work;
	int ret;

	while (!__atomic_load_n(&work->stop, __ATOMIC_RELAXED)) {
		ret = vram_move(work->fd, work->handle, w->rounds % 2);
		if (ret)
			w->errors++;
		w->rounds++;
	}
	return NULL;
}

/* Writes its slice by mapping or ioctl, and checks it by the other. */
static void *writer(void *arg)
{
	struct worker *w = arg;
	struct shared *work = w->work;
	size_t at = w->id * SLICE;
	char *buf = malloc(SLICE);
	int i;

	for (i = 0; i < 12; i++) {
		uint32_t seed = w->id * 1000 + i;

		if (i % 2) {
			pattern_fill(work->map + at, SLICE, seed, 0);
			if (vram_read(work->fd, work->handle, at, buf, SLICE) ||
			    pattern_check(buf, SLICE, seed, 0) >= 0)
				w->errors++;
		} else {
			pattern_fill(buf, SLICE, seed, 0);
			if (vram_write(work->fd, work->handle, at, buf, SLICE))
				w->errors++;
		}
		if (pattern_check(work->map + at, SLICE, seed, 0) >= 0)
			w->errors++;
		w->rounds++;
	}
	free(buf);
	return NULL;
}

TEST_F_TIMEOUT(memory, moved_while_used, 240)
{
	struct worker worker[WORKERS + 1] = {};
	struct shared work = { .fd = self->fd };
	size_t length = WORKERS * SLICE;
	int i;

	ASSERT_EQ(0, vram_create(self->fd, length, 0, &work.handle));
	work.map = vram_map(self->fd, work.handle, length, RW);
	ASSERT_NE(NULL, work.map);
	for (i = 0; i <= WORKERS; i++) {
		worker[i].work = &work;
		worker[i].id = i;
		ASSERT_EQ(0, pthread_create(&worker[i].thread, NULL,
					    i < WORKERS ? writer : mover,
					    &worker[i]));
	}
	for (i = 0; i <= WORKERS; i++) {
		if (i == WORKERS)
			__atomic_store_n(&work.stop, 1, __ATOMIC_RELAXED);
		pthread_join(worker[i].thread, NULL);
		EXPECT_EQ(0, worker[i].errors);
	}
	EXPECT_LE(10, worker[WORKERS].rounds);
	TH_LOG("%d moves during the accesses", worker[WORKERS].rounds);
}

#define EVICTORS 3
#define EVICTOR_LENGTH (160 * MIB)

/*
 * VRAM has room for one of these BOs. Each must evict another one, which is
 * locked most of the time because it moves, too.
 */
static void *evictor(void *arg)
{
	struct worker *w = arg;
	uint32_t handle;
	void *map;
	int i;

	map = vram_make_filled(w->work->fd, EVICTOR_LENGTH, 0, w->id, &handle);
	if (!map)
		w->errors++;
	for (i = 0; map && i < 3; i++)
		if (vram_move(w->work->fd, handle, VRAM) ||
		    pattern_check(map, EVICTOR_LENGTH, w->id, 0) >= 0)
			w->errors++;
	return NULL;
}

TEST_F_TIMEOUT(memory, evict_each_other, 240)
{
	struct worker worker[EVICTORS] = {};
	struct shared work = { .fd = self->fd };
	struct peer_vram_info info;
	int i;

	for (i = 0; i < EVICTORS; i++) {
		worker[i].work = &work;
		worker[i].id = i;
		ASSERT_EQ(0, pthread_create(&worker[i].thread, NULL, evictor,
					    &worker[i]));
	}
	for (i = 0; i < EVICTORS; i++) {
		pthread_join(worker[i].thread, NULL);
		EXPECT_EQ(0, worker[i].errors);
	}
	ASSERT_EQ(0, vram_info(self->fd, &info));
	EXPECT_LT(self->info.evictions, info.evictions);
}

TEST_HARNESS_MAIN
