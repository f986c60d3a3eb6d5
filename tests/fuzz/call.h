/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A verbs command without libibverbs, which would put right or refuse by itself
 * what is wrong with it.
 */
#ifndef FUZZ_CALL_H
#define FUZZ_CALL_H

#include <infiniband/verbs.h>

/* Lengths of what the kernel is told that there is. Return: 0 or -errno. */
int fz_verbs(struct ibv_context *ctx, uint32_t command, const void *in,
	     size_t in_length, void *out, size_t out_length);

#endif
