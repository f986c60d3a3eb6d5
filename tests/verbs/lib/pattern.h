/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Test data: streams in which every aligned 8-byte word is different from all
 * others, within a stream and between streams. A byte that arrives in the wrong
 * place, twice, or from the wrong stream is seen.
 */
#ifndef VT_PATTERN_H
#define VT_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Word @index of stream @seed. */
uint64_t vt_pattern_word(uint64_t seed, uint64_t index);

/* Bytes [offset, offset + length) of stream @seed, any alignment. */
void vt_pattern_fill(void *dst, uint64_t seed, uint64_t offset, size_t length);

/* Index of the first byte that differs, -1 if none does. */
ssize_t vt_first_diff(const void *have, const void *want, size_t length);

#endif
