// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The life of a bar, and its node. See include/rdma/ib_peer_bar.h.
 *
 * Removal: no new opens; nobody enters; every memory killed (regions revoked,
 * page tables zapped) and its bytes given back; the client goes, and with it all
 * calls into the exporter; then the kernel's mapping. Files and mappings of users
 * may outlive that for as long as they like: they keep the struct.
 */
#include <linux/anon_inodes.h>
#include <linux/err.h>
#include <linux/file.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "bar_priv.h"

static const struct file_operations bar_space_fops = {};

void bar_get(struct ib_peer_bar *bar)
{
	kref_get(&bar->kref);
}

static void bar_free(struct kref *kref)
{
	struct ib_peer_bar *bar = container_of(kref, struct ib_peer_bar, kref);

	if (bar->space)
		fput(bar->space);
	kfree(bar);
}

void bar_put(struct ib_peer_bar *bar)
{
	kref_put(&bar->kref, bar_free);
}

/* ---- node ------------------------------------------------------------- */

static int bar_open(struct inode *inode, struct file *filp)
{
	struct miscdevice *misc = filp->private_data;
	struct ib_peer_bar *bar = container_of(misc, struct ib_peer_bar, misc);

	if (!try_module_get(bar->desc.owner))
		return -ENODEV;
	bar_get(bar);
	/* Where removal and destruction look for page tables to zap. */
	filp->f_mapping = bar->space->f_mapping;
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

static int bar_add_node(struct ib_peer_bar *bar)
{
	bar->misc.minor = MISC_DYNAMIC_MINOR;
	bar->misc.name = bar->name;
	bar->misc.fops = &bar_fops;
	bar->misc.parent = bar->desc.device;
	return misc_register(&bar->misc);
}

/* ---- using it --------------------------------------------------------- */

void *ib_peer_bar_enter(struct ib_peer_bar *bar)
{
	down_read(&bar->alive);
	if (!bar->dead)
		return bar->desc.priv;
	up_read(&bar->alive);
	return ERR_PTR(-ENODEV);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_enter);

void ib_peer_bar_exit(struct ib_peer_bar *bar)
{
	up_read(&bar->alive);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_exit);

/* ---- coming and going ------------------------------------------------- */

static int bar_check(const struct ib_peer_bar_desc *desc)
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

static int bar_map(struct ib_peer_bar *bar)
{
	if (bar_is_registers(bar))
		bar->io = ioremap(bar->desc.start, bar->desc.size);
	else
		bar->io = ioremap_wc(bar->desc.start, bar->desc.size);
	return bar->io ? 0 : -ENOMEM;
}

/* What divides the range, unless the exporter does. */
static int bar_add_pool(struct ib_peer_bar *bar)
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

static int bar_add_shared(struct ib_peer_bar *bar)
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

static int bar_add_space(struct ib_peer_bar *bar)
{
	struct file *space;

	space = anon_inode_create_getfile("[ib_peer_bar]", &bar_space_fops,
					  NULL, O_RDWR, NULL);
	if (IS_ERR(space))
		return PTR_ERR(space);
	bar->space = space;
	return 0;
}

static int bar_add_client(struct ib_peer_bar *bar)
{
	struct ib_peer_client *client;

	client = ib_peer_register_client(bar->name, "1.0", &bar_region_ops, bar);
	if (IS_ERR(client))
		return PTR_ERR(client);
	bar->client = client;
	return 0;
}

static void bar_kill(struct ib_peer_bar *bar)
{
	struct ib_peer_bar_memory *memory, *next;

	down_write(&bar->alive);
	bar->dead = true;
	up_write(&bar->alive);

	mutex_lock(&bar->lock);
	list_for_each_entry_safe(memory, next, &bar->memories, node) {
		bar_memory_kill(memory);
		bar_memory_give_back(memory);
	}
	mutex_unlock(&bar->lock);
}

/* Undoes bar_build(), or what it came to. */
static void bar_unbuild(struct ib_peer_bar *bar)
{
	bar_kill(bar);
	if (bar->client)
		ib_peer_unregister_client(bar->client);
	if (bar->shared)
		ib_peer_bar_memory_put(bar->shared);
	if (bar->pool)
		gen_pool_destroy(bar->pool);
	if (bar->io)
		iounmap(bar->io);
	bar_put(bar);
}

static int bar_build(struct ib_peer_bar *bar)
{
	int ret;

	ret = bar_map(bar);
	if (!ret)
		ret = bar_add_pool(bar);
	if (!ret)
		ret = bar_add_space(bar);
	if (!ret)
		ret = bar_add_shared(bar);
	if (!ret)
		ret = bar_add_client(bar);
	if (!ret)
		ret = bar_add_node(bar);
	return ret;
}

struct ib_peer_bar *ib_peer_bar_add(const struct ib_peer_bar_desc *desc)
{
	struct ib_peer_bar *bar;
	int ret;

	ret = bar_check(desc);
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

	ret = bar_build(bar);
	if (!ret)
		return bar;
	bar_unbuild(bar);
	return ERR_PTR(ret);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_add);

void ib_peer_bar_remove(struct ib_peer_bar *bar)
{
	if (!bar)
		return;
	misc_deregister(&bar->misc);
	bar_unbuild(bar);
}
EXPORT_SYMBOL_GPL(ib_peer_bar_remove);

MODULE_DESCRIPTION("Exporters of peer memory that is a fixed range of a PCI BAR");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION("0.1.0");
