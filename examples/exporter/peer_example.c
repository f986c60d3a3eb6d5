// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A complete minimal exporter of memory that moves.
 *
 * Its "device memory" is kernel pages that user space maps as bare PFNs
 * (VM_PFNMAP), so that get_user_pages() cannot pin them. open() of
 * /dev/peer_example and mmap() at offset 0 create an object. A write() to that file
 * is a command:
 *
 *   move    moves the object to other pages, as a driver does that needs its memory
 *           for something else. Fails with EBUSY while an MR has pinned the object.
 *           An on-demand MR faults again
 *   revoke  ends all MRs of the object for ever. It can be registered again
 *
 * The main rule: the lock of the object is held across "invalidate all users, then
 * move", and across "report where the pages are" (fault).
 *
 * Lock order: mmap_lock -> example_object.lock -> locks of the core. The lock is a
 * mutex, because ib_peer_invalidate() may sleep if DMA importers exist.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <rdma/peer_mem.h>

#define EXAMPLE_MAX (16 << 20)

/**
 * struct example_object - a buffer of device memory
 * @kref:    held by the file, by each mapping and by each region
 * @mapping: address space of the device file, for unmap_mapping_range()
 * @pgoff:   page offset of the object in @mapping; unique for each object
 * @count:   number of pages
 * @lock:    protects the following fields; see the file head
 * @regions: list of struct example_region
 * @pins:    number of pinned regions
 * @pages:   the present location
 */
struct example_object {
	struct kref kref;
	struct address_space *mapping;
	unsigned long pgoff;
	unsigned long count;
	struct mutex lock; /* see above */
	struct list_head regions;
	unsigned int pins;
	struct page **pages;
};

/**
 * struct example_region - private data of a struct ib_peer_region
 * @node:     in example_object.regions
 * @region:   the region
 * @object:   the object, with a reference
 * @first:    first page of the region in the object
 * @reported: the core has locations of the region; protected by the object's lock
 */
struct example_region {
	struct list_head node;
	struct ib_peer_region *region;
	struct example_object *object;
	unsigned long first;
	bool reported;
};

static struct ib_peer_exporter *example_exporter;
static atomic_long_t example_next_pgoff = ATOMIC_LONG_INIT(0);

/* ---- objects ---------------------------------------------------------- */

static void example_free_pages(struct page **pages, unsigned long count)
{
	unsigned long i;

	for (i = 0; pages && i < count; i++)
		if (pages[i])
			__free_page(pages[i]);
	kvfree(pages);
}

static struct page **example_alloc_pages(unsigned long count)
{
	struct page **pages = kvcalloc(count, sizeof(*pages), GFP_KERNEL_ACCOUNT);
	unsigned long i;

	for (i = 0; pages && i < count; i++) {
		pages[i] = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);
		if (!pages[i]) {
			example_free_pages(pages, count);
			return NULL;
		}
	}
	return pages;
}

static struct example_object *example_create(struct address_space *mapping,
					     unsigned long count)
{
	struct example_object *obj = kzalloc(sizeof(*obj), GFP_KERNEL_ACCOUNT);

	if (!obj)
		return NULL;
	obj->pages = example_alloc_pages(count);
	if (!obj->pages) {
		kfree(obj);
		return NULL;
	}
	kref_init(&obj->kref);
	mutex_init(&obj->lock);
	INIT_LIST_HEAD(&obj->regions);
	obj->mapping = mapping;
	obj->count = count;
	obj->pgoff = atomic_long_fetch_add(count, &example_next_pgoff);
	return obj;
}

static void example_free(struct kref *kref)
{
	struct example_object *obj =
		container_of(kref, struct example_object, kref);

	example_free_pages(obj->pages, obj->count);
	kfree(obj);
}

static void example_get(void *object)
{
	kref_get(&((struct example_object *)object)->kref);
}

static void example_put(struct example_object *obj)
{
	kref_put(&obj->kref, example_free);
}

/*
 * Invalidates all users: when it returns, neither RDMA nor a mapping accesses the
 * old pages.
 */
static void example_invalidate(struct example_object *obj)
{
	struct example_region *reg;

	lockdep_assert_held(&obj->lock);

	list_for_each_entry(reg, &obj->regions, node) {
		/*
		 * Skip a region that has reported nothing: if it is about to
		 * be pinned, the core would revoke it.
		 */
		if (reg->reported)
			ib_peer_invalidate(reg->region, 0, reg->region->length);
		reg->reported = false;
	}
	unmap_mapping_range(obj->mapping, (loff_t)obj->pgoff << PAGE_SHIFT,
			    (loff_t)obj->count << PAGE_SHIFT, 1);
}

static int example_move(struct example_object *obj)
{
	struct page **fresh = example_alloc_pages(obj->count);
	unsigned long i;
	int ret = 0;

	if (!fresh)
		return -ENOMEM;
	mutex_lock(&obj->lock);
	if (obj->pins) {
		ret = -EBUSY;
	} else {
		example_invalidate(obj);
		for (i = 0; i < obj->count; i++)
			copy_highpage(fresh[i], obj->pages[i]);
		swap(fresh, obj->pages);
	}
	mutex_unlock(&obj->lock);
	example_free_pages(fresh, obj->count);
	return ret;
}

/*
 * As a driver does whose memory ends. When it returns, no access uses the object. The
 * core calls example_unpin() and example_release() soon, from a work item.
 */
static int example_revoke(struct example_object *obj)
{
	struct example_region *reg;

	mutex_lock(&obj->lock);
	list_for_each_entry(reg, &obj->regions, node)
		ib_peer_revoke(reg->region);
	mutex_unlock(&obj->lock);
	return 0;
}

/* ---- mappings --------------------------------------------------------- */

static void example_vm_open(struct vm_area_struct *vma)
{
	example_get(vma->vm_private_data);
}

static void example_vm_close(struct vm_area_struct *vma)
{
	example_put(vma->vm_private_data);
}

static vm_fault_t example_vm_fault(struct vm_fault *vmf)
{
	struct example_object *obj = vmf->vma->vm_private_data;
	struct page *page;
	vm_fault_t ret;

	mutex_lock(&obj->lock);
	page = obj->pages[vmf->pgoff - obj->pgoff];
	ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	mutex_unlock(&obj->lock);
	return ret;
}

static const struct vm_operations_struct example_vm_ops = {
	.open = example_vm_open,
	.close = example_vm_close,
	.fault = example_vm_fault,
};

/* ---- struct ib_peer_ops ----------------------------------------------- */

static int example_claim(struct ib_peer_region *region)
{
	struct example_object *obj;
	struct example_region *reg;
	u64 offset;

	obj = ib_peer_find_mapping(region->mm, region->start, region->length,
				   region->writable, &example_vm_ops,
				   example_get, &offset);
	if (IS_ERR(obj))
		return PTR_ERR(obj);
	reg = kzalloc(sizeof(*reg), GFP_KERNEL_ACCOUNT);
	if (!reg) {
		example_put(obj);
		return -ENOMEM;
	}
	reg->region = region;
	reg->object = obj;
	reg->first = (offset >> PAGE_SHIFT) - obj->pgoff;
	region->priv = reg;
	mutex_lock(&obj->lock);
	list_add(&reg->node, &obj->regions);
	mutex_unlock(&obj->lock);
	return 0;
}

static int example_pin(struct ib_peer_region *region)
{
	struct example_region *reg = region->priv;

	mutex_lock(&reg->object->lock);
	reg->object->pins++;
	mutex_unlock(&reg->object->lock);
	return 0;
}

static void example_unpin(struct ib_peer_region *region)
{
	struct example_region *reg = region->priv;

	mutex_lock(&reg->object->lock);
	reg->object->pins--;
	mutex_unlock(&reg->object->lock);
}

/* Reports the locations page by page, because the pages are not contiguous. */
static int example_fault(struct ib_peer_region *region, u64 offset, u64 length,
			 bool write, struct ib_peer_fault *fault)
{
	struct example_region *reg = region->priv;
	struct ib_peer_block block = {
		.length = PAGE_SIZE,
		.flags = region->writable ? IB_PEER_BLOCK_WRITE : 0,
	};
	u64 end = offset + length;
	struct page *page;
	int ret = 0;

	if (write && !region->writable)
		return -EACCES;
	mutex_lock(&reg->object->lock);
	reg->reported = true;
	for (; !ret && offset < end; offset += PAGE_SIZE) {
		page = reg->object->pages[reg->first + (offset >> PAGE_SHIFT)];
		block.offset = offset;
		block.where = (uintptr_t)page_address(page);
		ret = ib_peer_fault_add(fault, &block);
	}
	mutex_unlock(&reg->object->lock);
	return ret;
}

/* For real device memory, use iosys_map_set_vaddr_iomem(). */
static int example_cpu_map(struct ib_peer_region *region,
			   const struct ib_peer_block *block,
			   struct iosys_map *map)
{
	iosys_map_set_vaddr(map, (void *)(uintptr_t)block->where);
	return 0;
}

/*
 * For DMA importers. ib_peer_fault_add() calls it, as it calls example_cpu_map()
 * for CPU importers. For memory in a BAR, use ib_peer_dma_map().
 */
static int example_dma_map(struct ib_peer_region *region,
			   const struct ib_peer_block *block, dma_addr_t *addr)
{
	void *page = (void *)(uintptr_t)block->where;

	return ib_peer_dma_map_pages(region, virt_to_page(page), block->length,
				     addr);
}

/* Must not take the object's lock: ib_peer_invalidate() also calls it. */
static void example_dma_unmap(struct ib_peer_region *region,
			      const struct ib_peer_block *block,
			      dma_addr_t addr)
{
	ib_peer_dma_unmap_pages(region, addr, block->length);
}

static void example_release(struct ib_peer_region *region)
{
	struct example_region *reg = region->priv;

	mutex_lock(&reg->object->lock);
	list_del(&reg->node);
	mutex_unlock(&reg->object->lock);
	example_put(reg->object);
	kfree(reg);
}

static const struct ib_peer_ops example_ops = {
	.claim = example_claim,
	.pin = example_pin,
	.unpin = example_unpin,
	.fault = example_fault,
	.cpu_map = example_cpu_map,
	.dma_map = example_dma_map,
	.dma_unmap = example_dma_unmap,
	.release = example_release,
};

/* ---- the device file -------------------------------------------------- */

/* A write to a private mapping would go to a copy in system memory. */
static bool example_is_private(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

static int example_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct example_object *obj;

	if (example_is_private(vma) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start > EXAMPLE_MAX)
		return -EINVAL;
	obj = example_create(filp->f_mapping, vma_pages(vma));
	if (!obj)
		return -ENOMEM;
	if (cmpxchg(&filp->private_data, NULL, obj)) {
		example_put(obj);
		return -EBUSY;
	}
	/* One reference for the file, one for the mapping. */
	example_get(obj);
	vma->vm_pgoff = obj->pgoff;
	vma->vm_private_data = obj;
	vma->vm_ops = &example_vm_ops;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static ssize_t example_write(struct file *filp, const char __user *text,
			     size_t length, loff_t *offset)
{
	struct example_object *obj = READ_ONCE(filp->private_data);
	char command[8] = "";
	int ret = -EINVAL;

	if (!obj)
		return -ENXIO;
	if (length >= sizeof(command))
		return -EINVAL;
	if (copy_from_user(command, text, length))
		return -EFAULT;
	if (sysfs_streq(command, "move"))
		ret = example_move(obj);
	else if (sysfs_streq(command, "revoke"))
		ret = example_revoke(obj);
	return ret ?: length;
}

/* misc_open() has set private_data. */
static int example_open(struct inode *inode, struct file *filp)
{
	filp->private_data = NULL;
	return 0;
}

static int example_file_release(struct inode *inode, struct file *filp)
{
	if (filp->private_data)
		example_put(filp->private_data);
	return 0;
}

static const struct file_operations example_fops = {
	.owner = THIS_MODULE,
	.open = example_open,
	.release = example_file_release,
	.mmap = example_mmap,
	.write = example_write,
};

static struct miscdevice example_miscdev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_example",
	.fops = &example_fops,
};

static int __init example_init(void)
{
	int ret;

	example_exporter = ib_peer_register_exporter("peer_example", "1.0",
						     &example_ops, NULL);
	if (IS_ERR(example_exporter))
		return PTR_ERR(example_exporter);
	ret = misc_register(&example_miscdev);
	if (ret)
		ib_peer_unregister_exporter(example_exporter);
	return ret;
}

static void __exit example_exit(void)
{
	misc_deregister(&example_miscdev);
	ib_peer_unregister_exporter(example_exporter);
}

module_init(example_init);
module_exit(example_exit);

MODULE_DESCRIPTION("Example exporter of peer memory");
MODULE_LICENSE("Dual BSD/GPL");
