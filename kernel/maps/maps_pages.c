// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Lookup of device mappings in the page table of a process, by
 * follow_pfnmap_start(). A page that is not present is faulted in by the driver that
 * made the mapping.
 *
 * The result is valid only under the page table lock, which these functions drop
 * before they return. The core has read the sequence of the mmu notifier before. It
 * discards the result if the sequence has changed.
 */
#include <compat/mm.h>
#include <linux/dcache.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/magic.h>

#include "maps_pages.h"

/* One makes the page present. Another makes it writable (pfn_mkwrite). */
#define MAX_FAULTS 2

/* A mapping without a file is the kernel's own, not a driver's. */
bool maps_vma_is_device(const struct vm_area_struct *vma)
{
	return vma->vm_flags & (VM_IO | VM_PFNMAP) && vma->vm_file;
}

/*
 * Return: the sysfs directory of the file, which identifies a device, or NULL. It is
 * the kernfs_node, which is the private data of an inode of sysfs.
 */
static const void *file_sysfs_dir(const struct file *file)
{
	struct dentry *dir;
	const void *node;

	if (file_inode(file)->i_sb->s_magic != SYSFS_MAGIC)
		return NULL;
	dir = dget_parent(file->f_path.dentry);
	node = d_inode(dir)->i_private;
	dput(dir);
	return node;
}

/* Makes the bits equal that differ page by page: write, accessed, dirty. */
static pgprot_t page_cache_prot(pgprot_t prot)
{
	pte_t pte = pfn_pte(0, prot);

	return pte_pgprot(pte_mkwrite_novma(pte_mkdirty(pte_mkyoung(pte))));
}

/*
 * Accepts only entries that the page table treats as having no struct page. Return:
 * false if a fault cannot make the page present. Private mappings count as empty.
 */
static bool page_lookup(struct mm_struct *mm, unsigned long addr,
			struct maps_run *page)
{
	struct follow_pfnmap_args args = { .address = addr };

	mmap_assert_locked(mm);

	*page = (struct maps_run){ .start = addr, .end = addr + PAGE_SIZE };
	args.vma = vma_lookup(mm, addr);
	if (!args.vma || !maps_vma_is_device(args.vma) ||
	    peer_vma_is_cow(args.vma))
		return false;
	if (follow_pfnmap_start(&args))
		return true;
	page->present = args.special;
	page->writable = args.writable;
	page->phys = PFN_PHYS(args.pfn);
	page->prot = page_cache_prot(args.pgprot);
	follow_pfnmap_end(&args);
	page->sysfs_dir = file_sysfs_dir(args.vma->vm_file);
	return true;
}

/* Return: 0 with a page or a gap; errors as maps_pages_resolve(). */
static int page_resolve(struct mm_struct *mm, unsigned long addr, bool write,
			struct maps_run *page)
{
	bool unlocked = false;
	int faults, ret;

	for (faults = 0; page_lookup(mm, addr, page); faults++) {
		if (page->present && (page->writable || !write))
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

/* Can the page, which follows in the process, be added to the run? */
static bool run_continues(const struct maps_run *run,
			  const struct maps_run *page)
{
	return run->present == page->present &&
	       run->writable == page->writable &&
	       run->sysfs_dir == page->sysfs_dir &&
	       pgprot_val(run->prot) == pgprot_val(page->prot) &&
	       (!run->present || run->phys + maps_run_size(run) == page->phys);
}

static int run_resolve(struct mm_struct *mm, unsigned long end, bool write,
		       struct maps_run *run)
{
	struct maps_run page;
	int ret;

	ret = page_resolve(mm, run->start, write, run);
	while (!ret && run->end != end) {
		ret = page_resolve(mm, run->end, write, &page);
		if (ret || !run_continues(run, &page))
			break;
		run->end = page.end;
	}
	return ret;
}

int maps_pages_resolve(struct mm_struct *mm, unsigned long start,
		       unsigned long end, bool write, struct maps_run *run)
{
	int ret;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	run->start = start;
	ret = run_resolve(mm, end, write, run);
	mmap_read_unlock(mm);
	return ret;
}
