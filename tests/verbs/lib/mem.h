/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Kinds of memory behind one vtable, so that one test runs on all of them and
 * shows that they behave alike.
 *
 * Every function that returns int returns 0 or -errno. What a kind cannot do
 * gives -EOPNOTSUPP.
 */
#ifndef VT_MEM_H
#define VT_MEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vt_mem;

/* A contiguous piece of an object, as it lies in the device's BAR. */
struct vt_block {
	uint64_t offset;
	uint64_t length;
	uint64_t bar;
};

enum vt_mem_flags {
	VT_MEM_READ_ONLY = 1 << 0,	/* map without PROT_WRITE */
	VT_MEM_NO_EXPORT = 1 << 1,	/* an object that may not be registered */
};

/**
 * struct vt_mem_kind - what a kind of memory can do
 * @name:    as in the names of the tests' variants
 * @client:  its directory in /sys/kernel/mm/memory_peers, NULL: not peer memory
 * @module:  of its exporter; NULL: there is none, or several
 * @node:    of the device: open() and mmap() make memory; NULL: not so
 * @again:   after @revoke the next access on demand has it again
 * @base:    whose all the rest is but alloc and free; NULL: its own
 * @prepare: loads what owns such memory, if it is not there; NULL: it always is
 * @alloc:   fills in addr, length, fd and handle
 * @free:    undoes it, also after a part was unmapped or destroyed
 * @read, @write: the owner's own view of the bytes, by a way that is not the
 *           mapping and not RDMA
 * @blocks:  where it lies; returns their number
 * @destroy: the object dies under its users
 * @revoke:  its memory regions die, the object lives
 * @move:    it goes where it belongs (@home), or elsewhere; the bytes stay
 * @share:   a descriptor for another process
 * @import:  the object behind such a descriptor, mapped
 */
struct vt_mem_kind {
	const char *name;
	const char *client;
	const char *module;
	const char *node;
	bool again;
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

/* @dmabuf: what is registered is this dma-buf; -1: the addresses */
struct vt_mem {
	const struct vt_mem_kind *kind;
	uint8_t *addr;
	size_t length;
	int fd;
	uint32_t handle;
	int dmabuf;
};

extern const struct vt_mem_kind vt_mem_host;
/* An object made by mmap() of the device node, as perftest does. */
extern const struct vt_mem_kind vt_mem_vram;
/* One made by ioctl, and one of these that begins in system memory. */
extern const struct vt_mem_kind vt_mem_vram_named;
extern const struct vt_mem_kind vt_mem_vram_system;
/* Of an NVMe controller; it never moves. */
extern const struct vt_mem_kind vt_mem_cmb;
/* Of the PeerDirect test client (tests/kmod). */
extern const struct vt_mem_kind vt_mem_peerdirect;
/* That client anew, with these parameters. Return: as vt_insmod_test(). */
int vt_peerdirect_load(const char *params);
/* The same memory, of an exporter of the native API (peer_test_native). */
extern const struct vt_mem_kind vt_mem_native;
/* The same memory, of the client that gives it to edu0 alone (peer_test_link). */
extern const struct vt_mem_kind vt_mem_private_link;

/*
 * Registered as dma-bufs. Of the kernel's own exporters; of peer_test_dmabuf.ko,
 * that move, do not, are called I/O memory, and move with addresses for DMA; of
 * peer_vram.
 */
extern const struct vt_mem_kind vt_mem_udmabuf;
extern const struct vt_mem_kind vt_mem_heap;
extern const struct vt_mem_kind vt_mem_vgem;
extern const struct vt_mem_kind vt_mem_moving;
extern const struct vt_mem_kind vt_mem_fixed;
extern const struct vt_mem_kind vt_mem_iomem;
extern const struct vt_mem_kind vt_mem_dma;
/*
 * Of peer_test_dmabuf.ko, too: an engine copies the bytes after a move, and a fence
 * says when they are there. The copy begins with the first use of the buffer, or
 * (eager) with the move. The last does not move while it is registered.
 */
extern const struct vt_mem_kind vt_mem_engine;
extern const struct vt_mem_kind vt_mem_engine_eager;
extern const struct vt_mem_kind vt_mem_engine_iomem;
extern const struct vt_mem_kind vt_mem_engine_fixed;
extern const struct vt_mem_kind vt_mem_vram_dmabuf;

/* Ranges that the core made a dma-buf of, of the kinds above. */
extern const struct vt_mem_kind vt_mem_vram_range;
extern const struct vt_mem_kind vt_mem_cmb_range;
extern const struct vt_mem_kind vt_mem_peerdirect_range;

/* @flags: enum peer_mem_export_flags. Return: a dma-buf, or -errno. */
int vt_export(const void *addr, size_t length, uint32_t flags);

/* By name; NULL if there is no such kind. */
const struct vt_mem_kind *vt_mem_kind_find(const char *name);

/* Whose functions, and facts of memory, are the kind's. */
const struct vt_mem_kind *vt_mem_owner(const struct vt_mem_kind *kind);

/* Return: 0, -errno, or the status of what loads modules. */
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
/* By the kind's node: new memory at @addr, in the place of what is there. */
int vt_mem_map_at(const struct vt_mem_kind *kind, void *addr, size_t length);
int vt_mem_share(struct vt_mem *mem);
int vt_mem_import(struct vt_mem *mem, const struct vt_mem_kind *kind, int fd,
		  size_t length);

/* Facts about the video memory as a whole, from the device of vt_mem_vram. */
struct vt_vram_info {
	uint64_t size, used, pinned, pinnable, system_used, block_size;
	uint64_t objects;
};

int vt_vram_info(struct vt_vram_info *info);

#endif
