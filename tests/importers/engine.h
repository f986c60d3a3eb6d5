/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The DMA engine behind the devices edu0, edu1 and edu2 (tests/kmod/edu), and
 * buffers that it reads and writes by key.
 *
 * It takes 200 ms for up to a page: tests move little.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "../kmod/edu/edu_rdma.h"
#include "importer.h"
#include "lib/buf.h"

/* Loads the module, if it is not there. Return: 0, -errno, or as vt_run(). */
int en_load(void);
/* Which host bridges pass requests between devices: p2p_bridges of ib_peer_mem. */
int en_bridges(const char *list);
/* Return: a descriptor or -errno. */
int en_open(void);

/* @flags: enum edu_rdma_flags. Return: 0 or -errno, see edu_rdma.h. */
int en_access(int engine, enum edu_rdma_device device, uint32_t key,
	      uint64_t addr, void *buffer, uint64_t length, uint32_t flags);
int en_stats(int engine, enum edu_rdma_device device,
	     struct edu_rdma_stats *stats);

/**
 * struct en_buf - memory with an MR of an importer over it
 * @buf: the memory, what must be in it, and the MR's address of its byte 0; its
 *       own MR is none
 * @mr:  the importer's
 */
struct en_buf {
	int engine;
	enum edu_rdma_device device;
	struct im_dev dev;
	struct vt_buf buf;
	struct im_mr mr;
};

/* @abi: how it is registered. Filled with stream 1. */
int en_buf_open(struct en_buf *b, enum edu_rdma_device device, enum im_abi abi,
		const struct vt_mem_kind *kind, size_t length);
/* The same without an MR; one over all of it; and its end, if there is one. */
int en_buf_prepare(struct en_buf *b, enum edu_rdma_device device,
		   enum im_abi abi, const struct vt_mem_kind *kind,
		   size_t length);
int en_buf_register(struct en_buf *b);
int en_buf_deregister(struct en_buf *b);
/* Return: 0 or what the MR's end said. */
int en_buf_close(struct en_buf *b);

/*
 * Bytes of stream @seed by the engine into the memory, and into the shadow; or
 * out of the memory, compared with the shadow: -EILSEQ.
 */
int en_put(struct en_buf *b, uint64_t offset, size_t length, uint64_t seed);
int en_get(struct en_buf *b, uint64_t offset, size_t length);

#endif
