/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Verbs commands without libibverbs, which would correct or reject invalid ones.
 */
#ifndef FUZZ_CALL_H
#define FUZZ_CALL_H

#include <infiniband/verbs.h>

/* The lengths are passed to the kernel as given. Return: 0 or -errno. */
int fz_verbs(struct ibv_context *ctx, uint32_t command, const void *in,
	     size_t in_length, void *out, size_t out_length);

#endif
