/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Ioctls with a struct, some words of which are corrupted at random. */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include "fuzz.h"

/* May change up to three words, including the size. Return: true if it did. */
bool fz_corrupt(struct fz_run *run, uint32_t *words, size_t count);
/* Calls, records and checks an ioctl. Return: 0 or -errno. */
long fz_ioctl_words(struct fz_run *run, const char *name, int fd,
		    unsigned long nr, uint32_t *words,
		   const struct fz_want *want);

#endif
