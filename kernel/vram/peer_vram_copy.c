// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Copies of the CPU to and from BOs.
 *
 * VRAM is accessed through its kernel mapping, a BAR with I/O accessors only. System
 * memory of a BO is accessed page by page. The caller holds resv, so its parts do
 * not move.
 *
 * User memory is never accessed with resv held: its page fault may take as long
 * as a user likes, and may need resv of the same BO.
 */
#include <compat/ttm.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "peer_vram_blocks.h"
#include "peer_vram_copy.h"
#include "peer_vram_lock.h"
#include "peer_vram_memory.h"
#include "peer_vram_types.h"

#define PEER_VRAM_BOUNCE_SIZE SZ_64K

/*
 * Words of 8 bytes: each read of a BAR waits for the bus, and memcpy_fromio() of some
 * architectures reads 4 bytes at a time.
 */
static void peer_vram_read_words(u64 *words, const u64 __iomem *io, size_t count)
{
	while (count--)
		*words++ = __raw_readq(io++);
}

static void peer_vram_copy_bar_page(void *page, void __iomem *io, bool to_vram)
{
	if (to_vram)
		__iowrite64_copy(io, page, PAGE_SIZE / sizeof(u64));
	else
		peer_vram_read_words(page, io, PAGE_SIZE / sizeof(u64));
}

static void peer_vram_copy_page(struct page *page, const struct iosys_map *map,
				bool to_vram)
{
	void *vaddr = kmap_local_page(page);

	if (map->is_iomem)
		peer_vram_copy_bar_page(vaddr, map->vaddr_iomem, to_vram);
	else if (to_vram)
		copy_page(map->vaddr, vaddr);
	else
		copy_page(vaddr, map->vaddr);
	kunmap_local(vaddr);
}

/* Copies the whole part between @res in VRAM and its system pages. */
void peer_vram_copy_part(struct peer_vram_part *part, struct ttm_resource *res,
			 bool to_vram)
{
	struct peer_vram_device *vram = part->bo->vram;
	struct page **pages = part->tbo.ttm->pages;
	u64 offset, end, where;
	struct iosys_map map;

	dma_resv_assert_held(part->tbo.base.resv);

	for (offset = 0; offset < res->size; cond_resched()) {
		end = offset + peer_vram_find_run(res, offset, SZ_1M, &where);
		map = peer_vram_map(vram, where);
		for (; offset < end; offset += PAGE_SIZE) {
			peer_vram_copy_page(pages[offset >> PAGE_SHIFT], &map,
					    to_vram);
			iosys_map_incr(&map, PAGE_SIZE);
		}
	}
}

/*
 * Zeroes @res in VRAM. Stops at a fatal signal, since the caller may hold
 * mmap_lock. Return: 0, -EINTR.
 */
int peer_vram_clear(struct peer_vram_part *part, struct ttm_resource *res)
{
	struct peer_vram_device *vram = part->bo->vram;
	u64 offset, run, where;
	struct iosys_map map;

	dma_resv_assert_held(part->tbo.base.resv);

	for (offset = 0; offset < res->size; offset += run) {
		run = peer_vram_find_run(res, offset, SZ_1M, &where);
		map = peer_vram_map(vram, where);
		iosys_map_memset(&map, 0, 0, run);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

/* @offset is in the part, as in the functions below. */
static void peer_vram_copy_vram(struct peer_vram_part *part, u64 offset, void *buf,
				size_t length, bool write)
{
	struct iosys_map map;
	u64 run, where;

	for (; length; offset += run, buf += run, length -= run) {
		run = peer_vram_find_run(part->tbo.resource, offset, length,
					 &where);
		map = peer_vram_map(part->bo->vram, where);
		if (write)
			iosys_map_memcpy_to(&map, 0, buf, run);
		else
			iosys_map_memcpy_from(buf, &map, 0, run);
	}
}

static int peer_vram_copy_system(struct peer_vram_part *part, u64 offset, void *buf,
				 size_t length, bool write)
{
	struct ttm_operation_ctx ctx;
	size_t in_page, run;
	struct page *page;
	int ret;

	/* The part may have no pages yet, or may be swapped out. */
	do {
		ctx = peer_vram_ttm_ctx(part->bo);
		ret = ttm_bo_populate(&part->tbo, &ctx);
	} while (peer_vram_should_retry(ret));
	if (ret)
		return ret;

	for (; length; offset += run, buf += run, length -= run) {
		in_page = offset_in_page(offset);
		run = min_t(size_t, PAGE_SIZE - in_page, length);
		page = part->tbo.ttm->pages[offset >> PAGE_SHIFT];
		if (write)
			memcpy_to_page(page, in_page, buf, run);
		else
			memcpy_from_page(buf, page, in_page, run);
	}
	return 0;
}

static int peer_vram_copy_in_part(struct peer_vram_part *part, u64 offset, void *buf,
				  size_t length, bool write)
{
	if (!peer_vram_part_in_vram(part))
		return peer_vram_copy_system(part, offset, buf, length, write);
	peer_vram_copy_vram(part, offset, buf, length, write);
	return 0;
}

/* Copies between @buf and a range of a BO that is not dead. */
int peer_vram_copy_locked(struct peer_vram_bo *bo, u64 offset, void *buf,
			  size_t length, bool write)
{
	struct peer_vram_part *part;
	size_t run;
	int ret;

	dma_resv_assert_held(&bo->resv);

	for (; length; offset += run, buf += run, length -= run) {
		part = peer_vram_bo_part(bo, offset);
		run = min_t(u64, part->offset + part->tbo.base.size - offset,
			    length);
		ret = peer_vram_copy_in_part(part, offset - part->offset, buf,
					     run, write);
		if (ret)
			return ret;
		peer_vram_part_used(part);
	}
	return 0;
}

static int peer_vram_copy_chunk(struct peer_vram_bo *bo, u64 offset,
				void __user *ubuf, void *bounce, size_t length,
				bool write)
{
	int ret;

	if (write && copy_from_user(bounce, ubuf, length))
		return -EFAULT;

	ret = peer_vram_bo_lock(bo);
	if (ret)
		return ret;
	ret = peer_vram_copy_locked(bo, offset, bounce, length, write);
	peer_vram_bo_unlock(bo);
	if (ret)
		return ret;

	if (!write && copy_to_user(ubuf, bounce, length))
		return -EFAULT;
	return 0;
}

/**
 * peer_vram_copy_user() - copy between user memory and a BO
 * @bo:     not locked
 * @offset: offset in the BO, in bytes
 * @buf:    user memory
 * @length: bytes, may be 0; the caller has checked that the range is in the BO
 * @write:  copy into the BO
 *
 * The BO may move between two chunks of the copy.
 *
 * Return: 0; -EFAULT bad user pointer; -ENODEV the BO is dead; -ENOMEM; -EINTR a
 * fatal signal.
 */
int peer_vram_copy_user(struct peer_vram_bo *bo, u64 offset, void __user *buf,
			u64 length, bool write)
{
	size_t chunk;
	void *bounce;
	int ret = 0;

	/* A dead BO gives -ENODEV even if there is nothing to copy. */
	if (!length)
		return peer_vram_copy_chunk(bo, offset, buf, NULL, 0, write);

	bounce = kvmalloc(min_t(u64, length, PEER_VRAM_BOUNCE_SIZE),
			  GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;

	while (length && !ret) {
		chunk = min_t(u64, length, PEER_VRAM_BOUNCE_SIZE);
		ret = peer_vram_copy_chunk(bo, offset, buf, bounce, chunk,
					   write);
		offset += chunk;
		buf += chunk;
		length -= chunk;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	kvfree(bounce);
	return ret;
}
