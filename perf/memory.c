// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Kernel memory of an on-demand MR: for each touched page, and for an untouched
 * MR.
 *
 * The measure is the objects in use of the slab caches, after the caches have
 * been shrunk: radix_tree_node (the nodes of the page table) for touched pages,
 * all caches for untouched MRs. The CPU has mapped the pages before.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bench.h"
#include "lib/proc.h"

#define UNTOUCHED 2000
#define RESERVED (1ULL << 40)
#define HUGE (2UL << 20)

/* Shrinks all slab caches, so that they hold no recently freed objects. */
static void settle(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *entry;
	char path[512];

	if (!dir)
		bench_die("/sys/kernel/slab", -errno);
	/* Nodes are freed after an RCU grace period. */
	usleep(300000);
	while ((entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink",
			 entry->d_name);
		vt_write_file(path, "1");
	}
	closedir(dir);
}

/* Returns the bytes of the active objects of @cache, or of all caches (NULL). */
static double slab_bytes(const char *cache)
{
	unsigned long active, total, size;
	char line[512], name[128];
	double bytes = 0;
	FILE *file;

	settle();
	file = fopen("/proc/slabinfo", "re");
	if (!file)
		bench_die("/proc/slabinfo", -errno);
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%127s %lu %lu %lu", name, &active, &total,
			   &size) == 4 && (!cache || !strcmp(name, cache)))
			bytes += (double)active * size;
	fclose(file);
	return bytes;
}

static double touched(struct vt_dev *dev, void *addr, size_t length)
{
	struct ibv_mr *mr = bench_reg(dev->pd, addr, length, true);
	double bytes;

	bytes = slab_bytes("radix_tree_node");
	bench_prefetch(mr, addr, length);
	bytes = slab_bytes("radix_tree_node") - bytes;
	bench_dereg(mr);
	return bytes / (length / PAGE);
}

static void measure_kind(struct vt_dev *dev, const struct vt_mem_kind *kind,
			 size_t length, const char *name)
{
	struct vt_mem mem;

	bench_alloc(&mem, kind, length);
	bench_result(name, "touched page", "bytes",
		     touched(dev, mem.addr, length));
	vt_mem_free(&mem);
}

/* Anonymous memory, in huge pages as far as the kernel has them. */
static void measure_huge(struct vt_dev *dev, size_t length)
{
	uint8_t *addr = mmap(NULL, length + HUGE, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1,
			     0);
	uint8_t *start;

	if (addr == MAP_FAILED)
		bench_die("mmap", -errno);
	start = (uint8_t *)(((uintptr_t)addr + HUGE - 1) & ~(HUGE - 1));
	if (madvise(start, length, MADV_HUGEPAGE))
		bench_die("MADV_HUGEPAGE", -errno);
	bench_touch(start, length, PAGE);
	bench_result("host, huge pages", "touched page", "bytes",
		     touched(dev, start, length));
	munmap(addr, length + HUGE);
}

static double untouched(struct vt_dev *dev, void *addr, size_t length)
{
	static struct ibv_mr *mrs[UNTOUCHED];
	double bytes = slab_bytes(NULL);
	int i;

	for (i = 0; i < UNTOUCHED; i++)
		mrs[i] = bench_reg(dev->pd, addr, length, true);
	bytes = slab_bytes(NULL) - bytes;
	for (i = 0; i < UNTOUCHED; i++)
		bench_dereg(mrs[i]);
	return bytes / UNTOUCHED;
}

static void measure_untouched(struct vt_dev *dev)
{
	void *addr = mmap(NULL, RESERVED, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (addr == MAP_FAILED)
		bench_die("mmap", -errno);
	/* The first run fills the per-CPU caches. */
	untouched(dev, addr, PAGE);
	bench_result("untouched MR", "4 KiB", "bytes",
		     untouched(dev, addr, PAGE));
	bench_result("untouched MR", "1 TiB", "bytes",
		     untouched(dev, addr, RESERVED));
	munmap(addr, RESERVED);
}

void bench_memory(struct vt_dev *dev, const struct bench_opts *opts)
{
	int round;

	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("memory", round);
		measure_kind(dev, &vt_mem_host, (1UL << 30) / opts->divide,
			     "host");
		measure_kind(dev, &vt_mem_vram, 128UL << 20, "VRAM");
		measure_huge(dev, 256UL << 20);
		measure_untouched(dev);
	}
}
