// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * See pattern.h. The words are the outputs of a 64-bit mixing function (a
 * bijection) over a counter, so two words of a stream are never equal.
 */
#include <string.h>

#include "pattern.h"

static uint64_t mix64(uint64_t x)
{
	x ^= x >> 30;
	x *= 0xbf58476d1ce4e5b9ULL;
	x ^= x >> 27;
	x *= 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

uint64_t vt_pattern_word(uint64_t seed, uint64_t index)
{
	return mix64(mix64(seed) + index * 0x9e3779b97f4a7c15ULL);
}

void vt_pattern_fill(void *dst, uint64_t seed, uint64_t offset, size_t length)
{
	uint8_t *out = dst;

	while (length) {
		uint64_t word = vt_pattern_word(seed, offset / sizeof(word));
		size_t skip = offset % sizeof(word);
		size_t bytes = sizeof(word) - skip;

		if (bytes > length)
			bytes = length;
		memcpy(out, (uint8_t *)&word + skip, bytes);
		out += bytes;
		offset += bytes;
		length -= bytes;
	}
}

ssize_t vt_first_diff(const void *have, const void *want, size_t length)
{
	const uint8_t *a = have;
	const uint8_t *b = want;
	size_t i;

	if (!memcmp(a, b, length))
		return -1;
	for (i = 0; a[i] == b[i]; i++)
		;
	return i;
}
