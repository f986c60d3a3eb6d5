// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * File I/O with video memory: read() and write() with a pointer into the VRAM
 * mapping (direct), compared with I/O to a bounce buffer in host memory and a
 * copy by the CPU (bounce). The file is in the page cache, so one copy is
 * compared with two.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"

#define FILE_SIZE (8 * 1024 * 1024UL)

static const struct {
	size_t size;
	int ops;
} amounts[] = {
	{ 4096, 400 },
	{ 65536, 100 },
	{ 1024 * 1024, 16 },
};

enum how { BOUNCE, DIRECT, HOWS };

static const char *const how_name[] = { "bounce", "direct" };

struct files {
	int fd;
	struct vt_mem bounce;
	struct vt_mem vram;
};

static void into(struct files *f, enum how how, off_t at, size_t size)
{
	void *to = f->vram.addr + at;
	void *buf = how == BOUNCE ? f->bounce.addr : to;

	if (pread(f->fd, buf, size, at) != (ssize_t)size)
		bench_die("reading the file", -errno);
	if (how == BOUNCE)
		memcpy(to, buf, size);
}

static void out_of(struct files *f, enum how how, off_t at, size_t size)
{
	void *from = f->vram.addr + at;
	void *buf = how == BOUNCE ? f->bounce.addr : from;

	if (how == BOUNCE)
		memcpy(buf, from, size);
	if (pwrite(f->fd, buf, size, at) != (ssize_t)size)
		bench_die("writing the file", -errno);
}

static void measure(struct files *f, const char *what,
		    void (*move)(struct files *f, enum how how, off_t at,
				 size_t size),
		    size_t size, int ops)
{
	int64_t start;
	char name[64];
	enum how how;
	int i;

	snprintf(name, sizeof(name), "%-5s %7s", what, bench_size(size));
	for (how = BOUNCE; how < HOWS; how++) {
		start = bench_now();
		for (i = 0; i < ops; i++)
			move(f, how, i * size % FILE_SIZE, size);
		bench_result(name, how_name[how], "bandwidth",
			     (double)ops * size * 1e9 / (bench_now() - start));
	}
}

static void files_open(struct files *f)
{
	bench_alloc(&f->bounce, &vt_mem_host, FILE_SIZE);
	bench_alloc(&f->vram, &vt_mem_vram, FILE_SIZE);
	f->fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);
	if (f->fd < 0)
		bench_die("/tmp", -errno);
	if (write(f->fd, f->bounce.addr, FILE_SIZE) != (ssize_t)FILE_SIZE)
		bench_die("making a file", -errno);
}

void bench_files(struct vt_dev *dev, const struct bench_opts *opts)
{
	static struct files f;
	unsigned int i;
	int round;

	(void)dev;
	files_open(&f);
	for (round = opts->round; round < opts->round + opts->rounds; round++) {
		bench_begin("files", round);
		for (i = 0; i < sizeof(amounts) / sizeof(amounts[0]); i++) {
			int ops = bench_amount(opts, amounts[i].ops, 4);

			measure(&f, "read", into, amounts[i].size, ops);
			measure(&f, "write", out_of, amounts[i].size, ops);
		}
	}
	close(f.fd);
	vt_mem_free(&f.vram);
	vt_mem_free(&f.bounce);
}
