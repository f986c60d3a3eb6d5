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

/* ---- the child process ---- */

/* Return: 0 if address @bar of the device is inside the BO, -ENOENT if not. */
static int bo_contains(struct vt_mem *mem, uint64_t bar)
{
	struct vt_block *blocks = calloc(BLOCKS, sizeof(*blocks));
	int i, n, ret = -ENOENT;

	if (!blocks)
		return -ENOMEM;
	n = vt_mem_blocks(mem, blocks, BLOCKS);
	for (i = 0; i < n && i < BLOCKS; i++)
		if (bar >= blocks[i].bar &&
		    bar - blocks[i].bar < blocks[i].length)
			ret = 0;
	free(blocks);
	return n < 0 ? n : ret;
}

static int bo_allocate(struct vt_mem *mem, uint64_t bar)
{
	struct vt_vram_info info;
	int ret;

	ret = vt_vram_info(&info);
	if (ret)
		return ret;
	ret = vt_mem_alloc(mem, &vt_mem_vram_named, info.size - info.used, 0);
	if (ret)
		return ret;
	vt_pattern_fill(mem->addr, SEED, 0, mem->length);
	return bo_contains(mem, bar);
}

static int bo_check(struct vt_mem *mem)
{
	uint8_t *want = malloc(mem->length);
	ssize_t at;

	if (!want)
		return -ENOMEM;
	vt_pattern_fill(want, SEED, 0, mem->length);
	at = vt_first_diff(mem->addr, want, mem->length);
	free(want);
	if (at >= 0)
		fprintf(stderr, "# another's byte %zd was changed\n", at);
	return at < 0 ? 0 : -EILSEQ;
}

#define CHECK UINT64_MAX

static void victim_run(int socket)
{
	struct vt_mem mem;
	uint64_t bar;
	int ret;

	while (read(socket, &bar, sizeof(bar)) == sizeof(bar)) {
		ret = bar == CHECK ? bo_check(&mem) :
				     bo_allocate(&mem, bar);
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
