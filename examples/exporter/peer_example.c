// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A whole exporter of memory that moves, as small as it can be.
 *
 * Its "device memory" is pages of the kernel that no page table shows as such.
 * open() of /dev/peer_example and mmap() at offset 0 make an object; writing
 * anything to that file moves it elsewhere, as a driver does that wants its memory
 * for something else: EBUSY while an MR has it pinned, and no MR on demand notices
 * but by a fault.
 *
 * The rule to learn from it: one lock of the object is held over "tell everybody,
 * then move" and over "say where it is".
 *
 * Lock order: mmap_lock -> object's lock -> locks of the core. With devices that do
 * DMA these may sleep: so it is a mutex.
 */
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <rdma/peer_mem.h>

#define EXAMPLE_MAX (16 << 20)

/**
 * struct example_object - a buffer
 * @mapping: of the node; all mappings of all objects are of it
 * @place:   the object's first page in there; no two objects share one
 * @count:   pages
 * @lock:    covers what follows, and over it what the file head says
 * @regions: struct example_region
 * @pins:    regions that are pinned
 * @pages:   where it is right now
 */
struct example_object {
	struct kref kref;
	struct address_space *mapping;
	unsigned long place;
	unsigned long count;
	struct mutex lock; /* see above */
	struct list_head regions;
	unsigned int pins;
	struct page **pages;
};

/**
 * struct example_region - our part of a struct ib_peer_region
 * @first: page of the object
 * @told:  the core knows where it is; under the object's lock
 */
struct example_region {
	struct list_head node;
	struct ib_peer_region *region;
	struct example_object *object;
	unsigned long first;
	bool told;
};

static struct ib_peer_client *example_client;
static atomic_long_t example_next_place = ATOMIC_LONG_INIT(0);

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
	obj->place = atomic_long_fetch_add(count, &example_next_place);
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

/* Nobody reaches the old pages any more, by RDMA or by a mapping. */
static void example_withdraw(struct example_object *obj)
{
	struct example_region *reg;

	lockdep_assert_held(&obj->lock);

	list_for_each_entry(reg, &obj->regions, node) {
		/* Who is about to pin would take it for the end. */
		if (reg->told)
			ib_peer_invalidate(reg->region, 0, reg->region->length);
		reg->told = false;
	}
	unmap_mapping_range(obj->mapping, (loff_t)obj->place << PAGE_SHIFT,
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
		example_withdraw(obj);
		for (i = 0; i < obj->count; i++)
			copy_highpage(fresh[i], obj->pages[i]);
		swap(fresh, obj->pages);
	}
	mutex_unlock(&obj->lock);
	example_free_pages(fresh, obj->count);
	return ret;
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
	page = obj->pages[vmf->pgoff - obj->place];
	ret = vmf_insert_pfn(vmf->vma, vmf->address, page_to_pfn(page));
	mutex_unlock(&obj->lock);
	return ret;
}

static const struct vm_operations_struct example_vm_ops = {
	.open = example_vm_open,
	.close = example_vm_close,
	.fault = example_vm_fault,
};

/* ---- what the core asks ----------------------------------------------- */

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
	reg->first = (offset >> PAGE_SHIFT) - obj->place;
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

/* Says where the pages are, each by itself: they are nowhere side by side. */
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
	reg->told = true;
	for (; !ret && offset < end; offset += PAGE_SIZE) {
		page = reg->object->pages[reg->first + (offset >> PAGE_SHIFT)];
		block.offset = offset;
		block.where = (uintptr_t)page_address(page);
		ret = ib_peer_fault_add(fault, &block);
	}
	mutex_unlock(&reg->object->lock);
	return ret;
}

/* Real device memory would be given by iosys_map_set_vaddr_iomem(). */
static int example_cpu_map(struct ib_peer_region *region,
			   const struct ib_peer_block *block,
			   struct iosys_map *map)
{
	iosys_map_set_vaddr(map, (void *)(uintptr_t)block->where);
	return 0;
}

/*
 * For devices that do DMA; called from ib_peer_fault_add(), as example_cpu_map()
 * is. Memory in a BAR: ib_peer_dma_map().
 */
static int example_dma_map(struct ib_peer_region *region,
			   const struct ib_peer_block *block, dma_addr_t *addr)
{
	void *page = (void *)(uintptr_t)block->where;

	return ib_peer_dma_map_pages(region, virt_to_page(page), block->length,
				     addr);
}

/* Takes no lock: it also comes from within ib_peer_invalidate(). */
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

/* ---- the node --------------------------------------------------------- */

static int example_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct example_object *obj;

	if (is_cow_mapping(vma->vm_flags) || vma->vm_pgoff ||
	    vma->vm_end - vma->vm_start > EXAMPLE_MAX)
		return -EINVAL;
	obj = example_create(filp->f_mapping, vma_pages(vma));
	if (!obj)
		return -ENOMEM;
	if (cmpxchg(&filp->private_data, NULL, obj)) {
		example_put(obj);
		return -EBUSY;
	}
	/* One reference is the file's, the other the mapping's. */
	example_get(obj);
	vma->vm_pgoff = obj->place;
	vma->vm_private_data = obj;
	vma->vm_ops = &example_vm_ops;
	vm_flags_set(vma, VM_IO | VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP);
	return 0;
}

static ssize_t example_write(struct file *filp, const char __user *text,
			     size_t length, loff_t *offset)
{
	struct example_object *obj = READ_ONCE(filp->private_data);
	int ret = obj ? example_move(obj) : -ENXIO;

	return ret ?: length;
}

/* misc_open() leaves a pointer of its own there. */
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

static struct miscdevice example_node = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_example",
	.fops = &example_fops,
};

static int __init example_init(void)
{
	int ret;

	example_client = ib_peer_register_client("peer_example", "1.0",
						 &example_ops, NULL);
	if (IS_ERR(example_client))
		return PTR_ERR(example_client);
	ret = misc_register(&example_node);
	if (ret)
		ib_peer_unregister_client(example_client);
	return ret;
}

static void __exit example_exit(void)
{
	misc_deregister(&example_node);
	ib_peer_unregister_client(example_client);
}

module_init(example_init);
module_exit(example_exit);

MODULE_DESCRIPTION("Example of an exporter of peer memory");
MODULE_LICENSE("Dual BSD/GPL");
