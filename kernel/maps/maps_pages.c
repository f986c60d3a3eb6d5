// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * What the page table of a process says about a device mapping, by
 * follow_pfnmap_start(). Pages that the CPU does not have are had by a fault, of
 * the driver that made the mapping.
 *
 * It is true while the page table's lock is held, which is over when these
 * functions return. The core has read the mmu notifier's sequence before, and
 * believes nothing if that has moved.
 */
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/kernfs.h>
#include <linux/magic.h>
#include <linux/mm.h>

#include "maps_priv.h"

/* One brings the page; another one tells a driver that asks for it of the write. */
#define MAX_FAULTS 2

/* Without a file it is the system's own. */
bool maps_vma_is_device(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_IO | VM_PFNMAP) && vma->vm_file;
}

/* Where a device has its files. */
static const void *file_folder(const struct file *file)
{
	const struct inode *inode = file_inode(file);
	const struct kernfs_node *node = inode->i_private;

	return inode->i_sb->s_magic == SYSFS_MAGIC ? node->parent : NULL;
}

/* The rights, and what the CPU notes of its accesses, differ page by page. */
static pgprot_t page_caching(pgprot_t prot)
{
	pte_t pte = pfn_pte(0, prot);

	return pte_pgprot(pte_mkwrite_novma(pte_mkdirty(pte_mkyoung(pte))));
}

/*
 * Only what has no struct page to the page table. Return: whether there may be
 * something; of a private mapping there is nothing.
 */
static bool page_look(struct mm_struct *mm, unsigned long addr,
		      struct maps_run *page)
{
	struct follow_pfnmap_args args = { .address = addr };

	mmap_assert_locked(mm);

	*page = (struct maps_run){ .start = addr, .end = addr + PAGE_SIZE };
	args.vma = vma_lookup(mm, addr);
	if (!args.vma || !maps_vma_is_device(args.vma) ||
	    is_cow_mapping(args.vma->vm_flags))
		return false;
	if (follow_pfnmap_start(&args))
		return true;
	page->there = args.special;
	page->writable = args.writable;
	page->phys = PFN_PHYS(args.pfn);
	page->prot = page_caching(args.pgprot);
	follow_pfnmap_end(&args);
	page->folder = file_folder(args.vma->vm_file);
	return true;
}

/*
 * Return: 0, with a page or a gap; -EAGAIN it was there for a moment; -ENOMEM,
 * -EINTR.
 */
static int page_read(struct mm_struct *mm, unsigned long addr, bool write,
		     struct maps_run *page)
{
	bool unlocked = false;
	int faults, ret;

	for (faults = 0; page_look(mm, addr, page); faults++) {
		if (page->there && (page->writable || !write))
			break;
		if (faults == MAX_FAULTS)
			return -EAGAIN;
		ret = fixup_user_fault(mm, addr, write ? FAULT_FLAG_WRITE : 0,
				       &unlocked);
		if (ret)
			return ret == -EFAULT ? 0 : ret;
	}
	return 0;
}

/* Does the page go on where the run ends? */
static bool run_goes_on(const struct maps_run *run, const struct maps_run *page)
{
	return run->there == page->there && run->writable == page->writable &&
	       run->folder == page->folder &&
	       pgprot_val(run->prot) == pgprot_val(page->prot) &&
	       (!run->there || run->phys + maps_run_size(run) == page->phys);
}

static int run_read(struct mm_struct *mm, unsigned long end, bool write,
		    struct maps_run *run)
{
	struct maps_run page;
	int ret;

	ret = page_read(mm, run->start, write, run);
	while (!ret && run->end != end) {
		ret = page_read(mm, run->end, write, &page);
		if (ret || !run_goes_on(run, &page))
			break;
		run->end = page.end;
	}
	return ret;
}

/*
 * The pages, or the gap, that @start begins and that ends before or at @end; not
 * empty. Return: as page_read().
 */
int maps_pages_read(struct mm_struct *mm, unsigned long start,
		    unsigned long end, bool write, struct maps_run *run)
{
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	run->start = start;
	ret = run_read(mm, end, write, run);
	mmap_read_unlock(mm);
	return ret;
}
