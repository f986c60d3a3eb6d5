/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Pseudo-random numbers, reproducible by the seed: a counter that increases by an
 * odd constant, hashed by multiplications.
 */
#ifndef FUZZ_RNG_H
#define FUZZ_RNG_H

#include <stdbool.h>
#include <stdint.h>

struct fz_rng {
	uint64_t state;
};

static inline uint64_t fz_hash(uint64_t x)
{
	x = (x ^ (x >> 32)) * 0xd6e8feb86659fd93ULL;
	x = (x ^ (x >> 29)) * 0xa0761d6478bd642fULL;
	return x ^ (x >> 32);
}

static inline uint64_t fz_next(struct fz_rng *rng)
{
	rng->state += 0x9e3779b97f4a7c15ULL;
	return fz_hash(rng->state);
}

/* Return: a number below @n, which must not be 0. */
static inline uint64_t fz_below(struct fz_rng *rng, uint64_t n)
{
	return fz_next(rng) % n;
}

static inline bool fz_chance(struct fz_rng *rng, unsigned int percent)
{
	return fz_below(rng, 100) < percent;
}

/* Return: a boundary value, such as 0, a page size, or UINT64_MAX, or near one. */
uint64_t fz_boundary(struct fz_rng *rng);

#endif
