/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Memory of processes, and its mappings.
 */
#ifndef PEER_COMPAT_MM_H
#define PEER_COMPAT_MM_H

#include <compat/probed.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/user_namespace.h>
#ifdef PEER_HAVE_TASK_EXEC_STATE
#include <linux/sched/exec_state.h>
#endif

/**
 * peer_vma_is_cow() - whether a write to the mapping may copy the page
 * @vma: the mapping
 *
 * Context: any; the caller holds the mmap_lock of its mm, or may otherwise read it.
 * Return: true if the mapping is private and may be or become writable.
 */
static inline bool peer_vma_is_cow(const struct vm_area_struct *vma)
{
	return (vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE;
}

/**
 * peer_get_unmapped_area() - search for free addresses in the calling process
 * @filp:   file that gets mapped
 * @addr:   hint, or the address if @flags has MAP_FIXED
 * @length: bytes
 * @pgoff:  offset in the file, in pages
 * @flags:  of mmap()
 *
 * Context: the caller holds the mmap_lock of its mm for writing.
 * Return: the address, or -errno as an unsigned long.
 */
static inline unsigned long peer_get_unmapped_area(struct file *filp, unsigned long addr,
						   unsigned long length, unsigned long pgoff,
						   unsigned long flags)
{
#ifdef PEER_HAVE_UNMAPPED_AREA_OF_CURRENT
	return mm_get_unmapped_area(filp, addr, length, pgoff, flags);
#else
	return mm_get_unmapped_area(current->mm, filp, addr, length, pgoff, flags);
#endif
}

/**
 * peer_ioremap_prot() - map device memory for the kernel
 * @phys:   CPU physical address
 * @length: bytes
 * @prot:   protection of a mapping of a process, for its cache attributes
 *
 * Context: may sleep.
 * Return: the mapping, for iounmap(); NULL on failure.
 */
static inline void __iomem *peer_ioremap_prot(phys_addr_t phys, size_t length, pgprot_t prot)
{
#ifdef PEER_HAVE_IOREMAP_PROT_PGPROT
	return ioremap_prot(phys, length, prot);
#else
	return ioremap_prot(phys, length, pgprot_val(prot));
#endif
}

/**
 * peer_get_task_mm() - get the mm of a task, and the user namespace that rules over it
 * @task:    the task
 * @user_ns: receives the user namespace in which a capability permits access to the mm,
 *           with a reference, for put_user_ns()
 *
 * The two belong together, also if the task executes another program meanwhile.
 *
 * Context: takes task_lock().
 * Return: as get_task_mm(). If it is NULL, @user_ns is not set.
 */
static inline struct mm_struct *peer_get_task_mm(struct task_struct *task,
						 struct user_namespace **user_ns)
{
	struct mm_struct *mm;

#ifdef PEER_HAVE_TASK_EXEC_STATE
	if (task->flags & PF_KTHREAD)
		return NULL;
	task_lock(task);
	mm = task->mm;
	if (mm) {
		mmget(mm);
		*user_ns = get_user_ns(rcu_dereference_protected(task->exec_state,
								 lockdep_is_held(&task->alloc_lock))
				       ->user_ns);
	}
	task_unlock(task);
#else
	mm = get_task_mm(task);
	if (mm)
		*user_ns = get_user_ns(mm->user_ns);
#endif
	return mm;
}

#endif
