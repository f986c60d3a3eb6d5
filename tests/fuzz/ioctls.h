/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* The ioctls of the node, one by one: see ioctls.c. */
#ifndef FUZZ_IOCTLS_H
#define FUZZ_IOCTLS_H

#include "fuzz.h"

/* The largest struct, and as much as may be longer. */
union fz_arg {
	struct {
		uint32_t size;
		uint32_t handle;
	};
	struct peer_vram_info info;
	struct peer_vram_create create;
	struct peer_vram_lookup lookup;
	struct peer_vram_move move;
	struct peer_vram_query query;
	struct peer_vram_rw rw;
	struct peer_vram_blocks blocks;
	struct peer_vram_share share;
	struct peer_vram_set_flags set_flags;
	struct peer_vram_next next;
	uint8_t bytes[FZ_PAGE];
	uint32_t words[FZ_PAGE / 4];
};

/**
 * struct fz_try - a call that is about to be made
 * @file:   its slot
 * @fd:     and descriptor
 * @room:   bytes of the struct that can be read
 * @object: that the handle names, -1: none
 * @want:   what must come of it
 * @as:     the struct as it was given
 */
struct fz_try {
	const struct fz_ioctl *ioctl;
	int file;
	int fd;
	size_t room;
	int object;
	struct fz_want want;
	union fz_arg as;
};

/**
 * struct fz_ioctl - an ioctl
 * @first: size of the struct's first version
 * @named: it has a handle of an object, which must be alive: @alive
 * @fill:  what makes it work
 * @want:  what else can be wrong with it
 * @done:  it has worked: check what it says, and note what it did
 */
struct fz_ioctl {
	const char *name;
	unsigned int nr;
	uint32_t size, first;
	bool write, named, alive;
	void (*fill)(struct fz_run *run, struct fz_try *try);
	void (*want)(struct fz_run *run, struct fz_try *try);
	void (*done)(struct fz_run *run, struct fz_try *try,
		     const union fz_arg *arg);
};

#define FZ_IOCTLS 18

extern const struct fz_ioctl fz_ioctls[FZ_IOCTLS];

#endif
