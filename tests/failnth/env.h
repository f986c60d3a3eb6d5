/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Common parts of the sweeps of MRs: memory, an MR of it, and two connected
 * queue pairs to check that the MR works.
 */
#ifndef FN_ENV_H
#define FN_ENV_H

#include "lib/buf.h"

#define SIZE (64 * 1024UL)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/**
 * struct env - a sweep initializes only the members that it needs
 * @kind:     kind of memory
 * @length:   length of the memory; 0: SIZE
 * @access:   access flags of the MR
 * @implicit: the MR is implicit
 * @dev:      the RDMA device
 * @pair:     the connected queue pairs
 * @other:    system memory with a pinned MR, the other side of operations
 * @mem:      the memory
 * @mr:       the MR, or NULL
 * @seed:     seed of the next data
 */
struct env {
	const struct vt_mem_kind *kind;
	size_t length;
	int access;
	bool implicit;
	struct vt_dev dev;
	struct vt_pair pair;
	struct vt_buf other;
	struct vt_mem mem;
	struct ibv_mr *mr;
	uint64_t seed;
};

/* All return 0 or -errno. */
int env_open(struct env *w);
int env_close(struct env *w);

int env_alloc(struct env *w);
void env_free(struct env *w);
int env_register(struct env *w);
int env_deregister(struct env *w);
/* Allocate memory with known data and register it; the reverse. */
int env_create(struct env *w);
int env_destroy(struct env *w);

/*
 * Writes to the MR and reads from it, up to the last byte. Compares the data
 * with what the exporter reads. The whole MR must work.
 */
int env_check_access(struct env *w);
/* Reads only, and compares. */
int env_check_read(struct env *w);
/*
 * Checks that the page is not accessible through the MR. Renews the queue
 * pairs.
 */
int env_check_denied(struct env *w, uint64_t offset, bool write);

struct ibv_sge env_sge(struct env *w, uint64_t offset, uint32_t length);
struct vt_remote env_remote(struct env *w, uint64_t offset);

#endif
