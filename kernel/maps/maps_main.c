// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * peer_maps: mappings of device memory that other drivers made, as peer memory, if
 * the administrator allows it. Files, from the highest layer to the lowest:
 *
 *   maps_main.c         the module, and the struct ib_peer_ops
 *   maps_params.c       the module parameters allow and forbid
 *   maps_bus_notifier.c removal of PCI devices and of their drivers
 *   maps_policy.c       the allowed entries, and the regions that each allows
 *   maps_entry.c        syntax of an entry
 *   maps_device.c       PCI devices: their memory and their drivers
 *   maps_window.c       kernel mappings of device memory
 *   maps_pages.c        lookup in the page table of the process
 *
 * The lock order is in maps_region.h.
 */
#include <linux/err.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "maps_bus_notifier.h"
#include "maps_pages.h"
#include "maps_policy.h"
#include "maps_region.h"
#include "maps_window.h"

static struct ib_peer_exporter *maps_exporter;

/* ---- claim ---- */

/**
 * struct maps_vma_info - common properties of all VMAs in a range
 * @file:  the file of all VMAs; NULL: different files, a hole, or no device mapping
 * @flags: flags that all VMAs have
 */
struct maps_vma_info {
	struct file *file;
	unsigned long flags;
};

/* Return: 0; -ENXIO unless the range has device mappings of one file and no hole. */
static int maps_check_vmas(const struct ib_peer_region *region,
			   struct maps_vma_info *info)
{
	unsigned long end = region->start + region->length;
	unsigned long at = region->start;
	struct vm_area_struct *vma;
	struct file *file = NULL;
	struct vma_iterator vmi;

	mmap_assert_locked(region->mm);

	vma_iter_init(&vmi, region->mm, at);
	*info = (struct maps_vma_info){ .flags = ~0UL };
	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > at || !maps_vma_is_device(vma) ||
		    (file && vma->vm_file != file))
			return -ENXIO;
		file = vma->vm_file;
		info->flags &= vma->vm_flags;
		at = vma->vm_end;
	}
	if (at < end)
		return -ENXIO;
	info->file = file;
	return 0;
}

/*
 * A write to a private mapping would go to a copy in system memory, so VM_SHARED is
 * needed.
 */
static int maps_check_permissions(const struct ib_peer_region *region,
				  unsigned long flags)
{
	unsigned long need = VM_READ | VM_SHARED |
			     (region->writable ? VM_WRITE : 0);

	return (flags & need) == need ? 0 : -EACCES;
}

/* By the mapped file. Return: 0 claimed; -ENXIO not allowed; -EINTR. */
static int maps_claim_file(struct maps_region *maps, struct maps_vma_info *info)
{
	struct ib_peer_region *region = maps->region;
	int ret;

	if (mmap_read_lock_killable(region->mm))
		return -EINTR;
	ret = maps_check_vmas(region, info);
	if (!ret)
		ret = maps_policy_claim_file(maps, info->file);
	mmap_read_unlock(region->mm);
	return ret;
}

/*
 * By the driver of the device that has the first page. Return: 0 claimed; -ENXIO not
 * allowed; or as maps_pages_resolve().
 */
static int maps_claim_driver(struct maps_region *maps)
{
	unsigned long start = maps->region->start;
	struct maps_run run;
	int ret;

	ret = maps_pages_resolve(maps->region->mm, start, start + PAGE_SIZE,
				 false, &run);
	if (!ret && !run.present)
		ret = -ENXIO;
	return ret ?: maps_policy_claim_driver(maps, &run);
}

static int maps_claim_region(struct maps_region *maps)
{
	struct maps_vma_info info;
	int ret;

	ret = maps_claim_file(maps, &info);
	if (ret == -ENXIO && info.file)
		ret = maps_claim_driver(maps);
	if (ret)
		return ret;
	ret = maps_check_permissions(maps->region, info.flags);
	if (ret)
		maps_policy_remove_region(maps);
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

	maps_policy_remove_region(maps);
	maps_window_unmap_all(maps);
	mutex_destroy(&maps->lock);
	kfree(maps);
}

/* ---- pages ---- */

/* Holds no page: if one moves, the core revokes the MR (IB_PEER_MMU_TRACKED). */
static int maps_pin(struct ib_peer_region *region)
{
	struct maps_region *maps = region->priv;

	maps->pinned = true;
	return 0;
}

static void maps_unpin(struct ib_peer_region *region)
{
}

static int maps_report_run(struct maps_region *maps, struct maps_run *run,
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

	/* Pages without permission are a gap for the core. */
	if (!run->present || !maps_policy_permits(maps, run))
		return 0;
	if (run->registers)
		block.flags |= IB_PEER_BLOCK_REGISTERS;
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
		ret = maps_pages_resolve(region->mm, at, end, write, &run);
		if (!ret)
			ret = maps_report_run(region->priv, &run, fault);
	}
	mmput_async(region->mm);
	return ret;
}

/* Called by ib_peer_fault_add() in maps_report_run(). */
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
	.flags = IB_PEER_FALLBACK | IB_PEER_MMU_TRACKED,
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
	int ret = maps_bus_notifier_init();

	if (ret)
		return ret;
	maps_exporter = ib_peer_register_exporter("peer_maps", "1.0", &maps_ops,
						  NULL);
	if (IS_ERR(maps_exporter))
		maps_bus_notifier_exit();
	return PTR_ERR_OR_ZERO(maps_exporter);
}

static void __exit maps_exit(void)
{
	ib_peer_unregister_exporter(maps_exporter);
	maps_bus_notifier_exit();
}

module_init(maps_init);
module_exit(maps_exit);

MODULE_DESCRIPTION("Mappings of other drivers as peer memory");
MODULE_LICENSE("Dual BSD/GPL");
MODULE_VERSION(PEERMEM_VERSION);
