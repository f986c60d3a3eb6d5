// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Faults in the pages of a range: decides who owns each page, and how often
 * to ask.
 *
 * System memory is resolved through the mm. Device memory, and addresses
 * where the CPU has no mapping, are resolved through the exporter
 * (fault_resolve.c). Both follow the protocol of mmu_interval_notifier:
 *
 *   1. read the sequences
 *   2. resolve the pages, with no lock of the umem held
 *   3. take xa_lock; if a sequence has changed, the result may be stale:
 *      start again
 *   4. publish the pages
 */
#include <compat/mm.h>
#include <linux/err.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/sched/signal.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "hold_point.h"
#include "trace.h"
#include "umem/fault.h"
#include "umem/fault_list.h"
#include "umem/fault_resolve.h"
#include "umem/readers.h"
#include "umem/region.h"
#include "umem/region_tree.h"
#include "umem/umem.h"

/*
 * Finds the region of the first page. Return: the region, with an active
 * reference; NULL: none; ERR_PTR(-EFAULT): it is dead. With @keep_dead false
 * a dead region is removed from the tree instead.
 */
static struct ib_peer_region *fault_find_region(struct ib_peer_fault *fault,
						bool keep_dead)
{
	struct ib_peer_region *region = NULL;
	struct ib_peer_region *dead = NULL;
	struct interval_tree_node *node;

	xa_lock(&fault->peer->pages);
	node = interval_tree_iter_first(&fault->peer->regions, fault->start,
					fault->start);
	if (node)
		region = container_of(node, struct ib_peer_region, span);
	if (region && !region->dead) {
		ib_peer_region_get_active(region);
	} else if (region && keep_dead) {
		region = ERR_PTR(-EFAULT);
	} else if (region) {
		dead = region;
		region = NULL;
		kref_get(&dead->kref);
	}
	xa_unlock(&fault->peer->pages);
	if (dead) {
		ib_umem_peer_remove_region(dead);
		ib_peer_region_put(dead);
	}
	return region;
}

/*
 * Clips [start, last] to the part around the first page that has no region
 * yet.
 */
static void fault_clip(struct ib_peer_fault *fault, unsigned long *start,
		       unsigned long *last)
{
	struct ib_umem_peer *peer = fault->peer;
	struct interval_tree_node *node;

	*start = max(*start, ib_umem_peer_first(peer));
	*last = min(*last, ib_umem_peer_last(peer));
	xa_lock(&peer->pages);
	for (node = interval_tree_iter_first(&peer->regions, *start, *last);
	     node; node = interval_tree_iter_next(node, *start, *last)) {
		if (node->last < fault->start)
			*start = node->last + 1;
		else if (node->start > fault->start)
			*last = min(*last, node->start - 1);
	}
	xa_unlock(&peer->pages);
}

/*
 * Claims a new region in the part of [start, last] that has none, and inserts
 * it into the tree if the mapping has not changed meanwhile. Return: the
 * region, with an active reference, or ERR_PTR.
 */
static struct ib_peer_region *fault_claim(struct ib_peer_fault *fault,
					  unsigned long start,
					  unsigned long last, bool writable)
{
	struct ib_umem_peer *peer = fault->peer;
	struct ib_peer_region *region;
	bool late;

	fault_clip(fault, &start, &last);
	region = ib_peer_region_claim(peer, start, last + 1, writable);
	if (IS_ERR(region))
		return region;
	xa_lock(&peer->pages);
	late = region->dead || READ_ONCE(peer->revoked) ||
	       mmu_interval_read_retry(&peer->notifier,
				       fault->window.mmu_seq) ||
	       interval_tree_iter_first(&peer->regions, start, last);
	if (!late)
		ib_umem_peer_insert_region(region);
	xa_unlock(&peer->pages);
	if (late) {
		ib_peer_region_discard(region);
		return ERR_PTR(-EAGAIN);
	}
	return region;
}

/*
 * Resolves device memory through its region, or through a new one in [start,
 * last].
 * @keep_dead: a dead region fails faults in its range until the range is
 *             unmapped
 */
static int fault_region(struct ib_peer_fault *fault, unsigned long start,
			unsigned long last, bool writable, bool keep_dead)
{
	struct ib_peer_region *region;
	int ret;

	ib_peer_hold(IB_PEER_HOLD_FIND);
	region = fault_find_region(fault, keep_dead);
	if (!region) {
		ib_peer_hold(IB_PEER_HOLD_CLAIM);
		region = fault_claim(fault, start, last, writable);
	}
	if (IS_ERR(region))
		return PTR_ERR(region);
	if (writable && !region->writable) {
		/*
		 * rereg made the MR writable: claim the range again, for
		 * writing.
		 */
		ib_umem_peer_remove_region(region);
		ib_peer_hold(IB_PEER_HOLD_REMOVED);
		ib_peer_region_kill(region);
		ret = -EAGAIN;
	} else {
		fault->end = min(fault->end, region->span.last + 1);
		ret = ib_peer_resolve_exporter(fault, region);
	}
	ib_peer_region_put_active(region);
	return ret;
}

/*
 * Maps one page into the CPU page table in every 2 MiB that the importer
 * uses. Without it, mprotect() of a mapping that has no pages calls no
 * notifier. If the CPU cannot map the page, no notifier is needed.
 */
static int fault_map_cpu_page(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	bool unlocked = false;
	int ret;

	ret = fixup_user_fault(mm, fault->start,
			       fault_is_write(fault) ? FAULT_FLAG_WRITE : 0,
			       &unlocked);
	if (unlocked)
		return -EAGAIN;
	return ret == -EFAULT ? 0 : ret;
}

/* Resolves a page in a device's mapping. */
static int fault_device(struct ib_peer_fault *fault, struct vm_area_struct *vma)
{
	bool writable = vma->vm_flags & VM_WRITE &&
			READ_ONCE(fault->peer->writable);
	unsigned long start = vma->vm_start;
	unsigned long last = vma->vm_end - 1;
	int ret = 0;

	/* An exporter can only report pages by faulting them in. */
	if (!(fault->flags & PEER_FAULT_SNAPSHOT))
		ret = fault_map_cpu_page(fault);
	fault_unlock(fault);
	if (ret || fault->flags & PEER_FAULT_SNAPSHOT)
		return ret;
	return fault_region(fault, start, last, writable, true);
}

/*
 * Finds the PROT_NONE mapping, or the gap between mappings, around the first
 * page. Return: the errno of an access if no exporter claims it.
 */
static int fault_find_gap(struct ib_peer_fault *fault, unsigned long *start,
			  unsigned long *last)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	struct vm_area_struct *vma;
	struct vma_iterator vmi;

	vma_iter_init(&vmi, mm, fault->start);
	vma = vma_next(&vmi);
	if (vma && vma->vm_start <= fault->start) {
		*start = vma->vm_start;
		*last = vma->vm_end - 1;
		return -EACCES;
	}
	*last = vma ? vma->vm_start - 1 : TASK_SIZE_MAX - 1;
	vma_iter_init(&vmi, mm, fault->start);
	vma = vma_prev(&vmi);
	*start = vma ? vma->vm_end : 0;
	return -EFAULT;
}

/* The smallest unit in which GPU drivers reserve addresses. */
#define CLAIM_SIZE SZ_2M

/*
 * The CPU page table does not show memory that only devices reach; its
 * exporter knows it by the address. A reservation may be much larger than the
 * memory in it, so claim all of it first, then 2 MiB. No munmap() follows
 * when such a region dies, and the exporter may use the addresses again, so a
 * dead region is not kept.
 */
static int fault_unmapped(struct ib_peer_fault *fault)
{
	unsigned long window = ALIGN_DOWN(fault->start, CLAIM_SIZE);
	bool writable = READ_ONCE(fault->peer->writable);
	unsigned long start, last;
	int ret, refusal;

	refusal = fault_find_gap(fault, &start, &last);
	fault_unlock(fault);
	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return refusal;

	ret = fault_region(fault, start, last, writable, false);
	if (ret && ret != -EAGAIN)
		ret = fault_region(fault, max(start, window),
				   min(last, window + CLAIM_SIZE - 1),
				   writable, false);
	return ret == -EFAULT ? refusal : ret;
}

/* A dma-buf has one region, in no address space. */
static int fault_dmabuf(struct ib_peer_fault *fault)
{
	struct ib_peer_region *region;
	int ret;

	/* An exporter can only report pages by faulting them in. */
	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return 0;
	region = fault_find_region(fault, true);
	if (IS_ERR_OR_NULL(region))
		return -EFAULT;
	if (fault_is_write(fault) && !region->writable)
		ret = -EACCES;
	else
		ret = ib_peer_resolve_exporter(fault, region);
	ib_peer_region_put_active(region);
	return ret;
}

/*
 * A write to a private device mapping copies the page, which the kernel does
 * correctly only in the process itself.
 */
static bool fault_permits(const struct ib_peer_fault *fault,
			  const struct vm_area_struct *vma, bool device)
{
	unsigned long need = VM_READ | (fault_is_write(fault) ? VM_WRITE : 0);

	if (device && fault_is_write(fault) && peer_vma_is_cow(vma))
		return false;
	return (vma->vm_flags & need) == need;
}

/* Called with mmap_lock held; may drop it. */
static int fault_vma(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	struct vm_area_struct *vma = vma_lookup(mm, fault->start);
	bool device = vma && vma->vm_flags & (VM_IO | VM_PFNMAP);

	/* No process has memory there, so no exporter is asked. */
	if (fault->start >= TASK_SIZE_MAX)
		return -EFAULT;
	if (!vma || (!device && !(vma->vm_flags & VM_ACCESS_FLAGS)))
		return fault_unmapped(fault);
	if (!fault_permits(fault, vma, device))
		return -EACCES;
	fault->end = min(fault->end, vma->vm_end);
	if (device)
		return fault_device(fault, vma);
	/* An exported range is device memory only. */
	if (fault->peer->export)
		return -EFAULT;
	return ib_peer_resolve_system(fault, vma);
}

static int fault_mm(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	int ret;

	if (ib_peer_mm_is_abandoned(mm) || !mmget_not_zero(mm))
		return -EFAULT;
	fault->window.mmu_seq = mmu_interval_read_begin(&fault->peer->notifier);
	ret = mmap_read_lock_killable(mm);
	if (!ret) {
		fault->locked = 1;
		ret = fault_vma(fault);
		fault_unlock(fault);
	}
	mmput_async(mm);
	return ret;
}

/*
 * Charges page table entries, regions and CPU page tables to the process that
 * registered, whichever thread runs the fault and whoever owns the address
 * space.
 */
static int fault_once(struct ib_peer_fault *fault)
{
	struct ib_umem_peer *peer = fault->peer;
	struct mem_cgroup *memcg, *old;
	int ret;

	memcg = get_mem_cgroup_from_mm(peer->registrant);
	old = set_active_memcg(memcg);
	ret = peer->dmabuf ? fault_dmabuf(fault) : fault_mm(fault);
	set_active_memcg(old);
	mem_cgroup_put(memcg);
	return ret;
}

unsigned long ib_umem_peer_deadline(void)
{
	return (jiffies + ib_peer_fault_timeout()) ?: 1;
}
EXPORT_SYMBOL_GPL(ib_umem_peer_deadline);

static int fault_init(struct ib_peer_fault *fault, struct ib_umem_peer *peer,
		      unsigned int flags, unsigned long until)
{
	fault->peer = peer;
	fault->flags = flags;
	fault->until = until ?: ib_umem_peer_deadline();
	fault->window.ptes = kmalloc_array(PEER_HUGE_PAGES,
					   sizeof(*fault->window.ptes),
					   GFP_KERNEL);
	return fault->window.ptes ? 0 : -ENOMEM;
}

static void fault_fini(struct ib_peer_fault *fault)
{
	kfree(fault->window.ptes);
}

/*
 * Decides after one attempt. A fault is killed only after its umem has been
 * revoked, or its address space abandoned, which fault_mm() checks. So the
 * signal only ends waits. Return: 0 go on with the next pages, -EAGAIN repeat,
 * or the errno of the fault.
 */
static int fault_result(const struct ib_peer_fault *fault, int ret)
{
	if (READ_ONCE(fault->peer->revoked))
		return -EFAULT;
	if (ret == -EAGAIN && time_after(jiffies, fault->until))
		return -ETIMEDOUT;
	return ret;
}

/* Resolves [fault->start, end), at most 2 MiB at a time. */
static int fault_range(struct ib_peer_fault *fault, unsigned long end,
		       bool deadline)
{
	int ret;

	if (READ_ONCE(fault->peer->revoked))
		return -EFAULT;
	if (deadline && time_after(jiffies, fault->until))
		return -ETIMEDOUT;
	while (fault->start != end) {
		fault->end = min(end, ALIGN_DOWN(fault->start, PEER_HUGE_SIZE) +
				      PEER_HUGE_SIZE);
		ret = fault_result(fault, fault_once(fault));
		if (ret && ret != -EAGAIN)
			return ret;
		if (!ret)
			fault->start = fault->end;
		if (!ret && !deadline)
			fault->until = ib_umem_peer_deadline();
		cond_resched();
	}
	return 0;
}

/*
 * Makes the pages of [addr, addr + length) accessible. They may leave again
 * at any time.
 * @until: deadline of the access, in jiffies; 0: one deadline for each step
 *         of the range
 * Return: 0; -EFAULT nothing there, or revoked; -EACCES no such access;
 * -ENOMEM; -ETIMEDOUT not present by the deadline, or invalidated again and
 * again; -EINTR the task is being killed.
 */
int ib_umem_peer_fault(struct ib_umem_peer *peer, unsigned long addr,
		       size_t length, unsigned int flags, unsigned long until)
{
	struct ib_peer_fault fault = { .start = addr & PAGE_MASK };
	ktime_t begin = ktime_get();
	int ret;

	ib_umem_peer_fault_begin(peer);
	/*
	 * Before the pages can be used, so that whoever uses them sees the
	 * count.
	 */
	atomic64_inc(&peer->stats.faults);
	ret = fault_init(&fault, peer, flags, until);
	if (!ret)
		ret = fault_range(&fault, PAGE_ALIGN(addr + length), until);
	fault_fini(&fault);
	trace_ib_peer_fault(peer, addr, length, flags,
			    ktime_us_delta(ktime_get(), begin), ret);
	ib_umem_peer_fault_end(peer);
	return ret;
}

/*
 * Fills the page table of a pinned region.
 * @until: jiffies
 * Return: as ib_umem_peer_fault().
 */
int ib_umem_peer_populate(struct ib_peer_region *region, unsigned long until)
{
	struct ib_umem_peer *peer = region->umem;
	struct ib_peer_fault fault = {};
	int ret;

	ret = fault_init(&fault, peer, region->writable ? PEER_FAULT_WRITE : 0,
			 until);
	fault.start = region->start;
	while (!ret && fault.start <= region->span.last) {
		fault.end = min(ALIGN_DOWN(fault.start, PEER_HUGE_SIZE) + PEER_HUGE_SIZE,
				region->span.last + 1);
		fault.window.mmu_seq = mmu_interval_read_begin(&peer->notifier);
		ret = fault_result(&fault, ib_peer_resolve_exporter(&fault, region));
		if (!ret)
			fault.start = fault.end;
		else if (ret == -EAGAIN)
			ret = 0;
		cond_resched();
	}
	fault_fini(&fault);
	return ret;
}
