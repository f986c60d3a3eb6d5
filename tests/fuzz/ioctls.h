/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Table of the ioctls of /dev/peer_vram0: see ioctls.c. */
#ifndef FUZZ_IOCTLS_H
#define FUZZ_IOCTLS_H

#include "fuzz.h"

/* The structs, and one page: the largest size that the kernel accepts. */
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
	uint8_t bytes[FZ_MAX_PAGE];
	uint32_t words[FZ_MAX_PAGE / 4];
};

/**
 * struct fz_try - a call to make
 * @ioctl:    which ioctl
 * @file:     index of the open file
 * @fd:       its descriptor
 * @readable: number of bytes of the struct that the kernel can read
 * @bo:       BO of the handle, or FZ_NO_BO
 * @want:     expected results
 * @in:       the struct as passed
 */
struct fz_try {
	const struct fz_ioctl *ioctl;
	int file;
	int fd;
	size_t readable;
	int bo;
	struct fz_want want;
	union fz_arg in;
};

/**
 * struct fz_ioctl - an ioctl
 * @name:          for messages
 * @nr:            ioctl number
 * @size:          size of the struct
 * @min_size:      size of the first version of the struct
 * @needs_write:   fails with EACCES for a read-only file
 * @has_handle:    the struct has the handle of a BO
 * @needs_live_bo: fails with ENODEV if this BO was destroyed
 * @fill:          fills the struct with valid values
 * @want:          adds the expected errors of this struct
 * @done:          after success: checks the output, and updates the model
 */
struct fz_ioctl {
	const char *name;
	unsigned int nr;
	uint32_t size, min_size;
	bool needs_write, has_handle, needs_live_bo;
	void (*fill)(struct fz_run *run, struct fz_try *try);
	void (*want)(struct fz_run *run, struct fz_try *try);
	void (*done)(struct fz_run *run, struct fz_try *try,
		     const union fz_arg *arg);
};

#define FZ_IOCTLS 18

extern const struct fz_ioctl fz_ioctls[FZ_IOCTLS];

#endif
