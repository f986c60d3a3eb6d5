/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The DMA engine of the devices edu0, edu1 and edu2 (tests/kmod/edu), and buffers
 * that it reads and writes by key.
 *
 * The engine needs 200 ms for a page or less, so tests transfer little data.
 */
#ifndef ENGINE_H
#define ENGINE_H

#include "../kmod/edu/edu_rdma.h"
#include "importer.h"
#include "lib/buf.h"

/*
 * Loads the module if it is not loaded. Return: 0, -errno, or the status of
 * vt_run().
 */
int en_load(void);
/* Sets the module parameter p2p_bridges of ib_peer_mem. Return: 0 or -errno. */
int en_set_bridges(const char *list);
/* Opens the device file of the engine. Return: a descriptor or -errno. */
int en_open(void);

/* @flags: enum edu_rdma_flags. Return: 0 or -errno, see edu_rdma.h. */
int en_access(int engine, enum edu_rdma_device device, uint32_t key,
	      uint64_t addr, void *buffer, uint64_t length, uint32_t flags);
int en_stats(int engine, enum edu_rdma_device device,
	     struct edu_rdma_stats *stats);

/**
 * struct en_buf - memory with an MR of an importer
 * @engine: device file of the engine
 * @device: importer
 * @dev:    context of the importer
 * @buf:    the memory, its expected content, and the address of byte 0 in @mr;
 *          @buf.mr is unused
 * @mr:     MR of the memory; @mr.dev is NULL if there is none
 */
struct en_buf {
	int engine;
	enum edu_rdma_device device;
	struct im_dev dev;
	struct vt_buf buf;
	struct im_mr mr;
};

/* Allocates memory, fills it with pattern 1, and registers it through @abi. */
int en_buf_open(struct en_buf *b, enum edu_rdma_device device, enum im_abi abi,
		const struct vt_mem_kind *kind, size_t length);
/*
 * en_buf_prepare() does the same without registering. en_buf_register() registers
 * the whole memory. en_buf_deregister() deregisters the MR, if there is one.
 */
int en_buf_prepare(struct en_buf *b, enum edu_rdma_device device,
		   enum im_abi abi, const struct vt_mem_kind *kind,
		   size_t length);
int en_buf_register(struct en_buf *b);
int en_buf_deregister(struct en_buf *b);
/* Return: 0 or -errno of the deregistration. */
int en_buf_close(struct en_buf *b);

/*
 * en_buf_write() writes pattern @seed to the memory with the engine, and to the
 * shadow. en_buf_read() reads with the engine and compares with the shadow: -EILSEQ
 * if the data differs.
 */
int en_buf_write(struct en_buf *b, uint64_t offset, size_t length, uint64_t seed);
int en_buf_read(struct en_buf *b, uint64_t offset, size_t length);

#endif
