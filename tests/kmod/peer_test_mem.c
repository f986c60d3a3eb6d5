// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Test module: memory like that of device drivers. /dev/peer_test_mem maps
 * kernel pages without a struct page (VM_PFNMAP), so that pinning them as
 * system memory fails. The memory consists of pieces of different sizes. A
 * piece may be contiguous with its neighbours or not.
 *
 * The module also has the requests and counters of the tests: it stays loaded
 * when the client module is unloaded.
 *
 * An object can also be "placed" at an address without a mapping, like GPU
 * memory that the CPU cannot access. Its memory is invalidated when the file is
 * closed, as at the exit of a process.
 *
 * Locks: invalidate_lock is held while the client's function runs. A client
 * holds no lock that the function needs when it sets the function.
 */
#include <linux/atomic.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kref.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>
#include <linux/uaccess.h>

#include "peer_test_mem.h"

#define MAX_LENGTH (64 << 20)
#define GROUP 16

/* Orders of the pieces in each group of pages. */
static const unsigned int orders[] = { 4, 0, 1, 2, 0, 3 };

struct piece {
	struct page *page;
	unsigned int order;
};

struct peer_test_object {
	struct kref kref;
	struct piece *pieces;
	unsigned int num_pieces;
	struct page **pages;
	unsigned long num_pages;
	spinlock_t plan_lock; /* guards plan */
	struct peer_test_plan plan;
	struct list_head placed;
	struct mm_struct *place_mm;	/* only compared, never dereferenced */
	unsigned long place;
};

/* An open file. The first mmap() creates the object. */
struct peer_test_file {
	struct mutex lock; /* guards object */
	struct peer_test_object *object;
};

/* For objects that are created later. */
static int piece_order = -1;
module_param(piece_order, int, 0644);
MODULE_PARM_DESC(piece_order, "order of all pieces: 0 to 9; -1: different orders");

static atomic64_t counts[PEER_TEST_NUM_COUNTS];
static char calls[PEER_TEST_MAX_RANGES][PEER_TEST_MAX_CALLS];
static unsigned int num_ranges;
static DEFINE_SPINLOCK(calls_lock); /* guards the two above */
static LIST_HEAD(placed);
static DEFINE_MUTEX(placed_lock);
static DEFINE_MUTEX(invalidate_lock);
static peer_test_invalidate_t client_invalidate;

static void object_free(struct kref *kref)
{
	struct peer_test_object *object =
		container_of(kref, struct peer_test_object, kref);
	unsigned int i;

	for (i = 0; i < object->num_pieces; i++)
		__free_pages(object->pieces[i].page, object->pieces[i].order);
	kvfree(object->pieces);
	kvfree(object->pages);
	kfree(object);
}

void peer_test_object_put(struct peer_test_object *object)
{
	kref_put(&object->kref, object_free);
}
EXPORT_SYMBOL_GPL(peer_test_object_put);

static unsigned int piece_order_of(unsigned int n)
{
	return piece_order < 0 ? orders[n % ARRAY_SIZE(orders)] : piece_order;
}

static int object_fill(struct peer_test_object *object)
{
	unsigned long done = 0;

	while (done < object->num_pages) {
		unsigned int n = object->num_pieces;
		struct piece *piece = &object->pieces[n];
		unsigned int i;

		piece->order = piece_order_of(n);
		piece->page = alloc_pages(GFP_KERNEL | __GFP_ZERO,
					  piece->order);
		if (!piece->page)
			return -ENOMEM;
		object->num_pieces++;
		for (i = 0; i < 1 << piece->order; i++)
			object->pages[done++] = piece->page + i;
	}
	return 0;
}

static struct peer_test_object *object_create(unsigned long length)
{
	unsigned long whole = max(2UL * GROUP, 1UL << max(piece_order, 0));
	unsigned long pages = round_up(length >> PAGE_SHIFT, whole);
	struct peer_test_object *object;

	object = kzalloc(sizeof(*object), GFP_KERNEL);
	if (!object)
		return ERR_PTR(-ENOMEM);
	kref_init(&object->kref);
	spin_lock_init(&object->plan_lock);
	INIT_LIST_HEAD(&object->placed);
	object->num_pages = pages;
	object->pages = kvcalloc(pages, sizeof(*object->pages), GFP_KERNEL);
	object->pieces = kvcalloc(pages, sizeof(*object->pieces), GFP_KERNEL);
	if (!object->pages || !object->pieces || object_fill(object)) {
		peer_test_object_put(object);
		return ERR_PTR(-ENOMEM);
	}
	return object;
}

/* ---- for the client ---- */

static void vma_close(struct vm_area_struct *vma)
{
	peer_test_object_put(vma->vm_private_data);
}

static void vma_open(struct vm_area_struct *vma)
{
	struct peer_test_object *object = vma->vm_private_data;

	kref_get(&object->kref);
}

static const struct vm_operations_struct vm_ops = {
	.open = vma_open,
	.close = vma_close,
};

static struct peer_test_object *find_placed(const struct mm_struct *mm,
					    unsigned long addr, size_t size,
					    unsigned long *first_page)
{
	struct peer_test_object *object;
	unsigned long length;

	mutex_lock(&placed_lock);
	list_for_each_entry(object, &placed, placed) {
		length = object->num_pages << PAGE_SHIFT;
		if (object->place_mm == mm && addr >= object->place &&
		    size <= length && addr - object->place <= length - size) {
			kref_get(&object->kref);
			*first_page = (addr - object->place) >> PAGE_SHIFT;
			mutex_unlock(&placed_lock);
			return object;
		}
	}
	mutex_unlock(&placed_lock);
	return NULL;
}

struct peer_test_object *peer_test_object_find_placed(unsigned long addr,
						      size_t size,
						      unsigned long *first_page)
{
	return find_placed(current->mm, addr, size, first_page);
}
EXPORT_SYMBOL_GPL(peer_test_object_find_placed);

static void object_place(struct peer_test_object *object, unsigned long place)
{
	mutex_lock(&placed_lock);
	list_del_init(&object->placed);
	object->place = place;
	object->place_mm = current->mm;
	if (place)
		list_add(&object->placed, &placed);
	mutex_unlock(&placed_lock);
}

struct peer_test_object *peer_test_object_find_in(struct mm_struct *mm,
						  unsigned long addr,
						  size_t size,
						  unsigned long *first_page)
{
	struct peer_test_object *object = NULL;
	struct vm_area_struct *vma;

	mmap_read_lock(mm);
	vma = vma_lookup(mm, addr);
	if (vma && vma->vm_ops == &vm_ops && size <= vma->vm_end - addr) {
		object = vma->vm_private_data;
		kref_get(&object->kref);
		*first_page = vma->vm_pgoff +
			      ((addr - vma->vm_start) >> PAGE_SHIFT);
	}
	mmap_read_unlock(mm);
	return object ?: find_placed(mm, addr, size, first_page);
}
EXPORT_SYMBOL_GPL(peer_test_object_find_in);

struct peer_test_object *peer_test_object_find(unsigned long addr, size_t size,
					       unsigned long *first_page)
{
	return peer_test_object_find_in(current->mm, addr, size, first_page);
}
EXPORT_SYMBOL_GPL(peer_test_object_find);

phys_addr_t peer_test_object_phys(struct peer_test_object *object,
				  unsigned long page)
{
	return page_to_phys(object->pages[page]);
}
EXPORT_SYMBOL_GPL(peer_test_object_phys);

unsigned long peer_test_object_pages(struct peer_test_object *object)
{
	return object->num_pages;
}
EXPORT_SYMBOL_GPL(peer_test_object_pages);

static unsigned long entry_pages(struct peer_test_object *object,
				 unsigned long page, unsigned long end,
				 unsigned long max_pages)
{
	phys_addr_t phys = peer_test_object_phys(object, page);
	unsigned long n;

	for (n = 1; n < max_pages && page + n < end; n++)
		if (peer_test_object_phys(object, page + n) !=
		    phys + n * PAGE_SIZE)
			break;
	return n;
}

int peer_test_fill_table(struct sg_table *sgt, struct peer_test_object *object,
			 unsigned long first, unsigned long pages,
			 unsigned long max_pages)
{
	unsigned long end = first + pages;
	unsigned long page, n, entries = 0;
	struct scatterlist *sg;
	int ret;

	for (page = first; page < end;
	     page += entry_pages(object, page, end, max_pages))
		entries++;
	ret = sg_alloc_table(sgt, entries, GFP_KERNEL);
	if (ret)
		return ret;
	sg = sgt->sgl;
	for (page = first; page < end; page += n) {
		n = entry_pages(object, page, end, max_pages);
		sg_set_page(sg, NULL, n * PAGE_SIZE, 0);
		sg_dma_address(sg) = peer_test_object_phys(object, page);
		sg_dma_len(sg) = n * PAGE_SIZE;
		sg = sg_next(sg);
	}
	return 0;
}
EXPORT_SYMBOL_GPL(peer_test_fill_table);

bool peer_test_take_event(struct peer_test_object *object,
			  enum peer_test_event event, int *error)
{
	bool due;

	spin_lock(&object->plan_lock);
	due = object->plan.event == event;
	if (due) {
		*error = object->plan.error;
		object->plan.event = PEER_TEST_NO_EVENT;
	}
	spin_unlock(&object->plan_lock);
	return due;
}
EXPORT_SYMBOL_GPL(peer_test_take_event);

void peer_test_count(enum peer_test_count what)
{
	atomic64_inc(&counts[what]);
}
EXPORT_SYMBOL_GPL(peer_test_count);

unsigned int peer_test_new_range(void)
{
	unsigned int range;

	spin_lock(&calls_lock);
	range = ++num_ranges;
	spin_unlock(&calls_lock);
	return range;
}
EXPORT_SYMBOL_GPL(peer_test_new_range);

/* A call that does not fit is lost, so that its test fails. */
void peer_test_record_call(unsigned int range, char call)
{
	size_t n;

	if (range >= PEER_TEST_MAX_RANGES)
		return;
	spin_lock(&calls_lock);
	n = strlen(calls[range]);
	if (n < PEER_TEST_MAX_CALLS - 1)
		calls[range][n] = call;
	spin_unlock(&calls_lock);
}
EXPORT_SYMBOL_GPL(peer_test_record_call);

void peer_test_set_invalidate(peer_test_invalidate_t invalidate)
{
	mutex_lock(&invalidate_lock);
	client_invalidate = invalidate;
	mutex_unlock(&invalidate_lock);
}
EXPORT_SYMBOL_GPL(peer_test_set_invalidate);

/* ---- the device file ---- */

static int mem_map_pieces(struct peer_test_object *object,
			  struct vm_area_struct *vma)
{
	unsigned long addr = vma->vm_start;
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && addr < vma->vm_end; i++) {
		struct piece *piece = &object->pieces[i];
		unsigned long size = min(PAGE_SIZE << piece->order,
					 vma->vm_end - addr);

		ret = remap_pfn_range(vma, addr, page_to_pfn(piece->page), size,
				      vma->vm_page_prot);
		addr += size;
	}
	return ret;
}

static int mem_mmap(struct file *filp, struct vm_area_struct *vma)
{
	unsigned long length = vma->vm_end - vma->vm_start;
	struct peer_test_file *file = filp->private_data;
	struct peer_test_object *object;
	int ret = 0;

	if (vma->vm_pgoff || length > MAX_LENGTH ||
	    !(vma->vm_flags & VM_SHARED))
		return -EINVAL;
	mutex_lock(&file->lock);
	object = file->object;
	if (!object) {
		object = object_create(length);
		if (IS_ERR(object))
			ret = PTR_ERR(object);
		else
			file->object = object;
	} else if (length > object->num_pages << PAGE_SHIFT) {
		ret = -EINVAL;
	}
	mutex_unlock(&file->lock);
	if (!ret)
		ret = mem_map_pieces(object, vma);
	if (ret)
		return ret;
	kref_get(&object->kref);
	vma->vm_private_data = object;
	vma->vm_ops = &vm_ops;
	return 0;
}

static int mem_copy(struct page *page, unsigned int in_page, size_t bytes,
		    void __user *buffer, bool write)
{
	void *at = page_address(page) + in_page;

	if (write)
		return copy_from_user(at, buffer, bytes) ? -EFAULT : 0;
	return copy_to_user(buffer, at, bytes) ? -EFAULT : 0;
}

static int mem_rw(struct peer_test_object *object, void __user *arg)
{
	u64 limit = (u64)object->num_pages << PAGE_SHIFT;
	struct peer_test_rw rw;
	int ret = 0;

	if (copy_from_user(&rw, arg, sizeof(rw)))
		return -EFAULT;
	if (rw.offset > limit || rw.length > limit - rw.offset)
		return -ERANGE;
	while (!ret && rw.length) {
		unsigned int in_page = offset_in_page(rw.offset);
		size_t bytes = min_t(u64, rw.length, PAGE_SIZE - in_page);

		ret = mem_copy(object->pages[rw.offset >> PAGE_SHIFT], in_page,
			       bytes, u64_to_user_ptr(rw.buffer), rw.write);
		rw.offset += bytes;
		rw.buffer += bytes;
		rw.length -= bytes;
	}
	return ret;
}

static int mem_invalidate(struct peer_test_object *object)
{
	int ret = -ENODEV;

	mutex_lock(&invalidate_lock);
	if (client_invalidate)
		ret = client_invalidate(object);
	mutex_unlock(&invalidate_lock);
	return ret;
}

static int mem_stats(void __user *arg)
{
	struct peer_test_stats stats;
	int i;

	for (i = 0; i < PEER_TEST_NUM_COUNTS; i++)
		stats.count[i] = atomic64_read(&counts[i]);
	return copy_to_user(arg, &stats, sizeof(stats)) ? -EFAULT : 0;
}

static int mem_calls(void __user *arg)
{
	struct peer_test_calls user;

	if (copy_from_user(&user, arg, sizeof(user)))
		return -EFAULT;
	if (user.range >= PEER_TEST_MAX_RANGES)
		return -ERANGE;
	spin_lock(&calls_lock);
	user.ranges = num_ranges;
	memcpy(user.calls, calls[user.range], sizeof(user.calls));
	spin_unlock(&calls_lock);
	return copy_to_user(arg, &user, sizeof(user)) ? -EFAULT : 0;
}

static void mem_clear(void)
{
	int i;

	for (i = 0; i < PEER_TEST_NUM_COUNTS; i++)
		atomic64_set(&counts[i], 0);
	spin_lock(&calls_lock);
	num_ranges = 0;
	memset(calls, 0, sizeof(calls));
	spin_unlock(&calls_lock);
}

static int mem_plan(struct peer_test_object *object, void __user *arg)
{
	struct peer_test_plan plan;

	if (copy_from_user(&plan, arg, sizeof(plan)))
		return -EFAULT;
	spin_lock(&object->plan_lock);
	object->plan = plan;
	spin_unlock(&object->plan_lock);
	return 0;
}

static int mem_place(struct peer_test_object *object, void __user *arg)
{
	u64 place;

	if (copy_from_user(&place, arg, sizeof(place)))
		return -EFAULT;
	if (!PAGE_ALIGNED(place))
		return -EINVAL;
	object_place(object, place);
	return 0;
}

static long mem_ioctl_object(struct peer_test_object *object, unsigned int cmd,
			     void __user *arg)
{
	switch (cmd) {
	case PEER_TEST_IOC_RW:
		return mem_rw(object, arg);
	case PEER_TEST_IOC_PLAN:
		return mem_plan(object, arg);
	case PEER_TEST_IOC_INVALIDATE:
		return mem_invalidate(object);
	case PEER_TEST_IOC_PLACE:
		return mem_place(object, arg);
	default:
		return -ENOTTY;
	}
}

static long mem_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct peer_test_file *file = filp->private_data;
	struct peer_test_object *object;

	switch (cmd) {
	case PEER_TEST_IOC_STATS:
		return mem_stats((void __user *)arg);
	case PEER_TEST_IOC_CALLS:
		return mem_calls((void __user *)arg);
	case PEER_TEST_IOC_CLEAR:
		mem_clear();
		return 0;
	}
	/* Set once, and valid until the file is released. */
	mutex_lock(&file->lock);
	object = file->object;
	mutex_unlock(&file->lock);
	if (!object)
		return -ENXIO;
	return mem_ioctl_object(object, cmd, (void __user *)arg);
}

static int mem_open(struct inode *inode, struct file *filp)
{
	struct peer_test_file *file = kzalloc(sizeof(*file), GFP_KERNEL);

	if (!file)
		return -ENOMEM;
	mutex_init(&file->lock);
	filp->private_data = file;
	return 0;
}

static int mem_release(struct inode *inode, struct file *filp)
{
	struct peer_test_file *file = filp->private_data;

	if (file->object) {
		if (!list_empty(&file->object->placed))
			mem_invalidate(file->object);
		object_place(file->object, 0);
		peer_test_object_put(file->object);
	}
	kfree(file);
	return 0;
}

static const struct file_operations mem_fops = {
	.owner = THIS_MODULE,
	.open = mem_open,
	.release = mem_release,
	.mmap = mem_mmap,
	.unlocked_ioctl = mem_ioctl,
};

static struct miscdevice mem_device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "peer_test_mem",
	.fops = &mem_fops,
};

module_misc_device(mem_device);

MODULE_DESCRIPTION("Memory for tests of peer memory");
MODULE_LICENSE("Dual BSD/GPL");
