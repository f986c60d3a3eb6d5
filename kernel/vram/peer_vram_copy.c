// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Bytes in and out of objects.
 *
 * VRAM is reached through the one kernel mapping of the BAR and by I/O
 * accessors only; system memory page by page. The caller holds resv, so the
 * object stays where it is. User memory is never touched with resv held: its
 * fault may last as long as a user likes, and may need the very object.
 */
#include <drm/ttm/ttm_tt.h>
#include <linux/highmem.h>
#include <linux/io.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "peer_vram_priv.h"

#define PEER_VRAM_BOUNCE_SIZE SZ_64K

static void peer_vram_copy_page(struct page *page, void __iomem *io,
				bool to_vram)
{
	void *vaddr = kmap_local_page(page);

	if (to_vram)
		memcpy_toio(io, vaddr, PAGE_SIZE);
	else
		memcpy_fromio(vaddr, io, PAGE_SIZE);
	kunmap_local(vaddr);
}

/* Copy the whole object between @res in VRAM and its system pages. */
void peer_vram_copy_all(struct peer_vram_object *obj, struct ttm_resource *res,
			bool to_vram)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	struct page **pages = obj->bo.ttm->pages;
	u64 offset = 0, run, bar, i;

	dma_resv_assert_held(obj->bo.base.resv);

	while (offset < res->size) {
		run = peer_vram_run(res, offset, SZ_1M, &bar);
		for (i = 0; i < run; i += PAGE_SIZE)
			peer_vram_copy_page(pages[(offset + i) >> PAGE_SHIFT],
					    vram->io + bar + i, to_vram);
		offset += run;
		cond_resched();
	}
}

/*
 * Zero @res in VRAM. mmap_lock may be held, so a task that is being killed does not
 * go on. Return: 0, -EINTR.
 */
int peer_vram_clear(struct peer_vram_object *obj, struct ttm_resource *res)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	u64 offset, run, bar;

	dma_resv_assert_held(obj->bo.base.resv);

	for (offset = 0; offset < res->size; offset += run) {
		run = peer_vram_run(res, offset, SZ_1M, &bar);
		memset_io(vram->io + bar, 0, run);
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	return 0;
}

static void peer_vram_copy_vram(struct peer_vram_object *obj, u64 offset,
				void *buf, size_t length, bool write)
{
	struct peer_vram_device *vram = peer_vram_object_device(obj);
	u64 run, bar;

	for (; length; offset += run, buf += run, length -= run) {
		run = peer_vram_run(obj->bo.resource, offset, length, &bar);
		if (write)
			memcpy_toio(vram->io + bar, buf, run);
		else
			memcpy_fromio(buf, vram->io + bar, run);
	}
}

static int peer_vram_copy_system(struct peer_vram_object *obj, u64 offset,
				 void *buf, size_t length, bool write)
{
	struct ttm_tt *tt = obj->bo.ttm;
	struct ttm_operation_ctx ctx;
	size_t in_page, part;
	int ret;

	/* Not touched yet, or swapped out. */
	do {
		ctx = peer_vram_operation();
		ret = ttm_tt_populate(obj->bo.bdev, tt, &ctx);
	} while (peer_vram_interrupted(ret));
	if (ret)
		return ret;

	for (; length; offset += part, buf += part, length -= part) {
		in_page = offset_in_page(offset);
		part = min_t(size_t, PAGE_SIZE - in_page, length);
		if (write)
			memcpy_to_page(tt->pages[offset >> PAGE_SHIFT], in_page,
				       buf, part);
		else
			memcpy_from_page(buf, tt->pages[offset >> PAGE_SHIFT],
					 in_page, part);
	}
	return 0;
}

/* Copy between @buf and a range of the object, which is not dead. */
int peer_vram_copy_locked(struct peer_vram_object *obj, u64 offset, void *buf,
			  size_t length, bool write)
{
	dma_resv_assert_held(obj->bo.base.resv);

	if (obj->bo.resource->mem_type == TTM_PL_SYSTEM)
		return peer_vram_copy_system(obj, offset, buf, length, write);
	peer_vram_copy_vram(obj, offset, buf, length, write);
	return 0;
}

static int peer_vram_copy_chunk(struct peer_vram_object *obj, u64 offset,
				void __user *ubuf, void *bounce, size_t length,
				bool write)
{
	int ret;

	if (write && copy_from_user(bounce, ubuf, length))
		return -EFAULT;

	ret = peer_vram_object_lock(obj);
	if (ret)
		return ret;
	ret = peer_vram_copy_locked(obj, offset, bounce, length, write);
	peer_vram_object_unlock(obj);
	if (ret)
		return ret;

	if (!write && copy_to_user(ubuf, bounce, length))
		return -EFAULT;
	return 0;
}

/**
 * peer_vram_copy_user() - copy between user memory and an object
 * @obj:    not locked
 * @offset: in the object
 * @buf:    user memory
 * @length: bytes, may be 0; the range lies within the object
 * @write:  into the object
 *
 * The object may move between the chunks. A fatal signal ends it early.
 * Return: 0, -EFAULT, -ENODEV, -ENOMEM, -EINTR.
 */
int peer_vram_copy_user(struct peer_vram_object *obj, u64 offset,
			void __user *buf, u64 length, bool write)
{
	size_t part;
	void *bounce;
	int ret = 0;

	/* Whether the object is alive counts for nothing at all as well. */
	if (!length)
		return peer_vram_copy_chunk(obj, offset, buf, NULL, 0, write);

	bounce = kvmalloc(min_t(u64, length, PEER_VRAM_BOUNCE_SIZE),
			  GFP_KERNEL);
	if (!bounce)
		return -ENOMEM;

	while (length && !ret) {
		part = min_t(u64, length, PEER_VRAM_BOUNCE_SIZE);
		ret = peer_vram_copy_chunk(obj, offset, buf, bounce, part,
					   write);
		offset += part;
		buf += part;
		length -= part;
		if (fatal_signal_pending(current))
			ret = -EINTR;
		cond_resched();
	}
	kvfree(bounce);
	return ret;
}
