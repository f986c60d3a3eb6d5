/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Test data: streams in which every aligned 8-byte word is different from all
 * others, within a stream and between streams. Comparison detects bytes that arrive
 * at the wrong place, twice, or from the wrong stream.
 */
#ifndef VT_PATTERN_H
#define VT_PATTERN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Word @index of stream @seed. */
uint64_t vt_pattern_word(uint64_t seed, uint64_t index);

/* Stores bytes [offset, offset + length) of stream @seed, at any alignment. */
void vt_pattern_fill(void *dst, uint64_t seed, uint64_t offset, size_t length);

/* Return: index of the first byte that differs, -1 if there is none. */
ssize_t vt_first_diff(const void *have, const void *want, size_t length);

#endif
