/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * A registered buffer and its expected contents.
 *
 * Each buffer has a shadow copy on the heap. A test does an RDMA operation, does
 * the same to the shadow with memcpy(), and compares: through the mapping, and
 * through the interface of the exporter.
 */
#ifndef VT_BUF_H
#define VT_BUF_H

#include "mem.h"
#include "verbs.h"

#define VT_ACCESS_ALL (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
		       IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC | \
		       IBV_ACCESS_MW_BIND | 0x100 /* FLUSH_GLOBAL */)

/* All access flags that an MR over a dma-buf supports. */
#define VT_ACCESS_DMABUF (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | \
			  IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_ATOMIC)

/**
 * struct vt_buf_opts - options of a registration; zero is the default of each
 * @skip:   bytes at the start of the memory that are not registered
 * @tail:   bytes at the end of the memory that are not registered
 * @access: access flags; 0: VT_ACCESS_ALL, for a dma-buf VT_ACCESS_DMABUF
 * @iova:   the MR starts at @iova plus the offset in the page; 0: at the virtual
 *          address; ULLONG_MAX: zero-based
 * @pd:     protection domain; NULL: that of the device
 */
struct vt_buf_opts {
	size_t skip;
	size_t tail;
	int access;
	uint64_t iova;
	struct ibv_pd *pd;
};

/* @iova: address of byte 0 of the memory in the MR, even if it is not registered */
struct vt_buf {
	struct vt_mem mem;
	struct ibv_mr *mr;
	uint64_t iova;
	uint8_t *shadow;
};

int vt_buf_open(struct vt_buf *buf, struct vt_dev *dev,
		const struct vt_mem_kind *kind, size_t length,
		const struct vt_buf_opts *opts);
/* Return: 0 or -errno of the deregistration. */
int vt_buf_close(struct vt_buf *buf);

/* Fills the memory (through the mapping) and the shadow with stream @seed. */
void vt_buf_fill(struct vt_buf *buf, uint64_t seed);
/* The same through the interface of the exporter. Return: 0 or -errno. */
int vt_buf_fill_by_owner(struct vt_buf *buf, uint64_t seed);

/*
 * Compares [offset, offset + length), and one page before and after it, with the
 * shadow: through the mapping and through the exporter. Prints the first difference
 * to stderr. Return: 0, -EILSEQ, or -errno of the exporter.
 */
int vt_buf_check(struct vt_buf *buf, uint64_t offset, size_t length);
int vt_buf_check_all(struct vt_buf *buf);

/*
 * Registers a part of the memory, by its dma-buf if it has one. Return: the MR, or
 * NULL with errno set.
 */
struct ibv_mr *vt_reg_mem(struct ibv_pd *pd, const struct vt_mem *mem,
			  uint64_t offset, uint64_t length, uint64_t iova,
			  int access);
/* Deregisters it; @mem must still exist. Return: 0 or -errno. */
int vt_dereg_mem(const struct vt_mem *mem, struct ibv_mr *mr);

struct ibv_sge vt_sge(const struct vt_buf *buf, uint64_t offset,
		      uint32_t length);
struct vt_remote vt_remote(const struct vt_buf *buf, uint64_t offset);

#endif
