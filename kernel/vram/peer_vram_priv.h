/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * peer_vram, private header.
 *
 * Words:
 *   VRAM     the memory BAR of the device, handed out in blocks
 *   object   a buffer: in VRAM (several blocks, in any order) or in system
 *            memory. TTM's buffer object is its base and its reference count
 *   resv     the object's dma_resv lock: covers where the object is, whether
 *            it is dead, and the list of its RDMA regions
 *   region   an RDMA registration of a range of an object (struct
 *            ib_peer_region and ours beside it)
 *
 * Lock order, outermost first:
 *
 *   mmap_lock
 *     misc_mtx (open only)
 *     resv of an object; further ones by trylock only (eviction)
 *       i_mmap_rwsem and MMU notifiers (TTM zaps page tables)
 *       locks of the RDMA core (ib_peer_revoke(), ib_peer_invalidate())
 *       peer_vram_manager.lock
 *       peer_vram_device.lock, ttm_device.lru_lock
 *   xa_lock of peer_vram_file.handles: a leaf; objects are put outside of it
 *
 * Lifetime: who refers to an object (handle, mapping, descriptor, region) also
 * holds a reference on the drm_device, and drops it last. The device's removal
 * kills every object, so "not dead, and resv held" means that the device and
 * its BAR are there.
 */
#ifndef PEER_VRAM_PRIV_H
#define PEER_VRAM_PRIV_H

#include <drm/drm_device.h>
#include <drm/ttm/ttm_bo.h>
#include <drm/ttm/ttm_device.h>
#include <drm/ttm/ttm_placement.h>
#include <drm/ttm/ttm_resource.h>
#include <linux/atomic.h>
#include <linux/miscdevice.h>
#include <linux/mutex.h>
#include <linux/xarray.h>
#include <rdma/peer_mem.h>
#include <rdma/peer_vram.h>

struct dma_buf;

/**
 * struct peer_vram_manager - hands out the blocks of VRAM
 * @base:   TTM's part
 * @lock:   covers the rest
 * @used:   one bit a block
 * @count:  blocks there are
 * @free:   blocks not used
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
 * struct peer_vram_device - one PCI device
 * @drm:       reference count, VMA offsets, the inode that all mappings share
 * @ttm:       the memory manager
 * @manager:   the blocks
 * @misc:      the node
 * @name:      of the node
 * @id:        number in the name
 * @io:        kernel mapping of the whole BAR
 * @bar:       CPU physical address of the BAR
 * @size:      bytes of VRAM, a multiple of the block size
 * @pin_limit: bytes that may be pinned
 * @lock:      covers @objects, @dead, @nr_objects, @pinned
 * @objects:   alive
 * @dead:      destroyed, and still referred to
 * @nr_objects: both lists, and what is being made or freed
 * @pinned:    bytes of blocks that pinned objects take
 * @moves:     objects moved
 * @evictions: objects moved out by others
 * @swapouts:  objects swapped out of system memory
 * @substituted: faults of devices answered with system pages
 */
struct peer_vram_device {
	struct drm_device drm;
	struct ttm_device ttm;
	struct peer_vram_manager manager;
	struct miscdevice misc;
	char name[24];
	int id;

	void __iomem *io;
	resource_size_t bar;
	u64 size;
	u64 pin_limit;

	spinlock_t lock; /* see above */
	struct list_head objects;
	struct list_head dead;
	u64 nr_objects;
	u64 pinned;

	atomic64_t moves;
	atomic64_t evictions;
	atomic64_t swapouts;
	atomic64_t substituted;
};

/**
 * struct peer_vram_object - a buffer
 * @bo:      TTM's part, with the reference count and resv
 * @node:    in peer_vram_device.objects or .dead; under its lock
 * @regions: RDMA regions that are not revoked; under resv
 * @pins:    how many of @regions are pinned; under resv
 * @dead:    no memory any more, and no way back; under resv
 * @settled: the first placement is done: moves count from now; under resv
 * @export:  RDMA devices may register it; under resv
 * @in_place: on-demand accesses do not bring it to VRAM; under resv
 */
struct peer_vram_object {
	struct ttm_buffer_object bo;
	struct list_head node;
	struct list_head regions;
	u32 pins;
	bool dead;
	bool settled;
	bool export;
	bool in_place;
};

/**
 * struct peer_vram_region - our part of a struct ib_peer_region
 * @node:   in peer_vram_object.regions, empty once revoked; under resv
 * @region: the core's part
 * @object: holds a reference, and one on the device
 * @offset: where in the object the region begins
 * @pinned: holds one of peer_vram_object.pins; under resv
 * @told:   the importer knows where the region is; under resv
 */
struct peer_vram_region {
	struct list_head node;
	struct ib_peer_region *region;
	struct peer_vram_object *object;
	u64 offset;
	bool pinned;
	bool told;
};

/**
 * struct peer_vram_file - an open node
 * @vram:     holds a reference
 * @handles:  names of objects; each holds a reference
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

static inline struct peer_vram_object *
to_peer_vram_object(struct ttm_buffer_object *bo)
{
	return container_of(bo, struct peer_vram_object, bo);
}

static inline struct peer_vram_device *
peer_vram_object_device(struct peer_vram_object *obj)
{
	return to_peer_vram(obj->bo.bdev);
}

static inline u64 peer_vram_object_size(struct peer_vram_object *obj)
{
	return obj->bo.base.size;
}

static inline void peer_vram_object_get(struct peer_vram_object *obj)
{
	ttm_bo_get(&obj->bo);
}

static inline void peer_vram_object_put(struct peer_vram_object *obj)
{
	ttm_bo_put(&obj->bo);
}

/* peer_vram_blocks.c */
#define PEER_VRAM_BLOCK_SHIFT 16
#define PEER_VRAM_BLOCK_SIZE BIT(PEER_VRAM_BLOCK_SHIFT)

int peer_vram_blocks_init(struct peer_vram_device *vram);
void peer_vram_blocks_fini(struct peer_vram_device *vram);
u64 peer_vram_blocks_used(struct peer_vram_device *vram);
u64 peer_vram_run(const struct ttm_resource *res, u64 offset, u64 max,
		  u64 *bar);

/* peer_vram_object.c */
extern const struct ttm_device_funcs peer_vram_ttm_funcs;

struct peer_vram_object *peer_vram_object_create(struct peer_vram_device *vram,
						 u64 length, u32 flags);
/* For one call of TTM; and whether that is to be repeated, with another of these. */
struct ttm_operation_ctx peer_vram_operation(void);
bool peer_vram_interrupted(int ret);
int peer_vram_object_lock(struct peer_vram_object *obj);
int peer_vram_object_lock_in(struct peer_vram_object *obj, u32 mem_type);
int peer_vram_object_lock_resident(struct peer_vram_object *obj);
int peer_vram_object_lock_pages(struct peer_vram_object *obj);
void peer_vram_object_unlock(struct peer_vram_object *obj);
int peer_vram_object_kill(struct peer_vram_object *obj);
void peer_vram_objects_kill(struct peer_vram_device *vram);
u64 peer_vram_object_footprint(struct peer_vram_object *obj);
u64 peer_vram_creatable(void);

/* peer_vram_copy.c */
void peer_vram_copy_all(struct peer_vram_object *obj, struct ttm_resource *res,
			bool to_vram);
int peer_vram_clear(struct peer_vram_object *obj, struct ttm_resource *res);
int peer_vram_copy_locked(struct peer_vram_object *obj, u64 offset, void *buf,
			  size_t length, bool write);
int peer_vram_copy_user(struct peer_vram_object *obj, u64 offset,
			void __user *buf, u64 length, bool write);

/* peer_vram_file.c */
extern const struct file_operations peer_vram_fops;

int peer_vram_handle_reserve(struct peer_vram_file *file,
			     struct peer_vram_object *obj, u32 *handle);
void peer_vram_handle_publish(struct peer_vram_file *file,
			      struct peer_vram_object *obj, u32 handle);
void peer_vram_handle_abort(struct peer_vram_file *file,
			    struct peer_vram_object *obj, u32 handle);
int peer_vram_handle_close(struct peer_vram_file *file, u32 handle);
struct peer_vram_object *peer_vram_handle_get(struct peer_vram_file *file,
					      u32 handle);
bool peer_vram_may_map(struct peer_vram_file *file,
		       struct peer_vram_object *obj);

/* peer_vram_ioctl.c */
long peer_vram_ioctl(struct file *filp, unsigned int nr, unsigned long arg);

/* peer_vram_dmabuf.c */
struct dma_buf *peer_vram_dmabuf_export(struct peer_vram_object *obj);
struct peer_vram_object *peer_vram_dmabuf_object(struct dma_buf *dmabuf);
struct peer_vram_object *peer_vram_import(struct peer_vram_device *vram,
					  int fd);

/* peer_vram_mmap.c */
int peer_vram_mmap(struct file *filp, struct vm_area_struct *vma);
int peer_vram_mmap_shared(struct peer_vram_object *obj,
			  struct vm_area_struct *vma);
unsigned long peer_vram_get_unmapped_area(struct file *filp, unsigned long addr,
					  unsigned long length,
					  unsigned long pgoff,
					  unsigned long flags);
struct peer_vram_object *peer_vram_find_range(struct mm_struct *mm,
					      unsigned long start,
					      size_t length, bool write,
					      u64 *offset);
struct peer_vram_object *peer_vram_find_addr(struct peer_vram_device *vram,
					     unsigned long addr, bool write,
					     u64 *offset);

/* peer_vram_export.c */
int peer_vram_export_init(void);
void peer_vram_export_exit(void);
void peer_vram_regions_revoke(struct peer_vram_object *obj);
void peer_vram_regions_invalidate(struct peer_vram_object *obj);
u32 peer_vram_regions_count(struct peer_vram_object *obj);

#endif
