// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The part of outside_test.py that runs in the virtual machine: checks that data
 * arrives in the device, as the host of the virtual machine sees it.
 *
 *   1. fills scattered VRAM with a stream by RDMA WRITE;
 *   2. writes $PEERMEM_OUT/blocks: "OFFSET LENGTH BAR" for each block: its offset in
 *      the stream, its length, and its offset in the BAR, in bytes;
 *   3. waits for $PEERMEM_OUT/changed: the host has compared the blocks, and written
 *      another stream there;
 *   4. reads that by RDMA READ and compares.
 *
 * Exit status: 0 only if all steps succeed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/buf.h"
#include "lib/pattern.h"
#include "lib/proc.h"

#define MIB (1024UL * 1024)
#define SIZE (8 * MIB + 3 * 4096)
#define MAX_BLOCKS 1024

/* Seeds of the streams, as in outside_test.py. */
#define SEED_GUEST 11
#define SEED_OUTSIDE 12

/* Messages and pages end at different offsets. */
#define PIECE 65537

#define WAIT_MS 60000

static void die(const char *what, int error)
{
	fprintf(stderr, "outside_guest: %s: %s\n", what,
		error < 0 ? strerror(-error) : "failed");
	exit(1);
}

static void path_in_out(char *path, size_t size, const char *name)
{
	const char *out = getenv("PEERMEM_OUT");

	if (!out)
		die("PEERMEM_OUT is not set; run in ./run vm --results", 0);
	snprintf(path, size, "%s/%s", out, name);
}

/* Allocates VRAM in more than one piece, by creating holes first. */
static void alloc_scattered(struct vt_mem *mem)
{
	struct vt_mem filler[8];
	int i, ret;

	for (i = 0; i < 8; i++) {
		ret = vt_mem_alloc(&filler[i], &vt_mem_vram_named, 2 * MIB, 0);
		if (ret)
			die("cannot create a BO", ret);
	}
	for (i = 0; i < 8; i += 2)
		vt_mem_free(&filler[i]);
	ret = vt_mem_alloc(mem, &vt_mem_vram_named, SIZE, 0);
	if (ret)
		die("cannot create a BO", ret);
}

/* Writes the blocks to a file. Together they must cover the BO. */
static void write_blocks(struct vt_mem *mem)
{
	static struct vt_block block[MAX_BLOCKS];
	char path[4096], hidden[4096];
	uint64_t covered = 0;
	FILE *file;
	int i, n;

	n = vt_mem_blocks(mem, block, MAX_BLOCKS);
	if (n <= 0 || n > MAX_BLOCKS)
		die("cannot query the blocks", n);
	path_in_out(hidden, sizeof(hidden), "blocks.new");
	path_in_out(path, sizeof(path), "blocks");
	file = fopen(hidden, "we");
	if (!file)
		die("cannot write the blocks", 0);
	for (i = 0; i < n; i++) {
		fprintf(file, "%llu %llu %llu\n",
			(unsigned long long)block[i].offset,
			(unsigned long long)block[i].length,
			(unsigned long long)block[i].bar);
		covered += block[i].length;
	}
	if (fclose(file) || rename(hidden, path))
		die("cannot write the blocks", 0);
	if (covered != SIZE)
		die("the blocks do not cover the BO", 0);
}

static void wait_for(const char *name)
{
	int64_t until = vt_now_ms() + WAIT_MS;
	char path[4096];

	path_in_out(path, sizeof(path), name);
	while (access(path, F_OK)) {
		if (vt_now_ms() > until)
			die("timeout: the host has not compared the blocks", 0);
		usleep(50000);
	}
}

static void transfer(struct vt_pair *pair, struct vt_buf *host,
		     struct vt_buf *vram, bool write)
{
	uint64_t at;

	for (at = 0; at < SIZE; at += PIECE) {
		uint32_t length = SIZE - at < PIECE ? SIZE - at : PIECE;
		struct ibv_sge sge = vt_sge(host, at, length);
		struct vt_remote there = vt_remote(vram, at);
		int ret = write ? vt_rdma_write(&pair->end[0], &sge, 1, there)
				: vt_rdma_read(&pair->end[0], &sge, 1, there);

		if (ret)
			die(write ? "RDMA WRITE" : "RDMA READ", ret);
	}
}

int main(void)
{
	struct vt_buf host, vram = { 0 };
	struct vt_pair pair;
	struct vt_dev dev;
	int ret;

	ret = vt_dev_open(&dev);
	if (!ret)
		ret = vt_pair_open(&pair, &dev, NULL);
	if (!ret)
		ret = vt_buf_open(&host, &dev, &vt_mem_host, SIZE, NULL);
	if (ret)
		die("cannot set up RDMA", ret);
	alloc_scattered(&vram.mem);
	vram.iova = (uintptr_t)vram.mem.addr;
	vram.mr = ibv_reg_mr(dev.pd, vram.mem.addr, SIZE, VT_ACCESS_ALL);
	if (!vram.mr)
		die("cannot register VRAM", -errno);

	vt_buf_fill(&host, SEED_GUEST);
	transfer(&pair, &host, &vram, true);
	write_blocks(&vram.mem);
	wait_for("changed");
	transfer(&pair, &host, &vram, false);
	vt_pattern_fill(host.shadow, SEED_OUTSIDE, 0, SIZE);
	if (vt_buf_check_all(&host))
		die("the bytes that were read differ from those that the host wrote", 0);
	return 0;
}
