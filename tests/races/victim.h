/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A child process that reuses the VRAM which a buffer has left. It allocates a
 * BO of all free VRAM and fills the part that the buffer had with its own
 * pattern. (All of it would take longer than a thread can be held.) It is a
 * separate process because it allocates while a lock of the test's address
 * space is held. Functions return 0 or -errno.
 */
#ifndef VICTIM_H
#define VICTIM_H

#include <stdint.h>
#include <sys/types.h>

#include "lib/mem.h"

struct victim {
	pid_t pid;
	int socket;
};

/*
 * Starts the child. Call it before the test allocates memory: a child would
 * inherit that memory.
 */
int victim_start(struct victim *victim);
/* Allocates. -ENOENT: address @bar of the device is not in the new BO. */
int victim_allocate(struct victim *victim, uint64_t bar);
/* Checks the pattern. -EILSEQ: another process has changed it. */
int victim_check(struct victim *victim);
void victim_end(struct victim *victim);

/* Stores the device address of the first byte of @mem. */
int vram_bar_addr(struct vt_mem *mem, uint64_t *bar);

#endif
