// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_maps: mappings of device memory that other drivers made, where the
 * administrator allows it, as peer memory.
 *
 *   maps_main.c    the module; the core's calls
 *   maps_policy.c  what is allowed, and the regions there are by it
 *   maps_allow.c   how the administrator says it
 *   maps_device.c  PCI devices: whose memory, driven by whom, going away
 *   maps_pages.c   what the page table of the process says
 *   maps_window.c  kernel mappings of the same memory
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "maps_priv.h"

static struct ib_peer_client *maps_client;

/* ---- claim ---- */

/*
 * struct maps_range - what the mappings in a range have in common
 * @file:  all are of this; NULL: not of one, or there is a hole
 * @flags: all of them have these
 */
struct maps_range {
	struct file *file;
	unsigned long flags;
};

/* Return: 0, -ENXIO not device mappings of one file, without a hole. */
static int maps_look(const struct ib_peer_region *region,
		     struct maps_range *range)
{
	unsigned long end = region->start + region->length;
	unsigned long at = region->start;
	struct vm_area_struct *vma;
	struct file *file = NULL;
	struct vma_iterator vmi;

	mmap_assert_locked(region->mm);

	vma_iter_init(&vmi, region->mm, at);
	*range = (struct maps_range){ .flags = ~0UL };
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > at || !maps_vma_is_device(vma) ||
		    (file && vma->vm_file != file))
			return -ENXIO;
		file = vma->vm_file;
		range->flags &= vma->vm_flags;
		at = vma->vm_end;
	}
	if (at < end)
		return -ENXIO;
	range->file = file;
	return 0;
}

/*
 * Of a private mapping what is written becomes the process's, page by page: not
 * device memory.
 */
static int maps_check_rights(const struct ib_peer_region *region,
			     unsigned long flags)
{
	unsigned long need = VM_READ | VM_SHARED |
			     (region->writable ? VM_WRITE : 0);

	return (flags & need) == need ? 0 : -EACCES;
}

/* By the file that is mapped. Return: 0 claimed, -EACCES, -ENXIO not allowed. */
static int maps_claim_file(struct maps_region *maps, struct maps_range *range)
{
	struct ib_peer_region *region = maps->region;
	int ret;

	if (mmap_read_lock_killable(region->mm))
		return -EINTR;
	ret = maps_look(region, range);
	if (!ret)
		ret = maps_policy_claim_file(maps, range->file);
	mmap_read_unlock(region->mm);
	return ret;
}

/* By the driver of the device that the first page is in; the same. */
static int maps_claim_driver(struct maps_region *maps)
{
	unsigned long start = maps->region->start;
	struct maps_run run;
	int ret;

	ret = maps_pages_read(maps->region->mm, start, start + PAGE_SIZE,
			      false, &run);
	if (!ret && !run.there)
		ret = -ENXIO;
	return ret ?: maps_policy_claim_driver(maps, &run);
}

static int maps_claim_region(struct maps_region *maps)
{
	struct maps_range range;
	int ret;

	ret = maps_claim_file(maps, &range);
	if (ret == -ENXIO && range.file)
		ret = maps_claim_driver(maps);
	if (ret)
		return ret;
	ret = maps_check_rights(maps->region, range.flags);
	if (ret)
		maps_policy_forget(maps);
	return ret;
}

static int maps_claim(struct ib_peer_region *region)
{
	struct maps_region *maps;
	int ret;

	if (maps_policy_is_empty())
		return -ENXIO;
	maps = kzalloc(sizeof(*maps), GFP_KERNEL_ACCOUNT);
	if (!maps)
		return -ENOMEM;
	maps->region = region;
	mutex_init(&maps->lock);
	maps->windows = RB_ROOT_CACHED;
	region->priv = maps;
	ret = maps_claim_region(maps);
	if (ret)
		kfree(maps);
	return ret;
}

static void maps_release(struct ib_peer_region *region)
{
	struct maps_region *maps = region->priv;

	maps_policy_forget(maps);
	maps_window_unmap_all(maps);
	mutex_destroy(&maps->lock);
	kfree(maps);
}

/* ---- pages ---- */

/* Nothing is held: what moves a page ends the region, see IB_PEER_FOLLOWS. */
static int maps_pin(struct ib_peer_region *region)
{
	struct maps_region *maps = region->priv;

	maps->pinned = true;
	return 0;
}

static void maps_unpin(struct ib_peer_region *region)
{
}

static int maps_report(struct maps_region *maps, struct maps_run *run,
		       struct ib_peer_fault *fault)
{
	const struct ib_peer_region *region = maps->region;
	struct ib_peer_block block = {
		.offset = run->start - region->start,
		.length = maps_run_size(run),
		.where = run->phys,
		.flags = region->writable && run->writable ?
			 IB_PEER_BLOCK_WRITE : 0,
	};
	int ret;

	/* What may not be had is a gap in the answer. */
	if (!run->there || !maps_policy_permits(maps, run))
		return 0;
	mutex_lock(&maps->lock);
	maps->run = run;
	ret = ib_peer_fault_add(fault, &block);
	mutex_unlock(&maps->lock);
	return ret;
}

static int maps_fault(struct ib_peer_region *region, u64 offset, u64 length,
		      bool write, struct ib_peer_fault *fault)
{
	unsigned long at = region->start + offset;
	unsigned long end = at + length;
	struct maps_run run;
	int ret = 0;

	if (!mmget_not_zero(region->mm))
		return -EFAULT;
	for (; !ret && at != end; at = run.end) {
		ret = maps_pages_read(region->mm, at, end, write, &run);
		if (!ret)
			ret = maps_report(region->priv, &run, fault);
	}
	mmput_async(region->mm);
	return ret;
}

/* From within maps_report(). */
static int maps_cpu_map(struct ib_peer_region *region,
			const struct ib_peer_block *block,
			struct iosys_map *map)
{
	struct maps_region *maps = region->priv;

	lockdep_assert_held(&maps->lock);

	if (!maps->run->ram)
		return maps_window_map(maps, maps->run, map);
	iosys_map_set_vaddr(map, phys_to_virt(block->where));
	return 0;
}

static const struct ib_peer_ops maps_ops = {
	.flags = IB_PEER_LAST | IB_PEER_FOLLOWS,
	.claim = maps_claim,
	.pin = maps_pin,
	.unpin = maps_unpin,
	.fault = maps_fault,
	.cpu_map = maps_cpu_map,
	.release = maps_release,
};

/* ---- module ---- */

static int __init maps_init(void)
{
	int ret = maps_device_init();

	if (ret)
		return ret;
	maps_client = ib_peer_register_client("peer_maps", "1.0", &maps_ops,
					      NULL);
	if (IS_ERR(maps_client))
		maps_device_exit();
	return PTR_ERR_OR_ZERO(maps_client);
}

static void __exit maps_exit(void)
{
	ib_peer_unregister_client(maps_client);
	maps_device_exit();
}

module_init(maps_init);
module_exit(maps_exit);

MODULE_DESCRIPTION("Mappings of other drivers as peer memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION("0.1.0");
