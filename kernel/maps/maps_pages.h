/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef MAPS_PAGES_H
#define MAPS_PAGES_H

#include <linux/mm_types.h>
#include <linux/types.h>

/**
 * struct maps_run - a run of pages of a process that are physically contiguous
 * @start:    first address in the process
 * @end:      first address after the run
 * @present:  false: a gap without such pages
 * @writable: by the process
 * @ram:      system memory of a driver; false: device memory. Set by
 *            maps_policy_permits()
 * @registers: accesses may have side effects. Set by maps_policy_permits()
 * @phys:     CPU physical address of the first page
 * @prot:     page protection of the process's mapping, without its permissions
 * @sysfs_dir: the sysfs directory of the mapped file, only for comparison; NULL: the
 *            file is not in sysfs
 */
struct maps_run {
	unsigned long start;
	unsigned long end;
	bool present;
	bool writable;
	bool ram;
	bool registers;
	phys_addr_t phys;
	pgprot_t prot;
	const void *sysfs_dir;
};

static inline size_t maps_run_size(const struct maps_run *run)
{
	return run->end - run->start;
}

bool maps_vma_is_device(const struct vm_area_struct *vma);

/*
 * Looks up the run or the gap that starts at @start and ends at or before @end. It
 * is not empty. Missing pages are faulted in; @write: for writing.
 *
 * Return: 0; -EAGAIN a page was present only for a moment; -ENOMEM; -EINTR.
 */
int maps_pages_resolve(struct mm_struct *mm, unsigned long start,
		       unsigned long end, bool write, struct maps_run *run);

#endif
