// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Setup, removal and device node of a bar, see include/rdma/ib_peer_bar.h.
 *
 * Order of removal:
 *   1. The device node is removed, so there are no new opens.
 *   2. The bar is marked dead, so ib_peer_bar_enter() fails.
 *   3. Every memory is destroyed (regions revoked, page tables zapped), and its
 *      range is freed.
 *   4. The exporter is unregistered, so there are no more calls to the
 *      struct ib_peer_ops.
 *   5. The kernel mapping is removed.
 * Open files and mappings of users may exist for any time after that. They hold
 * references to the struct.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bar.h"
#include "bar_ioctl.h"
#include "bar_memory.h"
#include "bar_mmap.h"
#include "bar_region.h"

static const struct file_operations bar_anon_fops = {};

/* ---- device node ------------------------------------------------------ */

static int bar_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *misc = filp->private_data;
	struct ib_peer_bar *bar = container_of(misc, struct ib_peer_bar, misc);

	if (!try_module_get(bar->desc.owner))
		return -ENODEV;
	bar_get(bar);
	/* bar_memory_destroy() zaps page tables by this address_space. */
	filp->f_mapping = bar->anon_file->f_mapping;
	filp->private_data = bar;
	return nonseekable_open(inode, filp);
}

static int bar_file_release(struct inode *inode, struct file *filp)
{
	struct ib_peer_bar *bar = filp->private_data;

	module_put(bar->desc.owner);
	bar_put(bar);
	return 0;
}

static const struct file_operations bar_fops = {
	.owner = THIS_MODULE,
	.open = bar_open,
	.release = bar_file_release,
	.mmap = bar_mmap,
	.get_unmapped_area = bar_get_unmapped_area,
	.unlocked_ioctl = bar_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
};

static int bar_register_node(struct ib_peer_bar *bar)
{
	bar->misc.minor = MISC_DYNAMIC_MINOR;
	bar->misc.name = bar->name;
	bar->misc.fops = &bar_fops;
	bar->misc.parent = bar->desc.device;
	return misc_register(&bar->misc);
}

/* ---- setup ------------------------------------------------------------ */

static int bar_check_desc(const struct ib_peer_bar_desc *desc)
{
	unsigned int known = IB_PEER_BAR_SHARED | IB_PEER_BAR_REGISTERS;
	const struct ib_peer_bar_ops *ops = desc->ops;

	if (!desc->name || !*desc->name || desc->flags & ~known ||
	    !desc->start || !desc->size || desc->start + desc->size < desc->start ||
	    !PAGE_ALIGNED(desc->start) || !PAGE_ALIGNED(desc->size))
		return -EINVAL;
	if (desc->flags & IB_PEER_BAR_REGISTERS &&
	    !(desc->flags & IB_PEER_BAR_SHARED))
		return -EINVAL;
	if (ops && (!ops->alloc != !ops->free || !ops->alloc != !ops->available))
		return -EINVAL;
	return 0;
}

static int bar_ioremap(struct ib_peer_bar *bar)
{
	if (bar_is_registers(bar))
		bar->io = ioremap(bar->desc.start, bar->desc.size);
	else
		bar->io = ioremap_wc(bar->desc.start, bar->desc.size);
	return bar->io ? 0 : -ENOMEM;
}

/* A shared range, or one that desc.ops->alloc() allocates from, needs no pool. */
static int bar_create_pool(struct ib_peer_bar *bar)
{
	const struct ib_peer_bar_ops *ops = bar->desc.ops;

	if (bar_is_shared(bar) || (ops && ops->alloc))
		return 0;
	bar->pool = gen_pool_create(PAGE_SHIFT, NUMA_NO_NODE);
	if (!bar->pool)
		return -ENOMEM;
	return gen_pool_add(bar->pool, bar->desc.start, bar->desc.size,
			    NUMA_NO_NODE);
}

static int bar_create_shared(struct ib_peer_bar *bar)
{
	struct ib_peer_bar_memory *memory;

	if (!bar_is_shared(bar))
		return 0;
	memory = bar_memory_create(bar, bar->desc.size);
	if (IS_ERR(memory))
		return PTR_ERR(memory);
	bar->shared = memory;
	return 0;
}

static int bar_create_anon_file(struct ib_peer_bar *bar)
{
	struct file *file;

	file = anon_inode_create_getfile("[ib_peer_bar]", &bar_anon_fops,
					 NULL, O_RDWR, NULL);
	if (IS_ERR(file))
		return PTR_ERR(file);
	bar->anon_file = file;
	return 0;
}

static int bar_register_exporter(struct ib_peer_bar *bar)
{
	struct ib_peer_exporter *exporter;

	exporter = ib_peer_register_exporter(bar->name, "1.0", &bar_region_ops, bar);
	if (IS_ERR(exporter))
		return PTR_ERR(exporter);
	bar->exporter = exporter;
	return 0;
}

static int bar_setup(struct ib_peer_bar *bar)
{
	int ret;

	ret = bar_ioremap(bar);
	if (!ret)
		ret = bar_create_pool(bar);
	if (!ret)
		ret = bar_create_anon_file(bar);
	if (!ret)
		ret = bar_create_shared(bar);
	if (!ret)
		ret = bar_register_exporter(bar);
	if (!ret)
		ret = bar_register_node(bar);
	return ret;
}

/* ---- removal ---------------------------------------------------------- */

/* Ends all use. Waits for callers of ib_peer_bar_enter(), not for users. */
static void bar_shutdown(struct ib_peer_bar *bar)
{
	struct ib_peer_bar_memory *memory, *next;

	down_write(&bar->alive);
	bar->dead = true;
	up_write(&bar->alive);

	mutex_lock(&bar->lock);
	list_for_each_entry_safe(memory, next, &bar->memories, node) {
		bar_memory_destroy(memory);
		bar_memory_free_range(memory);
	}
	mutex_unlock(&bar->lock);
}

/* Undoes bar_setup() but for the device node, also after a failure half-way. */
static void bar_teardown(struct ib_peer_bar *bar)
{
	bar_shutdown(bar);
	if (bar->exporter)
		ib_peer_unregister_exporter(bar->exporter);
	if (bar->shared)
		ib_peer_bar_memory_put(bar->shared);
	if (bar->pool)
		gen_pool_destroy(bar->pool);
	if (bar->io)
		iounmap(bar->io);
	bar_put(bar);
}

/* ---- API -------------------------------------------------------------- */

struct ib_peer_bar *ib_peer_bar_add(const struct ib_peer_bar_desc *desc)
{
	struct ib_peer_bar *bar;
	int ret;

	ret = bar_check_desc(desc);
	if (ret)
		return ERR_PTR(ret);
	bar = kzalloc(sizeof(*bar), GFP_KERNEL);
	if (!bar)
		return ERR_PTR(-ENOMEM);
	if (strscpy(bar->name, desc->name, sizeof(bar->name)) < 0) {
		kfree(bar);
		return ERR_PTR(-EINVAL);
	}
	kref_init(&bar->kref);
	bar->desc = *desc;
	bar->desc.name = bar->name;
	init_rwsem(&bar->alive);
	mutex_init(&bar->lock);
	INIT_LIST_HEAD(&bar->memories);

	ret = bar_setup(bar);
	if (!ret)
		return bar;
	bar_teardown(bar);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_add);

void ib_peer_bar_remove(struct ib_peer_bar *bar)
{
	if (!bar)
		return;
	misc_deregister(&bar->misc);
	bar_teardown(bar);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_remove);

MODULE_DESCRIPTION("Exporters of peer memory that is a fixed range of a PCI BAR");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
