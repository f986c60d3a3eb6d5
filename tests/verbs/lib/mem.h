/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kinds of memory behind one table of operations, so that one test can check that
 * all kinds behave alike.
 *
 * Functions that return int return 0 or -errno unless stated otherwise. An operation
 * that a kind does not support returns -EOPNOTSUPP.
 */
#ifndef VT_MEM_H
#define VT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vt_mem;

/* A contiguous part of a BO, and its offset in the BAR of the device. In bytes. */
struct vt_block {
	uint64_t offset;
	uint64_t length;
	uint64_t bar;
};

enum vt_mem_flags {
	VT_MEM_READ_ONLY = 1 << 0,	/* map without PROT_WRITE */
	VT_MEM_NO_EXPORT = 1 << 1,	/* the exporter denies registrations */
};

/**
 * struct vt_mem_kind - a kind of memory
 * @name:    name in the variants of tests
 * @exporter: directory of the exporter in /sys/kernel/mm/memory_peers; NULL: not
 *           peer memory
 * @module:  module of the exporter; NULL: none, or several
 * @node:    device node whose mmap() allocates memory; NULL: there is none
 * @claimable_after_revoke: an on-demand access after @revoke claims the memory again
 * @base:    kind that provides all operations except @alloc and @free; NULL: this one
 * @prepare: loads the exporter if necessary; NULL: nothing to load
 * @alloc:   allocates and maps memory; sets addr, length, fd and handle
 * @free:    undoes @alloc, also after a partial munmap() and after @destroy
 * @read:    reads bytes through the exporter, neither by the mapping nor by RDMA
 * @write:   likewise writes bytes
 * @blocks:  stores at most @room blocks; returns the number of all blocks
 * @destroy: destroys the memory while it is in use
 * @revoke:  revokes the regions; the memory stays allocated
 * @move:    moves the memory to its preferred place (@home), or away from it; keeps
 *           the contents
 * @share:   returns a descriptor for another process
 * @import:  maps the memory behind such a descriptor
 */
struct vt_mem_kind {
	const char *name;
	const char *exporter;
	const char *module;
	const char *node;
	bool claimable_after_revoke;
	const struct vt_mem_kind *base;
	int (*prepare)(void);
	int (*alloc)(struct vt_mem *mem, size_t length, unsigned int flags);
	void (*free)(struct vt_mem *mem);
	int (*read)(struct vt_mem *mem, uint64_t offset, void *dst,
		    size_t length);
	int (*write)(struct vt_mem *mem, uint64_t offset, const void *src,
		     size_t length);
	int (*blocks)(struct vt_mem *mem, struct vt_block *blocks,
		      unsigned int room);
	int (*destroy)(struct vt_mem *mem);
	int (*revoke)(struct vt_mem *mem);
	int (*move)(struct vt_mem *mem, bool home);
	int (*share)(struct vt_mem *mem);
	int (*import)(struct vt_mem *mem, int fd, size_t length);
};

/* @dmabuf: the dma-buf to register the memory by; -1: register it by address */
struct vt_mem {
	const struct vt_mem_kind *kind;
	uint8_t *addr;
	size_t length;
	int fd;
	uint32_t handle;
	int dmabuf;
};

extern const struct vt_mem_kind vt_mem_host;
/* A BO allocated by mmap() of the device node, as perftest does. */
extern const struct vt_mem_kind vt_mem_vram;
/* A BO created by ioctl, and one that is created in system memory. */
extern const struct vt_mem_kind vt_mem_vram_named;
extern const struct vt_mem_kind vt_mem_vram_system;
/* CMB of an NVMe controller. It never moves. */
extern const struct vt_mem_kind vt_mem_cmb;
/* Memory of the PeerDirect test client (tests/kmod). */
extern const struct vt_mem_kind vt_mem_peerdirect;
/* Reloads that client with module parameters. Return: as vt_insmod_test(). */
int vt_peerdirect_load(const char *params);
/* The same memory, of an exporter that uses the native API (peer_test_native). */
extern const struct vt_mem_kind vt_mem_native;
/* The same memory, of an exporter that allows only edu0 (peer_test_link). */
extern const struct vt_mem_kind vt_mem_private_link;

/*
 * Memory that is registered as a dma-buf: of exporters of the kernel (udmabuf, heap,
 * vgem), and of peer_test_dmabuf.ko. Buffers of the latter move, do not move (fixed),
 * are marked as I/O memory, or have DMA addresses.
 */
extern const struct vt_mem_kind vt_mem_udmabuf;
extern const struct vt_mem_kind vt_mem_heap;
extern const struct vt_mem_kind vt_mem_vgem;
extern const struct vt_mem_kind vt_mem_moving;
extern const struct vt_mem_kind vt_mem_fixed;
extern const struct vt_mem_kind vt_mem_iomem;
extern const struct vt_mem_kind vt_mem_dma;
/*
 * Also of peer_test_dmabuf.ko: an engine copies the bytes after a move, and a fence
 * signals the end of the copy. The copy starts with the first use of the buffer, or
 * (eager) with the move. A fixed buffer does not move while it is registered.
 */
extern const struct vt_mem_kind vt_mem_engine;
extern const struct vt_mem_kind vt_mem_engine_eager;
extern const struct vt_mem_kind vt_mem_engine_iomem;
extern const struct vt_mem_kind vt_mem_engine_fixed;
/* A dma-buf that peer_vram exports. */
extern const struct vt_mem_kind vt_mem_vram_dmabuf;

/* Ranges of the kinds above that the core exports as dma-bufs. */
extern const struct vt_mem_kind vt_mem_vram_range;
extern const struct vt_mem_kind vt_mem_cmb_range;
extern const struct vt_mem_kind vt_mem_peerdirect_range;

/*
 * Exports a range of this process as a dma-buf. @flags: enum peer_mem_export_flags.
 * Return: its descriptor or -errno.
 */
int vt_export(const void *addr, size_t length, uint32_t flags);

/* By name; NULL if there is no such kind. */
const struct vt_mem_kind *vt_mem_kind_find(const char *name);

/* The kind that provides the operations of @kind: its base, or @kind itself. */
const struct vt_mem_kind *vt_mem_base(const struct vt_mem_kind *kind);

/* Return: 0, -errno, or the exit status of modprobe or insmod. */
int vt_mem_prepare(const struct vt_mem_kind *kind);
int vt_mem_alloc(struct vt_mem *mem, const struct vt_mem_kind *kind,
		 size_t length, unsigned int flags);
void vt_mem_free(struct vt_mem *mem);
int vt_mem_read(struct vt_mem *mem, uint64_t offset, void *dst, size_t length);
int vt_mem_write(struct vt_mem *mem, uint64_t offset, const void *src,
		 size_t length);
int vt_mem_blocks(struct vt_mem *mem, struct vt_block *blocks,
		  unsigned int room);
int vt_mem_destroy(struct vt_mem *mem);
int vt_mem_revoke(struct vt_mem *mem);
int vt_mem_move(struct vt_mem *mem, bool home);
/* Maps new memory of the kind's node at @addr, and replaces what is mapped there. */
int vt_mem_map_at(const struct vt_mem_kind *kind, void *addr, size_t length);
int vt_mem_share(struct vt_mem *mem);
int vt_mem_import(struct vt_mem *mem, const struct vt_mem_kind *kind, int fd,
		  size_t length);

/* Usage of the whole VRAM of vt_mem_vram, in bytes; @objects is a number of BOs. */
struct vt_vram_info {
	uint64_t size, used, pinned, pinnable, system_used, block_size;
	uint64_t objects;
};

int vt_vram_info(struct vt_vram_info *info);

#endif
