// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Cost of a fault for a page that is resident (in VRAM or in the page cache) but
 * not in the MR's page table.
 *
 * An access that faults is timed, then the same access again. The difference is
 * the cost of the fault. Compared are:
 *   CPU        a store to the mapping
 *   requester  the response of a READ goes to the on-demand MR
 *   responder  a WRITE goes to the on-demand MR. The responder queues the fault
 *              to a worker, because it must answer within a time limit
 *   call       a prefetch of one page minus a prefetch that fails: the fault
 *              without packets, workers and wake-ups
 * All are write faults on the same mapping, one in every STRIDE bytes, because a
 * fault also brings in up to 2 MiB around the page.
 *
 * An RDMA fault also maps the page for the CPU. In "mapped", the CPU has mapped
 * the page before.
 *
 * Prefetch: one call for all pages, which returns when they are present.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <rdma/peer_vram.h>

#include "bench.h"
#include "lib/raw.h"

#define STRIDE (2UL << 20)
#define PLACES 32
#define LENGTH (PLACES * STRIDE)
#define MESSAGE 8

struct fault {
	struct vt_dev *dev;
	struct bench_link link;
	struct vt_mem other;	/* the pinned end of each operation */
	struct ibv_mr *other_mr;
	struct vt_mem mem;
};

/* Removes the CPU's mapping of the pages. The pages stay where they are. */
static void forget_mapping(struct vt_mem *mem)
{
	struct peer_vram_query query = {
		.size = sizeof(query), .handle = mem->handle,
	};

	if (!mem->kind->exporter) {
		if (madvise(mem->addr, mem->length, MADV_DONTNEED))
			bench_die("madvise", -errno);
		return;
	}
	if (ioctl(mem->fd, PEER_VRAM_IOC_QUERY, &query) ||
	    mmap(mem->addr, mem->length, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, mem->fd, query.mmap_offset) ==
	    MAP_FAILED)
		bench_die("mapping again", -errno);
}

/* Returns the median of @cold - @warm over all places but the first. */
static double extra(const int64_t *cold, const int64_t *warm)
{
	int64_t took[PLACES];
	int i;

	/* The first access also has costs other than the fault. */
	for (i = 1; i < PLACES; i++)
		took[i - 1] = cold[i] - warm[i];
	return bench_median(took, PLACES - 1);
}

static void touch_places(struct vt_mem *mem, int64_t *took)
{
	volatile uint8_t *bytes = mem->addr;
	int64_t start;
	int i;

	for (i = 0; i < PLACES; i++) {
		start = bench_now();
		bytes[i * STRIDE] = i;
		took[i] = bench_now() - start;
	}
}

static double cpu_fault(struct fault *f)
{
	int64_t cold[PLACES], warm[PLACES];

	forget_mapping(&f->mem);
	touch_places(&f->mem, cold);
	touch_places(&f->mem, warm);
	return extra(cold, warm);
}

static void reach_places(struct fault *f, struct ibv_mr *mr, enum bench_op op,
			 int64_t *took)
{
	struct bench_way way;
	uint8_t *at;
	int i;

	for (i = 0; i < PLACES; i++) {
		at = f->mem.addr + i * STRIDE;
		if (op == BENCH_READ)
			way = link_way(op, mr, at, f->other_mr, f->other.addr,
				       MESSAGE);
		else
			way = link_way(op, f->other_mr, f->other.addr, mr, at,
				       MESSAGE);
		took[i] = link_one(&f->link, &way);
	}
}

static double rdma_fault(struct fault *f, enum bench_op op, bool mapped)
{
	int64_t cold[PLACES], warm[PLACES];
	struct ibv_mr *mr;

	if (mapped)
		bench_touch(f->mem.addr, LENGTH, PAGE);
	else
		forget_mapping(&f->mem);
	mr = bench_reg(f->dev->pd, f->mem.addr, LENGTH, true);
	reach_places(f, mr, op, cold);
	reach_places(f, mr, op, warm);
	bench_dereg(mr);
	return extra(cold, warm);
}

/* A prefetch with a wrong key: costs the call without the fault. */
static void refused(struct ibv_mr *mr, void *addr)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)addr,
		.length = MESSAGE,
		.lkey = mr->lkey ^ 1,
	};

	if (vt_advise_mr(mr->pd, IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE,
			 IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1) != -ENOENT)
		bench_die("a prefetch with a wrong key", -EINVAL);
}

static double call_fault(struct fault *f, bool mapped)
{
	int64_t cold[PLACES], warm[PLACES];
	struct ibv_mr *mr;
	uint8_t *at;
	int i;

	if (mapped)
		bench_touch(f->mem.addr, LENGTH, PAGE);
	else
		forget_mapping(&f->mem);
	mr = bench_reg(f->dev->pd, f->mem.addr, LENGTH, true);
	for (i = 0, at = f->mem.addr; i < PLACES; i++, at += STRIDE) {
		cold[i] = bench_now();
		bench_prefetch(mr, at, MESSAGE);
		warm[i] = bench_now();
		refused(mr, at);
		cold[i] = warm[i] - cold[i];
		warm[i] = bench_now() - warm[i];
	}
	bench_dereg(mr);
	return extra(cold, warm);
}

/* Returns nanoseconds per page. */
static double prefetch(struct fault *f, struct vt_mem *mem, bool mapped)
{
	struct ibv_mr *mr;
	int64_t took;

	if (mapped)
		bench_touch(mem->addr, mem->length, PAGE);
	else
		forget_mapping(mem);
	mr = bench_reg(f->dev->pd, mem->addr, mem->length, true);
	took = bench_now();
	bench_prefetch(mr, mem->addr, mem->length);
	took = bench_now() - took;
	bench_dereg(mr);
	return (double)took / (mem->length / PAGE);
}

static void measure(struct fault *f, struct vt_mem *large)
{
	const char *name = f->mem.kind->exporter ? "VRAM" : "host";

	bench_result(name, "CPU", bench_ns, cpu_fault(f));
	bench_result(name, "call", bench_ns, call_fault(f, false));
	bench_result(name, "call, mapped", bench_ns, call_fault(f, true));
	bench_result(name, "requester", bench_ns,
		     rdma_fault(f, BENCH_READ, false));
	bench_result(name, "requester, mapped", bench_ns,
		     rdma_fault(f, BENCH_READ, true));
	bench_result(name, "responder", bench_ns,
		     rdma_fault(f, BENCH_WRITE, false));
	bench_result(name, "responder, mapped", bench_ns,
		     rdma_fault(f, BENCH_WRITE, true));
	bench_result(name, "prefetch", bench_ns, prefetch(f, large, false));
	bench_result(name, "prefetch, mapped", bench_ns,
		     prefetch(f, large, true));
}

static void measure_kind(struct vt_dev *dev, const struct vt_mem_kind *kind,
			 size_t large_size, const struct bench_opts *opts)
{
	static struct fault f;
	struct vt_mem large;
	int round;

	f.dev = dev;
	link_open(&f.link, dev, opts->wait);
	bench_alloc(&f.other, &vt_mem_host, PAGE);
	f.other_mr = bench_reg(dev->pd, f.other.addr, PAGE, false);
	bench_alloc(&f.mem, kind, LENGTH);
	bench_alloc(&large, kind, large_size);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("fault", round);
		measure(&f, &large);
	}
	vt_mem_free(&large);
	vt_mem_free(&f.mem);
	bench_dereg(f.other_mr);
	vt_mem_free(&f.other);
	link_close(&f.link);
}

void bench_fault(struct vt_dev *dev, const struct bench_opts *opts)
{
	/* The largest size for which the VRAM has room beside the other BO. */
	measure_kind(dev, &vt_mem_vram_named, 128UL << 20, opts);
	measure_kind(dev, &vt_mem_host, (1UL << 30) / opts->divide, opts);
}
