/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The structs of peer_vram, their locks and their lifetimes.
 *
 * Terms:
 *   VRAM    the memory BAR of the device, or system memory in its place, allocated in
 *           blocks
 *   BO      a buffer object: a GEM object, which has the reference count, and its
 *           parts
 *   part    what moves at once: up to 2 MiB of a BO, in VRAM (several blocks, in any
 *           order) or in system memory. It is a TTM buffer object
 *   resv    the dma_resv lock of a BO, which its parts share. It protects the place
 *           of the parts, the state of the BO and its list of RDMA regions
 *   region  an RDMA registration of a range of a BO: struct ib_peer_region, with
 *           struct peer_vram_region as its private data
 *
 * Lock order, outermost first:
 *
 *   mmap_lock
 *     misc_mtx (open only)
 *     resv of a BO; further ones only by trylock (eviction)
 *       i_mmap_rwsem and MMU notifiers (TTM zaps page tables)
 *       locks of the RDMA core (ib_peer_revoke(), ib_peer_invalidate())
 *       peer_vram_manager.lock
 *       peer_vram_device.lock, ttm_device.lru_lock
 *   xa_lock of peer_vram_file.handles: a leaf; BO references are dropped outside
 *
 * Lifetime: a holder of a BO reference (handle, mapping, dma-buf, region) also
 * holds a reference on the drm_device, and drops that one last. Removal of the
 * device kills every BO. While resv of a BO that is not dead is held, the device
 * and its memory are therefore present.
 *
 * BO references are references of the GEM object. The last one drops those of the
 * parts (compat/ttm.h). TTM may hold further ones, and evict or swap out a part of a
 * BO that has no GEM references any more. Such a BO has no handle, mapping, dma-buf or
 * region, and cannot get any. Lookups use peer_vram_bo_tryget(). The memory of struct
 * peer_vram_bo remains until TTM has freed the last part.
 *
 * resv of a BO is not the reservation object of its dma-bufs: a user of a dma-buf can
 * add fences to that one (DMA_BUF_IOCTL_IMPORT_SYNC_FILE), and TTM waits for fences
 * before it moves or frees memory.
 */
#ifndef PEER_VRAM_TYPES_H
#define PEER_VRAM_TYPES_H

#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_resource.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/dma-resv.h>
#include <linux/kref.h>
#include <linux/math.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

struct pci_dev;

#define PEER_VRAM_BLOCK_SHIFT 16
#define PEER_VRAM_BLOCK_SIZE BIT(PEER_VRAM_BLOCK_SHIFT)

/* 2 MiB: the most that a fault of an RDMA device asks for */
#define PEER_VRAM_PART_SHIFT 21
#define PEER_VRAM_PART_SIZE BIT(PEER_VRAM_PART_SHIFT)

/**
 * struct peer_vram_manager - allocates the blocks of VRAM
 * @base:   TTM's part
 * @lock:   protects @used, @free and @cursor
 * @used:   one bit a block
 * @count:  number of blocks
 * @free:   number of blocks that are not used
 * @cursor: where the search for the next block begins
 */
struct peer_vram_manager {
	struct ttm_resource_manager base;
	struct mutex lock; /* see above */
	unsigned long *used;
	u32 count;
	u32 free;
	u32 cursor;
};

/**
 * struct peer_vram_device - one device: a PCI device, or system memory
 * @drm:         reference count, VMA offsets, the inode that all mappings share
 * @ttm:         the memory manager
 * @manager:     the blocks of VRAM
 * @misc:        the character device
 * @name:        name of the character device
 * @id:          number in @name
 * @size:        bytes of VRAM, a multiple of the block size
 * @pdev:        the PCI device; NULL: VRAM is system memory
 * @io:          with @pdev: kernel mapping of the whole BAR
 * @bar:         with @pdev: CPU physical address of the BAR
 * @chunks:      without @pdev: the system memory (peer_vram_memory.c)
 * @lock:        protects @removed, @live_bos, @dead_bos, @nr_bos, @pinned
 * @removed:     the device is being removed: it gets no new BOs
 * @live_bos:    BOs that are not dead
 * @dead_bos:    dead BOs that still have references
 * @nr_bos:      number of BOs: both lists, and BOs being created or freed
 * @pinned:      bytes of VRAM of pinned BOs, in whole blocks
 * @moves:       number of moves of parts
 * @evictions:   number of evictions of parts
 * @swapouts:    number of parts swapped out of system memory
 * @substituted: number of faults of RDMA devices answered with system pages
 */
struct peer_vram_device {
	struct drm_device drm;
	struct ttm_device ttm;
	struct peer_vram_manager manager;
	struct miscdevice misc;
	char name[24];
	int id;

	u64 size;
	struct pci_dev *pdev;
	void __iomem *io;
	resource_size_t bar;
	struct page **chunks;

	spinlock_t lock; /* see above */
	bool removed;
	struct list_head live_bos;
	struct list_head dead_bos;
	u64 nr_bos;
	u64 pinned;

	atomic64_t moves;
	atomic64_t evictions;
	atomic64_t swapouts;
	atomic64_t substituted;
};

/**
 * struct peer_vram_part - a part of a BO
 * @tbo:      TTM's part; its resv is that of the BO until TTM frees it
 * @bo:       the BO
 * @offset:   in the BO, in bytes, a multiple of PEER_VRAM_PART_SIZE
 * @pins:     number of pinned RDMA regions that overlap it; under resv
 * @reported: an importer may know where it is; under resv
 */
struct peer_vram_part {
	struct ttm_buffer_object tbo;
	struct peer_vram_bo *bo;
	u64 offset;
	u32 pins;
	bool reported;
};

/**
 * struct peer_vram_bo - a buffer object
 * @gem:        reference count, length, mmap() offsets
 * @vram:       the device; whoever holds a reference on the BO holds one on it
 * @resv:       see above
 * @node:       in peer_vram_device.live_bos or .dead_bos; under its lock
 * @regions:    RDMA regions that are not revoked; under resv
 * @pins:       number of pinned regions in @regions; under resv
 * @dead:       has no memory, and never gets any again; under resv
 * @placed:     the first placement is done: from now on, moves are counted; under
 *              resv
 * @export:     RDMA devices may register it; under resv
 * @in_place:   on-demand accesses do not move it to VRAM; under resv
 * @nr_unfreed: parts that TTM has not freed, and 1 for the GEM object
 * @nr_parts:   constant
 * @parts:      all of PEER_VRAM_PART_SIZE but the last
 */
struct peer_vram_bo {
	struct drm_gem_object gem;
	struct peer_vram_device *vram;
	struct dma_resv resv;
	struct list_head node;
	struct list_head regions;
	u32 pins;
	bool dead;
	bool placed;
	bool export;
	bool in_place;
	atomic_t nr_unfreed;
	u32 nr_parts;
	struct peer_vram_part parts[];
};

/**
 * struct peer_vram_file - an open file of the character device
 * @vram:     holds a reference
 * @handles:  BOs by handle; each entry holds a reference
 * @writable: opened for writing
 */
struct peer_vram_file {
	struct peer_vram_device *vram;
	struct xarray handles;
	bool writable;
};

static inline struct peer_vram_device *to_peer_vram(struct ttm_device *ttm)
{
	return container_of(ttm, struct peer_vram_device, ttm);
}

static inline struct peer_vram_part *to_peer_vram_part(struct ttm_buffer_object *tbo)
{
	return container_of(tbo, struct peer_vram_part, tbo);
}

static inline u64 peer_vram_bo_size(struct peer_vram_bo *bo)
{
	return bo->gem.size;
}

/* Bytes of VRAM that the BO needs: whole blocks. */
static inline u64 peer_vram_bo_vram_size(struct peer_vram_bo *bo)
{
	return round_up(peer_vram_bo_size(bo), PEER_VRAM_BLOCK_SIZE);
}

/* Return: the part at an offset of the BO. */
static inline struct peer_vram_part *
peer_vram_bo_part(struct peer_vram_bo *bo, u64 offset)
{
	return &bo->parts[offset >> PEER_VRAM_PART_SHIFT];
}

static inline struct peer_vram_part *peer_vram_end_part(struct peer_vram_bo *bo)
{
	return bo->parts + bo->nr_parts;
}

/* For loops over parts: the last one that overlaps [@offset, @offset + @length). */
static inline struct peer_vram_part *
peer_vram_last_part(struct peer_vram_bo *bo, u64 offset, u64 length)
{
	return peer_vram_bo_part(bo, offset + length - 1);
}

/* Bytes of VRAM that the part needs: whole blocks. */
static inline u64 peer_vram_part_vram_size(struct peer_vram_part *part)
{
	return round_up(part->tbo.base.size, PEER_VRAM_BLOCK_SIZE);
}

static inline bool peer_vram_part_in_vram(struct peer_vram_part *part)
{
	return part->tbo.resource->mem_type == TTM_PL_VRAM;
}

static inline void peer_vram_bo_get(struct peer_vram_bo *bo)
{
	drm_gem_object_get(&bo->gem);
}

/* Return: false if the last reference has been dropped. */
static inline bool peer_vram_bo_tryget(struct peer_vram_bo *bo)
{
	return kref_get_unless_zero(&bo->gem.refcount);
}

static inline void peer_vram_bo_put(struct peer_vram_bo *bo)
{
	drm_gem_object_put(&bo->gem);
}

/* Without a lock: the device may be removed at any time. */
static inline bool peer_vram_is_removed(struct peer_vram_device *vram)
{
	return READ_ONCE(vram->removed);
}

#endif
