/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The structs of peer_vram, their locks and their lifetimes.
 *
 * Terms:
 *   VRAM    the memory BAR of the device, or system memory in its place, allocated in
 *           blocks
 *   BO      a buffer object: in VRAM (several blocks, in any order) or in system
 *           memory. It embeds a TTM buffer object, and that a GEM object, which has
 *           the reference count
 *   resv    the dma_resv lock of a BO (tbo.base.resv). It protects the place of
 *           the BO, its state and its list of RDMA regions
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
 * BO references are references of the GEM object. The last one drops the TTM
 * reference that the creation of the BO returned (compat/ttm.h). TTM may hold further
 * ones, and evict or swap out a BO that has no GEM references any more. Such a BO has
 * no handle, mapping, dma-buf or region, and cannot get any. Lookups use
 * peer_vram_bo_tryget().
 */
#ifndef PEER_VRAM_TYPES_H
#define PEER_VRAM_TYPES_H

#include <drm/drm_device.h>
#include <drm/drm_gem.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_resource.h>
#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/kref.h>
#include <linux/math.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

struct pci_dev;

#define PEER_VRAM_BLOCK_SHIFT 16
#define PEER_VRAM_BLOCK_SIZE BIT(PEER_VRAM_BLOCK_SHIFT)

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
 * @pin_limit:   maximum of @pinned
 * @lock:        protects @removed, @live_bos, @dead_bos, @nr_bos, @pinned
 * @removed:     the device is being removed: it gets no new BOs
 * @live_bos:    BOs that are not dead
 * @dead_bos:    dead BOs that still have references
 * @nr_bos:      number of BOs: both lists, and BOs being created or freed
 * @pinned:      bytes of VRAM of pinned BOs, in whole blocks
 * @moves:       number of moves of BOs
 * @evictions:   number of evictions of BOs
 * @swapouts:    number of BOs swapped out of system memory
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
	u64 pin_limit;

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
 * struct peer_vram_bo - a buffer object
 * @tbo:      TTM's part; @tbo.base has the reference count and resv
 * @node:     in peer_vram_device.live_bos or .dead_bos; under its lock
 * @regions:  RDMA regions that are not revoked; under resv
 * @pins:     number of pinned regions in @regions; under resv
 * @dead:     has no memory, and never gets any again; under resv
 * @placed:   the first placement is done: from now on, moves are counted; under
 *            resv
 * @export:   RDMA devices may register it; under resv
 * @in_place: on-demand accesses do not move it to VRAM; under resv
 */
struct peer_vram_bo {
	struct ttm_buffer_object tbo;
	struct list_head node;
	struct list_head regions;
	u32 pins;
	bool dead;
	bool placed;
	bool export;
	bool in_place;
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

static inline struct peer_vram_bo *to_peer_vram_bo(struct ttm_buffer_object *tbo)
{
	return container_of(tbo, struct peer_vram_bo, tbo);
}

static inline struct peer_vram_device *peer_vram_bo_device(struct peer_vram_bo *bo)
{
	return to_peer_vram(bo->tbo.bdev);
}

static inline u64 peer_vram_bo_size(struct peer_vram_bo *bo)
{
	return bo->tbo.base.size;
}

/* Bytes of VRAM that the BO needs: whole blocks. */
static inline u64 peer_vram_bo_vram_size(struct peer_vram_bo *bo)
{
	return round_up(peer_vram_bo_size(bo), PEER_VRAM_BLOCK_SIZE);
}

static inline void peer_vram_bo_get(struct peer_vram_bo *bo)
{
	drm_gem_object_get(&bo->tbo.base);
}

/* Return: false if the last reference has been dropped. */
static inline bool peer_vram_bo_tryget(struct peer_vram_bo *bo)
{
	return kref_get_unless_zero(&bo->tbo.base.refcount);
}

static inline void peer_vram_bo_put(struct peer_vram_bo *bo)
{
	drm_gem_object_put(&bo->tbo.base);
}

/* Without a lock: the device may be removed at any time. */
static inline bool peer_vram_is_removed(struct peer_vram_device *vram)
{
	return READ_ONCE(vram->removed);
}

#endif
