// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: an exporter with separate state for each page. A page can be
 * moved, made read-only, or omitted from resolve.
 *
 * A buffer has two locations for each page. In each location the pages are
 * contiguous: pages that are all in one location get one page table entry.
 */
#include <linux/bitmap.h>
#include <linux/dma-buf.h>
#include <linux/err.h>
#include <linux/iosys-map.h>
#include <linux/list.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <rdma/peer_mem.h>

#include "peer_test_parts.h"

#define LENGTH PEER_TEST_PARTS_LENGTH
#define PAGES (LENGTH / PAGE_SIZE)
#define POISON 0xd5

/**
 * struct buffer - of an open file and its dma-buf
 * @kref:      held by the file and the dma-buf
 * @lock:      held during resolve, and from invalidate to the end of a move
 * @ranges:    the regions
 * @places:    two locations, each with memory for all pages
 * @second:    pages that are in the second location
 * @protected: pages that are read-only
 * @omitted:   pages that resolve omits
 */
struct buffer {
	struct kref kref;
	struct mutex lock; /* see above */
	struct list_head ranges;
	void *places[2];
	DECLARE_BITMAP(second, PAGES);
	DECLARE_BITMAP(protected, PAGES);
	DECLARE_BITMAP(omitted, PAGES);
};

struct parts_range {
	struct list_head node;
	struct ib_peer_region *region;
	struct buffer *buffer;
};

static struct ib_peer_exporter *exporter;

static void buffer_free(struct kref *kref)
{
	struct buffer *buffer = container_of(kref, struct buffer, kref);

	free_pages_exact(buffer->places[0], LENGTH);
	free_pages_exact(buffer->places[1], LENGTH);
	kfree(buffer);
}

static void buffer_put(struct buffer *buffer)
{
	kref_put(&buffer->kref, buffer_free);
}

static void *page_at(struct buffer *buffer, unsigned long page, bool other)
{
	return buffer->places[test_bit(page, buffer->second) ^ other] +
	       page * PAGE_SIZE;
}

/* ---- the exporter ---- */

static const struct dma_buf_ops dmabuf_ops;

static int parts_claim(struct ib_peer_region *region)
{
	struct parts_range *range;

	if (region->dmabuf->ops != &dmabuf_ops)
		return -ENXIO;
	range = kmalloc(sizeof(*range), GFP_KERNEL);
	if (!range)
		return -ENOMEM;
	range->region = region;
	range->buffer = region->dmabuf->priv;
	region->priv = range;
	mutex_lock(&range->buffer->lock);
	list_add(&range->node, &range->buffer->ranges);
	mutex_unlock(&range->buffer->lock);
	return 0;
}

static void parts_release(struct ib_peer_region *region)
{
	struct parts_range *range = region->priv;

	mutex_lock(&range->buffer->lock);
	list_del(&range->node);
	mutex_unlock(&range->buffer->lock);
	kfree(range);
}

static int report(struct buffer *buffer, struct ib_peer_region *region,
		  u64 offset, struct ib_peer_fault *fault)
{
	unsigned long page = (region->start + offset) >> PAGE_SHIFT;
	struct ib_peer_block block = {
		.offset = offset,
		.length = PAGE_SIZE,
		.where = (uintptr_t)page_at(buffer, page, false),
	};

	if (test_bit(page, buffer->omitted))
		return 0;
	if (!test_bit(page, buffer->protected))
		block.flags = IB_PEER_BLOCK_WRITE;
	return ib_peer_fault_add(fault, &block);
}

static int parts_fault(struct ib_peer_region *region, u64 offset, u64 length,
		       bool write, struct ib_peer_fault *fault)
{
	struct parts_range *range = region->priv;
	u64 end = offset + length;
	int ret = 0;

	mutex_lock(&range->buffer->lock);
	for (; !ret && offset < end; offset += PAGE_SIZE)
		ret = report(range->buffer, region, offset, fault);
	mutex_unlock(&range->buffer->lock);
	return ret;
}

static int parts_cpu_map(struct ib_peer_region *region,
			 const struct ib_peer_block *block,
			 struct iosys_map *map)
{
	iosys_map_set_vaddr(map, (void *)(uintptr_t)block->where);
	return 0;
}

static const struct ib_peer_ops parts_ops = {
	.claim_dmabuf = parts_claim,
	.fault = parts_fault,
	.cpu_map = parts_cpu_map,
	.release = parts_release,
};

/* ---- the dma-buf ---- */

static int dmabuf_attach(struct dma_buf *dmabuf,
			 struct dma_buf_attachment *attach)
{
	return -EOPNOTSUPP;
}

static struct sg_table *dmabuf_map(struct dma_buf_attachment *attach,
				   enum dma_data_direction dir)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static void dmabuf_unmap(struct dma_buf_attachment *attach,
			 struct sg_table *table, enum dma_data_direction dir)
{
}

static void dmabuf_release(struct dma_buf *dmabuf)
{
	buffer_put(dmabuf->priv);
}

static const struct dma_buf_ops dmabuf_ops = {
	.attach = dmabuf_attach,
	.map_dma_buf = dmabuf_map,
	.unmap_dma_buf = dmabuf_unmap,
	.release = dmabuf_release,
};

static long buffer_share(struct buffer *buffer)
{
	DEFINE_DMA_BUF_EXPORT_INFO(info);
	struct dma_buf *dmabuf;
	int fd;

	info.ops = &dmabuf_ops;
	info.size = LENGTH;
	info.flags = O_RDWR;
	info.priv = buffer;
	dmabuf = dma_buf_export(&info);
	if (IS_ERR(dmabuf))
		return PTR_ERR(dmabuf);
	kref_get(&buffer->kref);
	fd = dma_buf_fd(dmabuf, O_CLOEXEC);
	if (fd < 0)
		dma_buf_put(dmabuf);
	return fd;
}

/* ---- the owner ---- */

static void invalidate(struct buffer *buffer, u64 first, u64 end)
{
	struct parts_range *range;

	lockdep_assert_held(&buffer->lock);

	list_for_each_entry(range, &buffer->ranges, node) {
		u64 start = range->region->start;
		u64 from = max(first, start);
		u64 to = min(end, start + range->region->length);

		if (from < to)
			ib_peer_invalidate(range->region, from - start, to - from);
	}
}

static void buffer_move(struct buffer *buffer,
			const struct peer_test_parts_range *pages)
{
	unsigned long page;

	invalidate(buffer, (u64)pages->first * PAGE_SIZE,
		   (u64)(pages->first + pages->count) * PAGE_SIZE);
	for (page = pages->first; page < pages->first + pages->count; page++) {
		memcpy(page_at(buffer, page, true), page_at(buffer, page, false),
		       PAGE_SIZE);
		change_bit(page, buffer->second);
		memset(page_at(buffer, page, true), POISON, PAGE_SIZE);
	}
}

static long ioctl_range(struct buffer *buffer, unsigned int cmd,
			const void __user *user)
{
	struct peer_test_parts_range pages;

	if (copy_from_user(&pages, user, sizeof(pages)))
		return -EFAULT;
	if (pages.first >= PAGES || pages.count > PAGES - pages.first)
		return -EINVAL;
	mutex_lock(&buffer->lock);
	switch (cmd) {
	case PEER_TEST_PARTS_PROTECT:
		bitmap_set(buffer->protected, pages.first, pages.count);
		invalidate(buffer, (u64)pages.first * PAGE_SIZE,
			   (u64)(pages.first + pages.count) * PAGE_SIZE);
		break;
	case PEER_TEST_PARTS_PERMIT:
		bitmap_clear(buffer->protected, pages.first, pages.count);
		break;
	case PEER_TEST_PARTS_OMIT:
		bitmap_set(buffer->omitted, pages.first, pages.count);
		invalidate(buffer, (u64)pages.first * PAGE_SIZE,
			   (u64)(pages.first + pages.count) * PAGE_SIZE);
		break;
	case PEER_TEST_PARTS_INCLUDE:
		bitmap_clear(buffer->omitted, pages.first, pages.count);
		break;
	case PEER_TEST_PARTS_MOVE:
		buffer_move(buffer, &pages);
		break;
	}
	mutex_unlock(&buffer->lock);
	return 0;
}

static long ioctl_rw(struct buffer *buffer,
		     const struct peer_test_parts_rw __user *user)
{
	struct peer_test_parts_rw rw;
	unsigned long at, n, left;
	void __user *data;
	void *place;

	if (copy_from_user(&rw, user, sizeof(rw)))
		return -EFAULT;
	if (rw.offset > LENGTH || rw.length > LENGTH - rw.offset)
		return -EINVAL;
	mutex_lock(&buffer->lock);
	for (at = rw.offset, left = rw.length; left; at += n, left -= n) {
		n = min(left, PAGE_SIZE - offset_in_page(at));
		place = page_at(buffer, at >> PAGE_SHIFT, false) +
			offset_in_page(at);
		data = u64_to_user_ptr(rw.buffer + (at - rw.offset));
		if (rw.write ? copy_from_user(place, data, n) :
			       copy_to_user(data, place, n))
			break;
	}
	mutex_unlock(&buffer->lock);
	return left ? -EFAULT : 0;
}

static long buffer_wrong(struct buffer *buffer)
{
	unsigned long page;
	long wrong = 0;

	mutex_lock(&buffer->lock);
	for (page = 0; page < PAGES; page++)
		if (memchr_inv(page_at(buffer, page, true), POISON, PAGE_SIZE))
			wrong++;
	mutex_unlock(&buffer->lock);
	return wrong;
}

static long buffer_revoke(struct buffer *buffer)
{
	struct parts_range *range;

	mutex_lock(&buffer->lock);
	list_for_each_entry(range, &buffer->ranges, node)
		ib_peer_revoke(range->region);
	mutex_unlock(&buffer->lock);
	return 0;
}

static long chardev_ioctl(struct file *file, unsigned int cmd,
			  unsigned long arg)
{
	struct buffer *buffer = file->private_data;

	switch (cmd) {
	case PEER_TEST_PARTS_EXPORT:
		return buffer_share(buffer);
	case PEER_TEST_PARTS_PROTECT:
	case PEER_TEST_PARTS_PERMIT:
	case PEER_TEST_PARTS_OMIT:
	case PEER_TEST_PARTS_INCLUDE:
	case PEER_TEST_PARTS_MOVE:
		return ioctl_range(buffer, cmd, (void __user *)arg);
	case PEER_TEST_PARTS_RW:
		return ioctl_rw(buffer, (void __user *)arg);
	case PEER_TEST_PARTS_REVOKE:
		return buffer_revoke(buffer);
	case PEER_TEST_PARTS_WRONG:
		return buffer_wrong(buffer);
	}
	return -ENOTTY;
}

static int chardev_open(struct inode *inode, struct file *file)
{
	struct buffer *buffer = kzalloc(sizeof(*buffer), GFP_KERNEL);
	int i;

	if (!buffer)
		return -ENOMEM;
	for (i = 0; i < 2; i++) {
		buffer->places[i] = alloc_pages_exact(LENGTH, GFP_KERNEL);
		if (!buffer->places[i])
			goto err_free;
		memset(buffer->places[i], i ? POISON : 0, LENGTH);
	}
	kref_init(&buffer->kref);
	mutex_init(&buffer->lock);
	INIT_LIST_HEAD(&buffer->ranges);
	file->private_data = buffer;
	return 0;

err_free:
	if (i)
		free_pages_exact(buffer->places[0], LENGTH);
	kfree(buffer);
	return -ENOMEM;
}

static int chardev_release(struct inode *inode, struct file *file)
{
	buffer_put(file->private_data);
	return 0;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.unlocked_ioctl = chardev_ioctl,
};

static struct miscdevice miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_test_parts",
	.fops = &chardev_fops,
};

static int __init parts_init(void)
{
	int ret;

	exporter = ib_peer_register_exporter("peer_test_parts", "1", &parts_ops,
					     NULL);
	if (IS_ERR(exporter))
		return PTR_ERR(exporter);
	ret = misc_register(&miscdev);
	if (ret)
		ib_peer_unregister_exporter(exporter);
	return ret;
}

static void __exit parts_exit(void)
{
	misc_deregister(&miscdev);
	ib_peer_unregister_exporter(exporter);
}

module_init(parts_init);
module_exit(parts_exit);

MODULE_DESCRIPTION("peermem tests: an exporter with separate state for each page");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_INFO(import_ns, "DMA_BUF");
