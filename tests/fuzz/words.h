/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Calls with a struct, some words of which chance has spoilt. */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include "fuzz.h"

/* Up to three words, the size among them, become something else. */
bool fz_spoil(struct fz_run *run, uint32_t *words, size_t count);
/* An ioctl, recorded and checked. Return: 0 or -errno. */
long fz_call_words(struct fz_run *run, const char *name, int fd,
		   unsigned long nr, uint32_t *words,
		   const struct fz_want *want);

#endif
