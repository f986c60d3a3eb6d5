// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See victim.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/pattern.h"
#include "victim.h"

#define BLOCKS 16384
#define SEED 77
#define PART (2 * 1024 * 1024)

/* ---- the child process ---- */

/*
 * struct reuse - the new BO, and the part of it that was the other process's
 * @offset, @length: the part, which has the pattern
 */
struct reuse {
	struct vt_mem mem;
	uint64_t offset;
	size_t length;
};

/* Finds the part from address @bar of the device on. Return: 0 or -ENOENT. */
static int part_find(struct reuse *reuse, const struct vt_block *block, int n,
		     uint64_t bar)
{
	for (; n; n--, block++) {
		uint64_t skipped = bar - block->bar;

		if (bar < block->bar || skipped >= block->length)
			continue;
		reuse->offset = block->offset + skipped;
		reuse->length = block->length - skipped;
		if (reuse->length > PART)
			reuse->length = PART;
		return 0;
	}
	return -ENOENT;
}

static int part_look_up(struct reuse *reuse, uint64_t bar)
{
	struct vt_block *blocks = calloc(BLOCKS, sizeof(*blocks));
	int n, ret;

	if (!blocks)
		return -ENOMEM;
	n = vt_mem_blocks(&reuse->mem, blocks, BLOCKS);
	ret = n < 0 ? n : part_find(reuse, blocks, n < BLOCKS ? n : BLOCKS, bar);
	free(blocks);
	return ret;
}

static int reuse_start(struct reuse *reuse, uint64_t bar)
{
	struct vt_vram_info info;
	int ret;

	ret = vt_vram_info(&info);
	if (ret)
		return ret;
	ret = vt_mem_alloc(&reuse->mem, &vt_mem_vram_named, info.size - info.used, 0);
	if (ret)
		return ret;
	/* The first access brings the BO into VRAM, if it was not. */
	*reuse->mem.addr = 0;
	ret = part_look_up(reuse, bar);
	if (!ret)
		vt_pattern_fill(reuse->mem.addr + reuse->offset, SEED, 0, reuse->length);
	return ret;
}

static int reuse_check(struct reuse *reuse)
{
	uint8_t *want = malloc(reuse->length);
	ssize_t at;

	if (!want)
		return -ENOMEM;
	vt_pattern_fill(want, SEED, 0, reuse->length);
	at = vt_first_diff(reuse->mem.addr + reuse->offset, want, reuse->length);
	free(want);
	if (at >= 0)
		fprintf(stderr, "# another's byte %zd was changed\n", at);
	return at < 0 ? 0 : -EILSEQ;
}

#define CHECK UINT64_MAX

static void victim_run(int socket)
{
	struct reuse reuse;
	uint64_t bar;
	int ret;

	while (read(socket, &bar, sizeof(bar)) == sizeof(bar)) {
		ret = bar == CHECK ? reuse_check(&reuse) :
				     reuse_start(&reuse, bar);
		if (write(socket, &ret, sizeof(ret)) != sizeof(ret))
			break;
	}
}

/* ---- control of the child process ---- */

int victim_start(struct victim *victim)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends))
		return -errno;
	victim->pid = fork();
	if (!victim->pid) {
		close(ends[0]);
		victim_run(ends[1]);
		_exit(0);
	}
	close(ends[1]);
	victim->socket = ends[0];
	return victim->pid < 0 ? -errno : 0;
}

static int victim_call(struct victim *victim, uint64_t what)
{
	int ret;

	if (write(victim->socket, &what, sizeof(what)) != sizeof(what) ||
	    read(victim->socket, &ret, sizeof(ret)) != sizeof(ret))
		return -EPIPE;
	return ret;
}

int victim_allocate(struct victim *victim, uint64_t bar)
{
	return victim_call(victim, bar);
}

int victim_check(struct victim *victim)
{
	return victim_call(victim, CHECK);
}

void victim_end(struct victim *victim)
{
	close(victim->socket);
	waitpid(victim->pid, NULL, 0);
}

int vram_bar_addr(struct vt_mem *mem, uint64_t *bar)
{
	struct vt_block block;
	int ret = vt_mem_blocks(mem, &block, 1);

	if (ret < 1)
		return ret ?: -ENOENT;
	*bar = block.bar;
	return 0;
}
