// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Cost of an invalidation. It must depend on the number of invalidated pages, not
 * on the size of the MR or on the number of MRs.
 *
 * Host memory: madvise(MADV_DONTNEED) of n pages that the CPU and an MR have
 * mapped, minus the same without an MR. The MR covers just these pages, or all
 * pages. The mapping is shared, so the pages stay in the page cache.
 *
 * Many MRs: a BO of one page moves out of VRAM while there are N on-demand MRs on
 * another BO and N on other addresses. The same with an madvise() of one page.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "bench.h"

#define PAGES 65536UL
#define OPS 9

static const unsigned long parts[] = { 1, 16, 256, 4096, PAGES };
static const int others[] = { 0, 1000, 100000 };

static int64_t drop(void *addr, size_t length)
{
	int64_t start = bench_now();

	if (madvise(addr, length, MADV_DONTNEED))
		bench_die("madvise", -errno);
	return bench_now() - start;
}

/*
 * Returns the median time to drop @length bytes. With @mr, they are in its page
 * table.
 */
static double drop_often(struct ibv_mr *mr, uint8_t *addr, size_t length)
{
	int ops = length > 256 * PAGE ? 3 : OPS;
	int64_t took[OPS];
	int i;

	for (i = 0; i < ops; i++) {
		bench_touch(addr, length, PAGE);
		if (mr)
			bench_prefetch(mr, addr, length);
		took[i] = drop(addr, length);
	}
	return bench_median(took, ops);
}

static double drop_with(struct vt_dev *dev, struct vt_mem *mem, uint8_t *addr,
			size_t length, bool all)
{
	struct ibv_mr *mr;
	double ns;

	mr = bench_reg(dev->pd, all ? mem->addr : addr,
		       all ? mem->length : length, true);
	if (all) {
		/* Fill the page table. */
		bench_touch(mem->addr, mem->length, PAGE);
		bench_prefetch(mr, mem->addr, mem->length);
	}
	ns = drop_often(mr, addr, length);
	bench_dereg(mr);
	return ns;
}

static void measure_part(struct vt_dev *dev, struct vt_mem *mem,
			 unsigned long pages)
{
	size_t length = pages * PAGE;
	/* The pages are in the middle of the large MR. */
	uint8_t *addr = mem->addr + (PAGES - pages) / 2 * PAGE;
	double without = drop_often(NULL, addr, length);
	double exact = drop_with(dev, mem, addr, length, false);
	double all = drop_with(dev, mem, addr, length, true);
	char name[64];

	snprintf(name, sizeof(name), "%lu pages", pages);
	bench_result(name, "madvise", bench_ns, without);
	bench_result(name, "exact MR", bench_ns, exact - without);
	bench_result(name, "MR of 65536", bench_ns, all - without);
	if (pages >= 256) {
		snprintf(name, sizeof(name), "%lu pages", pages);
		bench_result("per page", name, bench_ns,
			     (all - without) / pages);
	}
}

static void measure_parts(struct vt_dev *dev, const struct bench_opts *opts)
{
	/* An mm with any notifier has a cost in each madvise(): include it. */
	static uint8_t unrelated[2 * PAGE];
	struct ibv_mr *mr = bench_reg(dev->pd, unrelated, PAGE, true);
	struct vt_mem mem;
	unsigned int i;
	int round;

	bench_alloc(&mem, &vt_mem_host, PAGES * PAGE);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("invalidate", round);
		for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
			measure_part(dev, &mem, parts[i]);
	}
	vt_mem_free(&mem);
	bench_dereg(mr);
}

/* ---- many MRs ---- */

struct crowd {
	struct vt_dev *dev;
	struct vt_mem object;		/* BO below the first half of the MRs */
	uint8_t *addresses;		/* one page for each MR of the other half */
	struct ibv_mr **mrs;
	int count;
};

static void crowd_grow(struct crowd *crowd, int count)
{
	for (; crowd->count < count; crowd->count++) {
		struct ibv_mr **mr = &crowd->mrs[2 * crowd->count];

		mr[0] = bench_reg(crowd->dev->pd, crowd->object.addr, PAGE,
				  true);
		bench_prefetch(mr[0], crowd->object.addr, PAGE);
		mr[1] = bench_reg(crowd->dev->pd,
				  crowd->addresses + crowd->count * PAGE, PAGE,
				  true);
	}
}

static void crowd_open(struct crowd *crowd, struct vt_dev *dev, int most)
{
	crowd->dev = dev;
	crowd->count = 0;
	bench_alloc(&crowd->object, &vt_mem_vram_named, PAGE);
	crowd->addresses = mmap(NULL, most * PAGE, PROT_NONE,
				MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
				-1, 0);
	crowd->mrs = calloc(2 * most, sizeof(*crowd->mrs));
	if (crowd->addresses == MAP_FAILED || !crowd->mrs)
		bench_die("memory", -ENOMEM);
}

static void crowd_close(struct crowd *crowd, int most)
{
	while (crowd->count) {
		crowd->count--;
		bench_dereg(crowd->mrs[2 * crowd->count]);
		bench_dereg(crowd->mrs[2 * crowd->count + 1]);
	}
	free(crowd->mrs);
	munmap(crowd->addresses, most * PAGE);
	vt_mem_free(&crowd->object);
}

static int64_t move(struct vt_mem *mem, uint32_t domain)
{
	struct peer_vram_move move = {
		.size = sizeof(move), .handle = mem->handle, .domain = domain,
	};
	int64_t start = bench_now();

	if (ioctl(mem->fd, PEER_VRAM_IOC_MOVE, &move))
		bench_die("PEER_VRAM_IOC_MOVE", -errno);
	return bench_now() - start;
}

/* The prefetch moves the BO back to VRAM. */
static double move_often(struct ibv_mr *mr, struct vt_mem *mem)
{
	int64_t took[OPS];
	int i;

	for (i = 0; i < OPS; i++) {
		bench_prefetch(mr, mem->addr, mem->length);
		took[i] = move(mem, PEER_VRAM_DOMAIN_SYSTEM);
	}
	return bench_median(took, OPS);
}

static void measure_crowd(struct crowd *crowd, struct vt_mem mem[2],
			  struct ibv_mr *mr[2], int rounds, int first)
{
	char config[64];
	int round;

	snprintf(config, sizeof(config), "%d other MRs", crowd->count);
	for (round = first; round < first + rounds; round++) {
		bench_begin("invalidate", round);
		bench_result("move of a BO", config, bench_ns,
			     move_often(mr[0], &mem[0]));
		bench_result("madvise of a page", config, bench_ns,
			     drop_often(mr[1], mem[1].addr, PAGE));
	}
}

void bench_invalidate(struct vt_dev *dev, const struct bench_opts *opts)
{
	int steps = opts->divide > 1 ? 2 : 3, most = others[steps - 1], i;
	struct vt_mem mem[2];
	struct ibv_mr *mr[2];
	struct crowd crowd;

	measure_parts(dev, opts);

	bench_alloc(&mem[0], &vt_mem_vram_named, PAGE);
	bench_alloc(&mem[1], &vt_mem_host, PAGE);
	for (i = 0; i < 2; i++)
		mr[i] = bench_reg(dev->pd, mem[i].addr, PAGE, true);
	crowd_open(&crowd, dev, most);
	for (i = 0; i < steps; i++) {
		crowd_grow(&crowd, others[i]);
		measure_crowd(&crowd, mem, mr, opts->rounds, opts->round);
	}
	crowd_close(&crowd, most);
	for (i = 0; i < 2; i++) {
		bench_dereg(mr[i]);
		vt_mem_free(&mem[i]);
	}
}
