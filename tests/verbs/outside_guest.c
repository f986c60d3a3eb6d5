// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The guest's half of outside_test.py: does the data land in the device, where
 * it is seen from outside of the virtual machine?
 *
 *   1. fills scattered video memory with a stream by RDMA WRITE;
 *   2. writes $PEERMEM_OUT/blocks: "OFFSET LENGTH BAR" for each block, the
 *      stream's offset, the bytes, and where they are in the BAR;
 *   3. waits for $PEERMEM_OUT/changed: the outside has compared the blocks, and
 *      put another stream there;
 *   4. reads that by RDMA READ and compares.
 *
 * Exit status: 0 only if all of it is so.
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

/* The streams' seeds; outside_test.py has them too. */
#define SEED_GUEST 11
#define SEED_OUTSIDE 12

/* No packet and no message ends where a page does. */
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
		die("PEERMEM_OUT is not set; run in ./run vm --keep", 0);
	snprintf(path, size, "%s/%s", out, name);
}

/* Video memory in more than one piece: what is free has holes. */
static void scatter(struct vt_mem *mem)
{
	struct vt_mem filler[8];
	int i, ret;

	for (i = 0; i < 8; i++) {
		ret = vt_mem_alloc(&filler[i], &vt_mem_vram_named, 2 * MIB, 0);
		if (ret)
			die("cannot make an object", ret);
	}
	for (i = 0; i < 8; i += 2)
		vt_mem_free(&filler[i]);
	ret = vt_mem_alloc(mem, &vt_mem_vram_named, SIZE, 0);
	if (ret)
		die("cannot make an object", ret);
}

/* The blocks must cover the object, and so be told in full. */
static void tell_blocks(struct vt_mem *mem)
{
	static struct vt_block block[MAX_BLOCKS];
	char path[4096], hidden[4096];
	uint64_t covered = 0;
	FILE *file;
	int i, n;

	n = vt_mem_blocks(mem, block, MAX_BLOCKS);
	if (n <= 0 || n > MAX_BLOCKS)
		die("cannot ask for the blocks", n);
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
		die("the blocks do not cover the object", 0);
}

static void wait_for(const char *name)
{
	int64_t until = vt_now_ms() + WAIT_MS;
	char path[4096];

	path_in_out(path, sizeof(path), name);
	while (access(path, F_OK)) {
		if (vt_now_ms() > until)
			die("nobody outside compares", 0);
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
		die("no RDMA", ret);
	scatter(&vram.mem);
	vram.iova = (uintptr_t)vram.mem.addr;
	vram.mr = ibv_reg_mr(dev.pd, vram.mem.addr, SIZE, VT_ACCESS_ALL);
	if (!vram.mr)
		die("cannot register video memory", -errno);

	vt_buf_fill(&host, SEED_GUEST);
	transfer(&pair, &host, &vram, true);
	tell_blocks(&vram.mem);
	wait_for("changed");
	transfer(&pair, &host, &vram, false);
	vt_pattern_fill(host.shadow, SEED_OUTSIDE, 0, SIZE);
	if (vt_buf_check_all(&host))
		die("what the outside has written is not what was read", 0);
	return 0;
}
