/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A registered buffer and what must be in it.
 *
 * Next to the memory stands a shadow copy in the process's heap. A test does an
 * operation, does the same to the shadow by memcpy(), and compares: through the
 * mapping, and through the owner of the memory.
 */
#ifndef VT_BUF_H
#define VT_BUF_H

#include "mem.h"
#include "verbs.h"

#define VT_ACCESS_ALL (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		       IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC | \
		       IBV_ACCESS_MW_BIND | 0x100 /* FLUSH_GLOBAL */)

/* All that an MR of a dma-buf can have. */
#define VT_ACCESS_DMABUF (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
			  IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)

/**
 * struct vt_buf_opts - zero is a good default for all
 * @skip:   the MR begins this many bytes into the memory
 * @tail:   and ends this many before its end
 * @access: 0: VT_ACCESS_ALL, of a dma-buf VT_ACCESS_DMABUF
 * @iova:   the MR's address is @iova plus the offset in the page; 0: the
 *          address in the process; ULLONG_MAX: zero-based
 * @pd:     NULL: the device's
 */
struct vt_buf_opts {
	size_t skip;
	size_t tail;
	int access;
	uint64_t iova;
	struct ibv_pd *pd;
};

/* @iova: the MR's address for byte 0 of the memory, whether registered or not */
struct vt_buf {
	struct vt_mem mem;
	struct ibv_mr *mr;
	uint64_t iova;
	uint8_t *shadow;
};

int vt_buf_open(struct vt_buf *buf, struct vt_dev *dev,
		const struct vt_mem_kind *kind, size_t length,
		const struct vt_buf_opts *opts);
/* Return: 0 or what ibv_dereg_mr() said. */
int vt_buf_close(struct vt_buf *buf);

/* All of the memory, and the shadow, becomes a stream; through the mapping. */
void vt_buf_fill(struct vt_buf *buf, uint64_t seed);
/* The same through the owner's own ioctl. */
int vt_buf_fill_by_owner(struct vt_buf *buf, uint64_t seed);

/*
 * Compares [offset, offset + length) and the bytes before and after it (one
 * page of each) with the shadow, both ways. Says on stderr what differs.
 * Return: 0, -EILSEQ, or what the owner said.
 */
int vt_buf_check(struct vt_buf *buf, uint64_t offset, size_t length);
int vt_buf_check_all(struct vt_buf *buf);

/*
 * An MR over a part of memory, of its dma-buf if that is what it is registered
 * by. Return: NULL and errno if there is none.
 */
struct ibv_mr *vt_reg_mem(struct ibv_pd *pd, const struct vt_mem *mem,
			  uint64_t offset, uint64_t length, uint64_t iova,
			  int access);
/* The end of it, as long as the memory is there. Return: 0 or -errno. */
int vt_dereg_mem(const struct vt_mem *mem, struct ibv_mr *mr);

struct ibv_sge vt_sge(const struct vt_buf *buf, uint64_t offset,
		      uint32_t length);
struct vt_remote vt_remote(const struct vt_buf *buf, uint64_t offset);

#endif
