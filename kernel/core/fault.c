// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Where are these pages? The question goes to whom the mapping belongs: to the
 * system for system memory, to the exporter for device memory and for addresses
 * where the CPU has nothing mapped. The protocol is the same, that of
 * mmu_interval_notifier:
 *
 *   read the sequences; ask, with no lock of ours held; take the lock; if a
 *   sequence moved, what was said may be old: ask again; else publish.
 *
 * ask.c does the asking; here is who is asked, and how often.
 */
#include <linux/err.h>
#include <linux/export.h>
#include <linux/jiffies.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "fault.h"
#include "readers.h"
#include "trace.h"

/*
 * The region that the first page lies in, in use; NULL: none; ERR_PTR(-EFAULT):
 * it was revoked. Where a revoked one is not to be kept it is dropped instead.
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
		ib_peer_region_use(region);
	} else if (region && keep_dead) {
		region = ERR_PTR(-EFAULT);
	} else if (region) {
		dead = region;
		region = NULL;
		kref_get(&dead->kref);
	}
	xa_unlock(&fault->peer->pages);
	if (dead) {
		ib_umem_peer_forget(dead);
		ib_peer_region_put(dead);
	}
	return region;
}

/* The part of [start, last] around the first page that no region has. */
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
 * A new region, as much of [start, last] as there is none for. Puts it into the
 * tree, if what is mapped is still what it was. Return: the region, in use; or
 * ERR_PTR.
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
				       fault->answer.mmu_seq) ||
	       interval_tree_iter_first(&peer->regions, start, last);
	if (!late)
		ib_umem_peer_insert(region);
	xa_unlock(&peer->pages);
	if (late) {
		ib_peer_region_discard(region);
		return ERR_PTR(-EAGAIN);
	}
	return region;
}

/*
 * Device memory: of the region there is, or of a new one in [start, last].
 * @keep_dead: a revoked region answers for its range until that is unmapped
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
		/* It may be written since a rereg: claim it for that. */
		ib_umem_peer_forget(region);
		ib_peer_hold(IB_PEER_HOLD_FORGOTTEN);
		ib_peer_region_kill(region);
		ret = -EAGAIN;
	} else {
		fault->end = min(fault->end, region->span.last + 1);
		ret = ib_peer_ask_exporter(fault, region);
	}
	ib_peer_region_unuse(region);
	return ret;
}

/*
 * A page that the CPU has mapped, in every 2 MiB that an importer has: only
 * then does an mprotect() of a mapping without other pages tell the notifier.
 * Where the CPU cannot have one there is nothing to be told of.
 */
static int fault_touch(struct ib_peer_fault *fault)
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

/* A device's mapping. */
static int fault_device(struct ib_peer_fault *fault, struct vm_area_struct *vma)
{
	bool writable = vma->vm_flags & VM_WRITE &&
			READ_ONCE(fault->peer->writable);
	unsigned long start = vma->vm_start;
	unsigned long last = vma->vm_end - 1;
	int ret = 0;

	/* An exporter cannot tell without bringing. */
	if (!(fault->flags & PEER_FAULT_SNAPSHOT))
		ret = fault_touch(fault);
	fault_unlock(fault);
	if (ret || fault->flags & PEER_FAULT_SNAPSHOT)
		return ret;
	return fault_region(fault, start, last, writable, true);
}

/*
 * The reservation, or the gap between mappings, that the first page lies in.
 * Return: what an access gets if nobody has anything there.
 */
static int fault_area(struct ib_peer_fault *fault, unsigned long *start,
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

/*
 * The CPU's page tables know nothing of memory that only a device reaches, but
 * its owner does, by the address. Much may be reserved and little of it be
 * memory: so ask about all, and then about 2 MiB. No munmap() says that a revoked
 * region is over, and its owner may use the addresses again: so ask anew.
 */
static int fault_unmapped(struct ib_peer_fault *fault)
{
	unsigned long window = ALIGN_DOWN(fault->start, PEER_HUGE_SIZE);
	bool writable = READ_ONCE(fault->peer->writable);
	unsigned long start, last;
	int ret, refusal;

	refusal = fault_area(fault, &start, &last);
	fault_unlock(fault);
	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return refusal;

	ret = fault_region(fault, start, last, writable, false);
	if (ret && ret != -EAGAIN)
		ret = fault_region(fault, max(start, window),
				   min(last, window + PEER_HUGE_SIZE - 1),
				   writable, false);
	return ret == -EFAULT ? refusal : ret;
}

/* One region is all there is, and it is no part of an address space. */
static int fault_dmabuf(struct ib_peer_fault *fault)
{
	struct ib_peer_region *region;
	int ret;

	/* An exporter cannot tell without bringing. */
	if (fault->flags & PEER_FAULT_SNAPSHOT)
		return 0;
	region = fault_find_region(fault, true);
	if (IS_ERR_OR_NULL(region))
		return -EFAULT;
	if (fault_is_write(fault) && !region->writable)
		ret = -EACCES;
	else
		ret = ib_peer_ask_exporter(fault, region);
	ib_peer_region_unuse(region);
	return ret;
}

/*
 * To write to a private mapping of a device's is to copy the page, which the
 * kernel does right only in the process itself.
 */
static bool fault_permits(const struct ib_peer_fault *fault,
			  const struct vm_area_struct *vma, bool device)
{
	unsigned long need = VM_READ | (fault_is_write(fault) ? VM_WRITE : 0);

	if (device && fault_is_write(fault) && is_cow_mapping(vma->vm_flags))
		return false;
	return (vma->vm_flags & need) == need;
}

/* Called with mmap_lock held, which may be let go. */
static int fault_vma(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	struct vm_area_struct *vma = vma_lookup(mm, fault->start);
	bool device = vma && vma->vm_flags & (VM_IO | VM_PFNMAP);

	/* No process has memory there, and no exporter has to know that. */
	if (fault->start >= TASK_SIZE_MAX)
		return -EFAULT;
	if (!vma || (!device && !(vma->vm_flags & VM_ACCESS_FLAGS)))
		return fault_unmapped(fault);
	if (!fault_permits(fault, vma, device))
		return -EACCES;
	fault->end = min(fault->end, vma->vm_end);
	if (device)
		return fault_device(fault, vma);
	/* What was shared is a client's memory. */
	if (fault->peer->export)
		return -EFAULT;
	return ib_peer_ask_system(fault, vma);
}

static int fault_mm(struct ib_peer_fault *fault)
{
	struct mm_struct *mm = fault->peer->umem.owning_mm;
	int ret;

	if (ib_peer_mm_is_abandoned(mm) || !mmget_not_zero(mm))
		return -EFAULT;
	fault->answer.mmu_seq = mmu_interval_read_begin(&fault->peer->notifier);
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
 * What it takes, entries, regions, the CPU's page tables, is charged to who
 * registered, whichever thread does it, and whosever the address space is.
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
	fault->answer.ptes = kmalloc_array(PEER_HUGE_PAGES,
					   sizeof(*fault->answer.ptes),
					   GFP_KERNEL);
	return fault->answer.ptes ? 0 : -ENOMEM;
}

static void fault_fini(struct ib_peer_fault *fault)
{
	kfree(fault->answer.ptes);
}

/* From queueing to the end; a fault in the background counts twice. */
void ib_umem_peer_fault_begins(struct ib_umem_peer *peer)
{
	atomic_inc(&peer->faults_under_way);
	/* Before it asks whether the umem is revoked. */
	smp_mb__after_atomic();
}

void ib_umem_peer_fault_ended(struct ib_umem_peer *peer)
{
	/* The umem may be gone right after: the variable is only an address. */
	if (atomic_dec_and_test(&peer->faults_under_way))
		wake_up_var(&peer->faults_under_way);
}

/* The umem is revoked, so those under way end soon and others do nothing. */
void ib_umem_peer_drain_faults(struct ib_umem_peer *peer)
{
	wait_var_event(&peer->faults_under_way,
		       !atomic_read(&peer->faults_under_way));
}

/* What came of asking once, and whether to go on: 0 the next pages, -EAGAIN again. */
static int fault_result(const struct ib_peer_fault *fault, int ret)
{
	if (READ_ONCE(fault->peer->revoked))
		return -EFAULT;
	if (fatal_signal_pending(current))
		return -EINTR;
	if (ret == -EAGAIN && time_after(jiffies, fault->until))
		return -ETIMEDOUT;
	return ret;
}

/* Asks about [fault->start, end), 2 MiB of addresses at a time. */
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
 * Makes the pages of [addr, addr + length) accessible, for a moment at least.
 * @until: jiffies, the deadline of the access; 0: one for each step of the range
 * Return: 0, -EFAULT nothing there or revoked, -EACCES not for writing, -ENOMEM,
 * -ETIMEDOUT not there by the deadline, or taken away again and again, -EINTR the
 * task is being killed.
 */
int ib_umem_peer_fault(struct ib_umem_peer *peer, unsigned long addr,
		       size_t length, unsigned int flags, unsigned long until)
{
	struct ib_peer_fault fault = { .start = addr & PAGE_MASK };
	ktime_t begin = ktime_get();
	int ret;

	ib_umem_peer_fault_begins(peer);
	/* Who uses what it brings finds it counted. */
	atomic64_inc(&peer->stats.faults);
	ret = fault_init(&fault, peer, flags, until);
	if (!ret)
		ret = fault_range(&fault, PAGE_ALIGN(addr + length), until);
	fault_fini(&fault);
	trace_ib_peer_fault(peer, addr, length, flags,
			    ktime_us_delta(ktime_get(), begin), ret);
	ib_umem_peer_fault_ended(peer);
	return ret;
}

/*
 * Fills the page table for the whole of a pinned region.
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
		fault.answer.mmu_seq = mmu_interval_read_begin(&peer->notifier);
		ret = fault_result(&fault, ib_peer_ask_exporter(&fault, region));
		if (!ret)
			fault.start = fault.end;
		else if (ret == -EAGAIN)
			ret = 0;
		cond_resched();
	}
	fault_fini(&fault);
	return ret;
}
