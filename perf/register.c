// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Registration and deregistration of on-demand MRs of different lengths, and of a
 * pinned MR on VRAM, whose page table is filled at registration.
 *
 * The reference is ibv_alloc_pd() with ibv_dealloc_pd(): also two system calls,
 * which create and destroy an object of the device and do nothing else. A failing
 * registration would have no second call.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "bench.h"

#define OPS 101
#define LARGEST (1ULL << 40)
/* Two entries of 2 MiB, and smaller entries. */
#define VRAM (5UL << 20)

static const uint64_t sizes[] = { 4096, 1ULL << 20, 1ULL << 30, LARGEST };

static int64_t empty_calls(struct vt_dev *dev)
{
	int64_t start = bench_now();
	struct ibv_pd *pd = ibv_alloc_pd(dev->ctx);

	if (!pd)
		bench_die("ibv_alloc_pd", -errno);
	bench_check("ibv_dealloc_pd", -ibv_dealloc_pd(pd));
	return bench_now() - start;
}

static int64_t reg_dereg(struct vt_dev *dev, void *addr, size_t length,
			 int access)
{
	int64_t start = bench_now();
	struct ibv_mr *mr = ibv_reg_mr(dev->pd, addr, length, access);

	if (!mr)
		bench_die("ibv_reg_mr", -errno);
	bench_dereg(mr);
	return bench_now() - start;
}

/* The two calls separately, to see which one takes the time. */
static void halves(struct vt_dev *dev, void *addr, int ops, int64_t *took)
{
	int64_t reg[OPS], start;
	struct ibv_mr *mr;
	int i;

	for (i = 0; i < ops; i++) {
		start = bench_now();
		mr = bench_reg(dev->pd, addr, PAGE, true);
		reg[i] = bench_now() - start;
		start = bench_now();
		bench_dereg(mr);
		took[i] = bench_now() - start;
	}
	bench_result("register", "ibv_reg_mr of 4 KiB", bench_ns,
		     bench_median(reg, ops));
	bench_result("register", "ibv_dereg_mr of 4 KiB", bench_ns,
		     bench_median(took, ops));
}

static void pinned_vram(struct vt_dev *dev, int ops, int64_t *took)
{
	struct vt_mem mem;
	int k;

	bench_alloc(&mem, &vt_mem_vram, VRAM);
	for (k = 0; k < ops; k++)
		took[k] = reg_dereg(dev, mem.addr, VRAM, VT_ACCESS_ALL);
	bench_result("register", "pinned 5 MiB of VRAM", bench_ns,
		     bench_median(took, ops));
	vt_mem_free(&mem);
}

static void measure(struct vt_dev *dev, uint8_t *addr, int ops)
{
	int access = VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND;
	int64_t took[OPS];
	unsigned int i;
	int k;

	for (k = 0; k < ops; k++)
		took[k] = empty_calls(dev);
	bench_result("register", "empty calls", bench_ns,
		     bench_median(took, ops));
	for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		for (k = 0; k < ops; k++)
			took[k] = reg_dereg(dev, addr, sizes[i], access);
		bench_result("register", bench_size(sizes[i]), bench_ns,
			     bench_median(took, ops));
	}
	for (k = 0; k < ops; k++)
		took[k] = reg_dereg(dev, NULL, SIZE_MAX, access);
	bench_result("register", "implicit", bench_ns,
		     bench_median(took, ops));
	for (k = 0; k < ops; k++)
		took[k] = reg_dereg(dev, addr, PAGE, VT_ACCESS_ALL);
	bench_result("register", "pinned 4 KiB", bench_ns,
		     bench_median(took, ops));
	pinned_vram(dev, ops, took);
	halves(dev, addr, ops, took);
}

void bench_register(struct vt_dev *dev, const struct bench_opts *opts)
{
	int ops = bench_amount(opts, OPS, 5);
	uint8_t *addr;
	int round;

	/* Only address space. The first page is present, for the pinned MR. */
	addr = mmap(NULL, LARGEST, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (addr == MAP_FAILED ||
	    mprotect(addr, PAGE, PROT_READ | PROT_WRITE))
		bench_die("reserving address space", -errno);
	*addr = 1;
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("register", round);
		measure(dev, addr, ops);
	}
	munmap(addr, LARGEST);
}
