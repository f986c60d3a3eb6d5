// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* See rng.h. */
#include "rng.h"

uint64_t fz_boundary(struct fz_rng *rng)
{
	static const uint64_t edges[] = {
		0, 1, 7, 8, 4095, 4096, 4097, 65535, 65536, 1 << 20, 1 << 21,
		INT32_MAX, 1ULL << 31, UINT32_MAX, 1ULL << 32, 1ULL << 47,
		INT64_MAX, 1ULL << 63, 0xffff888000000000ULL, UINT64_MAX - 4095,
		UINT64_MAX,
	};
	uint64_t edge = edges[fz_below(rng, sizeof(edges) / sizeof(edges[0]))];

	return fz_chance(rng, 70) ? edge : edge + fz_below(rng, 17) - 8;
}
