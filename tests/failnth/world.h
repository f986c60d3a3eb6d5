/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * What the sweeps of memory regions share: memory, a region over it, and a pair
 * of queue pairs that shows whether the region works.
 */
#ifndef FN_WORLD_H
#define FN_WORLD_H

#include "lib/buf.h"

#define PAGE 4096UL
#define SIZE (64 * 1024UL)
#define ON_DEMAND (VT_ACCESS_ALL | IBV_ACCESS_ON_DEMAND)

/**
 * struct world - zero, but for what a sweep needs to be otherwise
 * @kind:   of the memory
 * @length: of it; 0: SIZE
 * @access: of the region
 * @implicit: the region is all of the address space
 * @other:  host memory with a pinned region, the other side of operations
 * @mem:    the memory, and @mr, over it or NULL
 * @seed:   of the data that comes next
 */
struct world {
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
int world_open(struct world *w);
int world_close(struct world *w);

int world_alloc(struct world *w);
void world_free(struct world *w);
int world_register(struct world *w);
int world_deregister(struct world *w);
/* Memory with known bytes in it, and a region; and the end of both. */
int world_make(struct world *w);
int world_unmake(struct world *w);

/*
 * WRITE into the region and READ from it, of the last byte too. The owner of
 * the memory must have just these bytes. All of the region must work.
 */
int world_use(struct world *w);
/* READ only, of what the memory has. */
int world_read(struct world *w);
/* The page must not be accessible by the region any more. New queue pairs. */
int world_refused(struct world *w, uint64_t offset, bool write);

struct ibv_sge world_sge(struct world *w, uint64_t offset, uint32_t length);
struct vt_remote world_at(struct world *w, uint64_t offset);

#endif
